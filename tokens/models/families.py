"""What an agent's sign-in at a relying party, or over the bus, goes on with: families of refresh and access tokens."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from groups.models import Agent, AgentSession, Client, Group
from sso_portal.lib.secrets import digest_of
from tokens.models.bus import BusCode
from tokens.models.login_token import LoginToken
from tokens.models.relying_party import RelyingParty
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet


class FamilyEnd(models.TextChoices):
    """Why a family was revoked."""

    REUSED = "reused", "a code or refresh token was used a second time"
    REVOKED = "revoked", "revoked by the relying party"
    SIGNED_OUT = "signed_out", "signed out"
    REPLACED = "replaced", "revoked by an administrator or operator"


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def live(self) -> Self:
        """Those that were not revoked and have not reached their end."""
        return self.filter(revoked_at=None, ends_at__gt=Now())

    def revoke(self, reason: str) -> int:
        """End those that are not revoked yet; how many."""
        return self.filter(revoked_at=None).update(revoked_at=Now(), end_reason=reason)


class TokenFamily(models.Model):
    """All that grew from one sign-in: revoked as one, ended at one time, whatever was refreshed meanwhile."""

    relying_party = models.ForeignKey(
        RelyingParty, on_delete=models.CASCADE, null=True, related_name="families"
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, null=True, related_name="+")
    session = models.ForeignKey(AgentSession, on_delete=models.SET_NULL, null=True, related_name="+")
    login_token = models.OneToOneField(
        LoginToken, on_delete=models.SET_NULL, null=True, related_name="family"
    )
    bus_code = models.OneToOneField(BusCode, on_delete=models.SET_NULL, null=True, related_name="family")
    scope = models.CharField(max_length=200, blank=True)
    nonce = models.CharField(max_length=255, blank=True)
    sid = models.CharField(max_length=32, blank=True)  # of the session, when it is forgotten already
    methods = models.JSONField(default=list)  # amr values
    authenticated_at = models.DateTimeField()
    departments = models.JSONField(null=True)  # as in the login token
    campaigns = models.JSONField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=16, choices=FamilyEnd, blank=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "token families"
        indexes: ClassVar = [
            models.Index(fields=["agent", "ends_at"], name="family_of_agent"),
            models.Index(fields=["ends_at"], name="family_by_end"),
            models.Index(fields=["sid"], name="family_by_sid", condition=Q(revoked_at=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(relying_party__isnull=True) | Q(client__isnull=False), name="family_has_client"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None, end_reason="")
                | (Q(revoked_at__isnull=False) & ~Q(end_reason="")),
                name="revoked_family_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} at {self.relying_party or 'the bus'}"


class RefreshToken(SpentOnce):
    """Exchanged once, for the next one of its family."""

    PREFIX = "rt_"

    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="refresh_tokens")

    objects = SpentOnceQuerySet["RefreshToken"].as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="refresh_by_end")]


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def shown(self, secret: str) -> Self:
        """The token with this secret, unless it has ended or was revoked."""
        return self.filter(digest=digest_of(secret), revoked_at=None, expires_at__gt=Now())


class AccessToken(models.Model):
    """Opaque: what it says is asked of the portal, so that a revocation never waits."""

    PREFIX = "at_"

    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="access_tokens")
    scope = models.CharField(max_length=200, blank=True)  # no more than its family's
    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="access_by_end")]

    def __str__(self) -> str:
        return f"access token {self.digest[:12]}"
