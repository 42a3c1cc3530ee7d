"""Logins of client companies' own people: those that a billing system asks for, and those handed on to the CRM."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from groups.models import PATH_LENGTH, Client, ClientPerson, ClientSession
from tokens.models.credentials import ApiCredential
from tokens.models.relying_party import RelyingParty
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet


class PersonUse(models.TextChoices):
    """What a token of a person is for. One of the one use is worth nothing for the other."""

    ENTRANCE = "entrance", "to be opened at the portal, where it begins a session"
    HAND_OFF = "hand_off", "to be redeemed by the client's relying party"
    SIGNED = "signed", "told in full by a signed hand-off: nothing to redeem"


class PersonToken(SpentOnce):
    """A login of a client company's own person."""

    PREFIX = "pt_"  # of those that are handed off: by it, redeeming tells them from agents'

    use = models.CharField(max_length=16, choices=PersonUse)
    person = models.ForeignKey(ClientPerson, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    credential = models.ForeignKey(ApiCredential, on_delete=models.SET_NULL, null=True, related_name="+")
    session = models.ForeignKey(ClientSession, on_delete=models.SET_NULL, null=True, related_name="+")
    destination = models.CharField(max_length=64, blank=True)  # as it was asked for; "": the client area
    path = models.CharField(max_length=PATH_LENGTH, blank=True)  # within the CRM; "": its home
    redeemed_by = models.ForeignKey(RelyingParty, on_delete=models.SET_NULL, null=True, related_name="+")
    redeemed_from = models.CharField(max_length=45, blank=True)

    objects = SpentOnceQuerySet["PersonToken"].as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["issued_at"], name="person_token_by_age")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(use__in=PersonUse.values), name="person_token_use_known"),
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.trace}"
