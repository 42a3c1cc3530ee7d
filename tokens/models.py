"""Login tokens, and what the software of call centers and clients shows to be let in."""

import secrets
from datetime import timedelta
from ipaddress import ip_network
from typing import ClassVar, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from groups.models import NAME_LENGTH, Agent, AgentSession, Client, Group, validate_text
from sso_portal.lib.addresses import Network, network_of
from sso_portal.lib.secrets import digest_of


def new_identifier() -> str:
    """The public id of a relying party."""
    return f"rp_{secrets.token_hex(8)}"


MINUTE = timedelta(minutes=1)
OLD_AFTER = timedelta(days=335)  # then a new one should be made: a month before it is a year old
ENDS_SOON = timedelta(days=7)


class State(models.TextChoices):
    """What a credential is worth at the moment."""

    LIVE = "live"
    ENDING = "ending"
    ENDED = "ended"
    REVOKED = "revoked"


class Credential(models.Model):
    """What every machine secret has: a digest, the beginning that people know it by, an end."""

    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def take(self, secret: str) -> None:
        """Hold this secret from now on: its digest and the beginning of it."""
        self.digest, self.prefix = digest_of(secret), secret[:11]

    @property
    def state(self) -> State:
        """Live, ending within a week, ended, or revoked."""
        if self.revoked_at:
            return State.REVOKED
        left = self.expires_at - timezone.now() if self.expires_at else None
        if left is None or left > ENDS_SOON:
            return State.LIVE
        return State.ENDING if left > timedelta(0) else State.ENDED

    @property
    def is_old(self) -> bool:
        """Whether it is time to make a new one."""
        return self.created_at < timezone.now() - OLD_AFTER


C = TypeVar("C", bound=Credential)


class CredentialQuerySet(models.QuerySet[C]):
    """Asked with what a caller sent."""

    def live(self) -> Self:
        """Those that open their door now."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=Now()))

    def shown(self, secret: str) -> Self:
        """The live credential with this secret."""
        return self.live().filter(digest=digest_of(secret))

    def touch(self, credential: C) -> None:
        """Note its use: at most once a minute, whatever comes. Costs a statement only when it is due."""
        noted = credential.last_used_at
        if noted and timezone.now() - noted < MINUTE:
            return
        # Asked again of the database: of many calls at once, one writes.
        self.filter(pk=credential.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lte=Now() - MINUTE)
        ).update(last_used_at=Now())


class PlatformKey(Credential):
    """The key with which a group's call-center platform asks for logins (header Platform-Key)."""

    PREFIX = "pk_"

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="platform_keys")

    objects = CredentialQuerySet["PlatformKey"].as_manager()

    @property
    def named(self) -> str:
        """The key as audit events name it, who does something as well as what something is done to."""
        return f"key:{self.prefix}"


class RelyingParty(Credential):
    """A client's system that trusts us: its public id and its secret (HTTP Basic)."""

    PREFIX = "rs_"

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="relying_parties")
    identifier = models.CharField(max_length=64, unique=True, default=new_identifier, editable=False)

    objects = CredentialQuerySet["RelyingParty"].as_manager()

    class Meta:
        verbose_name_plural = "relying parties"


class AddressRule(models.Model):
    """A network from which a group's software may call. Without any rule, nobody may."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="address_rules")
    network = models.CharField(max_length=49, help_text="203.0.113.7 or 203.0.113.0/24")
    note = models.CharField(max_length=NAME_LENGTH, blank=True, validators=[validate_text])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "network"], name="network_listed_once"),
            models.CheckConstraint(condition=~Q(network=""), name="rule_has_network"),
        ]

    def __str__(self) -> str:
        return f"{self.network} ({self.group})"

    def clean(self) -> None:
        network = network_of(self.network)
        if network is None:
            raise ValidationError({"network": _("This is not an address or network, like 203.0.113.0/24.")})
        self.network = str(network)

    @property
    def range(self) -> Network:
        """Its network, to compare with."""
        return ip_network(self.network)


class Kind(models.TextChoices):
    HAND_OFF = "hand_off", "to be redeemed by the client's relying party"
    ENTRANCE = "entrance", "to be opened at the portal, which then hands off"


class LoginTokenQuerySet(models.QuerySet["LoginToken"]):
    def claim(
        self, secret: str, *, kind: str, relying_party: RelyingParty | None = None, address: str = ""
    ) -> bool:
        """Spend a token; at most one caller ever wins it. A relying party wins its own client's tokens only."""
        # Own columns only: a filter across a relation would let two PostgreSQL sessions both win.
        tokens = self.filter(digest=digest_of(secret), kind=kind, redeemed_at=None, expires_at__gt=Now())
        if relying_party is not None:
            tokens = tokens.filter(client_id=relying_party.client_id)
        return tokens.update(redeemed_at=Now(), redeemed_by=relying_party, redeemed_from=address) == 1


def issued_last_minute(by: str) -> Coalesce:
    """How many tokens were issued in the last minute by a row of `by` (`session`, `platform_key`), to annotate it."""
    recent = LoginToken.objects.filter(issued_at__gt=Now() - timedelta(minutes=1), **{by: OuterRef("pk")})
    return Coalesce(Subquery(recent.order_by().values(by).annotate(n=Count("pk")).values("n")), Value(0))


class LoginToken(models.Model):
    """A login that was issued: the digest of a secret shown once, and what it says about whom."""

    digest = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=Kind)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    session = models.ForeignKey(AgentSession, on_delete=models.SET_NULL, null=True, related_name="+")
    platform_key = models.ForeignKey(PlatformKey, on_delete=models.SET_NULL, null=True, related_name="+")
    departments = models.JSONField(null=True)  # numbers asked for; null: all that are granted at redemption
    campaigns = models.JSONField(null=True)
    did = models.CharField(max_length=64, blank=True)
    cid = models.CharField(max_length=64, blank=True)
    call_id = models.CharField(max_length=128, blank=True)
    campaign_id = models.CharField(max_length=64, blank=True)
    destination = models.CharField(max_length=64, blank=True)
    issued_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True)
    redeemed_by = models.ForeignKey(RelyingParty, on_delete=models.SET_NULL, null=True, related_name="+")
    redeemed_from = models.CharField(max_length=45, blank=True)

    objects = LoginTokenQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["session", "issued_at"], name="token_of_session"),
            models.Index(fields=["platform_key", "issued_at"], name="token_of_key"),
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

    @property
    def trace(self) -> str:
        """What logs and events may say of it: the first twelve hex digits of its digest."""
        return self.digest[:12]
