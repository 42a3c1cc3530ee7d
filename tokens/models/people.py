"""Logins of client companies' own people, which a billing system asks for (CreateSsoToken)."""

from typing import ClassVar

from django.db import models

from groups.models import Client, ClientPerson
from tokens.models.credentials import ApiCredential
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet


class PersonToken(SpentOnce):
    """A login of a client company's own person: spent when its address is opened."""

    person = models.ForeignKey(ClientPerson, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    credential = models.ForeignKey(ApiCredential, on_delete=models.SET_NULL, null=True, related_name="+")
    destination = models.CharField(max_length=64, blank=True)
    path = models.CharField(max_length=500, blank=True)  # within the CRM
    redeemed_from = models.CharField(max_length=45, blank=True)

    objects = SpentOnceQuerySet["PersonToken"].as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["issued_at"], name="person_token_by_age")]

    def __str__(self) -> str:
        return f"{self.person} {self.trace}"
