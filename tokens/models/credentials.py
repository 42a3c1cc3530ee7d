"""What the software of call centers and clients shows to be let in: digests of machine secrets, and address lists."""

import hmac
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, ClassVar, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups.models import NAME_LENGTH, Client, Group, validate_text
from sso_portal.lib.addresses import Network, network_of
from sso_portal.lib.encryption import decrypt, encrypt
from sso_portal.lib.secrets import digest_of
from tokens.models.relying_party import RelyingParty

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

    def to_replace(self) -> Self:
        """The live ones that end soon, or are so old that a new one ought to be made."""
        is_old = Q(created_at__lt=Now() - OLD_AFTER)
        return self.live().filter(Q(expires_at__lte=Now() + ENDS_SOON) | is_old)

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


class GroupKey(Credential):
    """A key that a group makes for its own software."""

    PREFIX: ClassVar[str]
    group: "models.ForeignKey[Group, Group]"

    class Meta:
        abstract = True

    @property
    def named(self) -> str:
        """The key as audit events name it, who does something as well as what something is done to."""
        return f"key:{self.prefix}"

    @property
    def allowed(self) -> dict[str, Any]:
        """What the key that takes over from this one may do likewise, as fields."""
        return {}


class PlatformKey(GroupKey):
    """The key with which a group's call-center platform asks for logins (header Platform-Key)."""

    PREFIX = "pk_"

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="platform_keys")

    objects = CredentialQuerySet["PlatformKey"].as_manager()


class Scope(models.TextChoices):
    """What software may do with a group's key of the native API."""

    AGENTS_READ = "agents:read", gettext_lazy("see agents")
    AGENTS_WRITE = "agents:write", gettext_lazy("create, change and disable agents")
    LOGINS = "logins", gettext_lazy("ask for logins")
    EVENTS = "events:read", gettext_lazy("read events")
    ENTITLEMENTS = "entitlements:read", gettext_lazy("see what the group may enter")


class ApiKey(GroupKey):
    """The key with which a group's own software calls the native API (Authorization: Bearer)."""

    PREFIX = "ak_"

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="api_keys")
    scopes = models.JSONField(default=list)

    objects = CredentialQuerySet["ApiKey"].as_manager()

    @property
    def allowed(self) -> dict[str, Any]:
        return {"scopes": self.scopes}

    @property
    def scopes_in_words(self) -> list[str]:
        """What it may be used for, as administrators read it."""
        return [str(Scope(scope).label) for scope in Scope.values if scope in self.scopes]

    def clean(self) -> None:
        if not isinstance(self.scopes, list) or not self.scopes or set(self.scopes) - set(Scope.values):
            raise ValidationError({"scopes": _("Choose what the key may be used for.")})


class RelyingPartySecretQuerySet(CredentialQuerySet["RelyingPartySecret"]):
    def of(self, identifier: str, secret: str) -> "RelyingPartySecret | None":
        """This live secret of the active relying party with this id, with the party and its client."""
        found = self.shown(secret).select_related("relying_party__client").first()
        # By the secret's digest, so that an unknown id and a wrong secret cost the same.
        if found is None or not hmac.compare_digest(
            digest_of(found.relying_party.identifier), digest_of(identifier)
        ):
            return None
        return found if found.relying_party.is_active else None


class RelyingPartySecret(Credential):
    """The secret of a relying party (HTTP Basic, or client_secret_post)."""

    PREFIX = "rs_"

    name = None  # type: ignore[assignment]  # known by its beginning
    relying_party = models.ForeignKey(RelyingParty, on_delete=models.CASCADE, related_name="secrets")

    objects = RelyingPartySecretQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def named(self) -> str:
        """The secret as audit events name it."""
        return f"secret:{self.prefix}"

    def clean(self) -> None:
        if self.relying_party_id and self.relying_party.is_public:
            raise ValidationError({"relying_party": _("A public relying party can keep no secret.")})


class SigningPair(Credential):
    """The API key and shared key with which a client's software signs its calls for an SSO address.

    The digest is the API key's. The shared key must be read again to compute with it, so it is kept encrypted.
    """

    PREFIX = "sp_"

    relying_party = models.ForeignKey(RelyingParty, on_delete=models.CASCADE, related_name="signing_pairs")
    sealed_key = models.TextField(editable=False)

    objects = CredentialQuerySet["SigningPair"].as_manager()

    @property
    def named(self) -> str:
        """The pair as audit events name it."""
        return f"signing_pair:{self.prefix}"

    def clean(self) -> None:
        # The signed address begins a sign-in that nobody holds a verifier for.
        if self.relying_party_id and self.relying_party.needs_pkce:
            why = _("Signed addresses cannot use PKCE: choose a relying party that does without.")
            raise ValidationError({"relying_party": why})

    @property
    def shared_key(self) -> str:
        """The key in clear."""
        return decrypt(self.sealed_key)

    @shared_key.setter
    def shared_key(self, key: str) -> None:
        self.sealed_key = encrypt(key)


class ApiCredential(Credential):
    """An identifier and a secret with which software asks for logins of client companies' own people."""

    PREFIX = "wc_"

    identifier = models.CharField(max_length=64, unique=True, editable=False)
    clients = models.ManyToManyField(Client, related_name="+", help_text="The clients that it may act for.")

    objects = CredentialQuerySet["ApiCredential"].as_manager()

    @property
    def named(self) -> str:
        """The credential as audit events name it."""
        return f"credential:{self.identifier}"


class NetworkRule(models.Model):
    """A network from which software may call. Without any rule, nobody may."""

    network = models.CharField(max_length=49, help_text="203.0.113.7 or 203.0.113.0/24")
    note = models.CharField(max_length=NAME_LENGTH, blank=True, validators=[validate_text])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def clean(self) -> None:
        network = network_of(self.network)
        if network is None:
            raise ValidationError({"network": _("This is not an address or network, like 203.0.113.0/24.")})
        self.network = str(network)

    @property
    def range(self) -> Network:
        """Its network, to compare with."""
        return ip_network(self.network)


class AddressRule(NetworkRule):
    """A network from which a group's software may call."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="address_rules")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "network"], name="network_listed_once"),
            models.CheckConstraint(condition=~Q(network=""), name="rule_has_network"),
        ]

    def __str__(self) -> str:
        return f"{self.network} ({self.group})"


class CredentialAddress(NetworkRule):
    """A network from which an API credential may be used."""

    credential = models.ForeignKey(ApiCredential, on_delete=models.CASCADE, related_name="addresses")

    class Meta:
        verbose_name_plural = "credential addresses"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["credential", "network"], name="network_of_credential_once"),
            models.CheckConstraint(condition=~Q(network=""), name="credential_address_has_network"),
        ]

    def __str__(self) -> str:
        return f"{self.network} ({self.credential})"
