"""Login tokens: secrets shown once, each worth one login."""

from collections.abc import Collection
from typing import ClassVar

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now

from groups.models import Agent, AgentSession, Client, Group
from sso_portal.lib.fields import CheckedText
from tokens.models.credentials import MINUTE, PlatformKey
from tokens.models.relying_party import RelyingParty
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet


class Kind(models.TextChoices):
    HAND_OFF = "hand_off", "to be redeemed by the client's relying party"
    ENTRANCE = "entrance", "to be opened at the portal, which then hands off"
    SIGNED = "signed", "told in full by a signed hand-off: nothing to redeem"
    LAUNCH = "launch", "the hint by which a sign-in that the portal began knows its call"
    CODE = "code", "an authorization code of OpenID Connect"


class LoginTokenQuerySet(SpentOnceQuerySet["LoginToken"]):
    def claim(
        self, secret: str, *, kind: str, relying_party: RelyingParty | None = None, address: str = ""
    ) -> bool:
        """Spend a token; at most one caller ever wins it. A relying party wins its own client's tokens only.

        Of the tokens that were issued to one relying party alone, it wins its own only.
        """
        # Own columns only: a filter across a relation would let two PostgreSQL sessions both win.
        tokens = self.unspent(secret).filter(kind=kind)
        if relying_party is not None:
            tokens = tokens.filter(client_id=relying_party.client_id)
            tokens = tokens.filter(Q(issued_to=None) | Q(issued_to=relying_party))
        return tokens.spend(redeemed_by=relying_party, redeemed_from=address)


def issued_last_minute(by: str, *, kinds: Collection[str] = ()) -> Coalesce:
    """How many tokens were issued in the last minute by a row of `by` (`session`, `platform_key`), to annotate it.

    `kinds` names those that count (none: all).
    """
    recent = LoginToken.objects.filter(issued_at__gt=Now() - MINUTE, **{by: OuterRef("pk")})
    recent = recent.filter(kind__in=kinds) if kinds else recent
    return Coalesce(Subquery(recent.order_by().values(by).annotate(n=Count("pk")).values("n")), Value(0))


class LoginToken(SpentOnce):
    """A login that was issued: the digest of a secret shown once, and what it says about whom."""

    kind = models.CharField(max_length=16, choices=Kind)
    # Every pop pays for every index, and for every reference that the database checks: it locks the row referred to,
    # which many pops share. So there are none (agents, groups, clients, keys and relying parties are made inactive,
    # never removed; sessions when all their tokens are gone), nor an index on what a redemption changes: PostgreSQL
    # then writes the row beside the old one, and nothing else.
    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    group = models.ForeignKey(
        Group, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    session = models.ForeignKey(
        AgentSession,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    platform_key = models.ForeignKey(
        PlatformKey,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    issued_to = models.ForeignKey(
        RelyingParty,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    terms = models.JSONField(default=dict)  # what the dialect that asked for it bound it to
    departments = models.JSONField(null=True)  # numbers asked for; null: all that are granted at redemption
    campaigns = models.JSONField(null=True)
    did = CheckedText(max_length=64, blank=True)
    cid = CheckedText(max_length=64, blank=True)
    call_id = CheckedText(max_length=128, blank=True)
    campaign_id = CheckedText(max_length=64, blank=True)
    destination = CheckedText(max_length=64, blank=True)
    redeemed_by = models.ForeignKey(
        RelyingParty,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    redeemed_from = CheckedText(max_length=45, blank=True)

    objects = LoginTokenQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["session", "issued_at"], name="token_of_session"),
            models.Index(
                fields=["platform_key", "issued_at"],
                name="token_of_platform_key",
                condition=Q(platform_key__isnull=False),
            ),
            models.Index(fields=["issued_to"], name="token_for_party", condition=Q(issued_to__isnull=False)),
            models.Index(fields=["issued_at"], name="token_by_age"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="token_kind_known"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("issued_at")), name="token_expires_after_issue"
            ),
            models.CheckConstraint(
                condition=Q(redeemed_at__isnull=False) | Q(redeemed_by=None, redeemed_from=""),
                name="unspent_token_was_redeemed_by_nobody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.trace}"
