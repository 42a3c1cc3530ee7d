"""Agents."""

import re
import secrets
from datetime import UTC, datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from fido2.webauthn import AttestedCredentialData

from groups.models.fields import NAME_LENGTH, USERNAME_LENGTH, validate_text, validate_username
from groups.models.group import Group
from sso_portal.lib.text import canonical_name

PASSKEY_NAME_LENGTH = 60


class AgentStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    SUSPENDED = "suspended", _("suspended")  # for now, by an administrator
    DISABLED = "disabled", _("disabled")  # has left


class ProvisionedBy(models.TextChoices):
    ADMINISTRATOR = "administrator", _("an administrator")
    API = "api", _("the SSO API")
    IMPORT = "import", _("a CSV import")


def new_subject() -> str:
    """A subject: random, so that it tells nothing, and never used again."""
    return secrets.token_hex(16)


class AgentQuerySet(models.QuerySet["Agent"]):
    def named(self, username: str, *, group_id: int) -> Self:
        """The group's agent of this name, however it was typed."""
        return self.filter(group_id=group_id, username_key=canonical_name(username))

    def working(self) -> Self:
        """Agents whom every door lets in."""
        return self.filter(status=AgentStatus.ACTIVE).filter(Q(ends_at=None) | Q(ends_at__gt=Now()))


class Agent(models.Model):
    """Somebody who works in a group. Signs in by a username that is unique inside it."""

    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="agents")
    subject = models.CharField(max_length=64, unique=True, default=new_subject, editable=False)
    username = models.CharField(max_length=USERNAME_LENGTH, validators=[validate_username])
    username_key = models.CharField(
        max_length=3 * USERNAME_LENGTH, editable=False
    )  # case folding may lengthen
    full_name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    email = models.EmailField(blank=True)
    password = models.CharField(
        max_length=128, blank=True, editable=False
    )  # hash; "" until the agent chose one
    password_chosen_at = models.DateTimeField(null=True, blank=True, editable=False)
    must_choose_password = models.BooleanField(default=False)
    activation_digest = models.CharField(max_length=64, blank=True, editable=False)
    activation_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    status = models.CharField(max_length=16, choices=AgentStatus, default=AgentStatus.ACTIVE)
    ends_at = models.DateTimeField("end date", null=True, blank=True)
    all_clients = models.BooleanField(
        default=True, help_text="May enter every client of the group; else only those listed."
    )
    provisioned_by = models.CharField(
        max_length=16, choices=ProvisionedBy, default=ProvisionedBy.ADMINISTRATOR, editable=False
    )
    # When his second factor was last taken away: nothing that was proved or proposed before serves after it.
    factor_removed_at = models.DateTimeField(null=True, editable=False)
    last_signed_in_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_address = models.CharField(max_length=45, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["group", "full_name", "id"], name="agent_by_full_name"),
            models.Index(fields=["group", "last_signed_in_at", "id"], name="agent_by_last_sign_in"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "username_key"], name="username_unique_in_group"),
            models.CheckConstraint(condition=~Q(username_key=""), name="agent_has_username"),
            models.CheckConstraint(condition=~Q(subject=""), name="agent_has_subject"),
            models.CheckConstraint(condition=Q(status__in=AgentStatus.values), name="agent_status_known"),
            models.CheckConstraint(
                condition=Q(activation_digest="", activation_expires_at=None)
                | (~Q(activation_digest="") & Q(activation_expires_at__isnull=False)),
                name="activation_code_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} ({self.group_id})"

    def save(self, *args: object, **kwargs: object) -> None:
        self.username_key = canonical_name(self.username)
        super().save(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    def clean(self) -> None:
        self.username_key = canonical_name(self.username)

    def has_ended(self) -> bool:
        """Whether the end date has come."""
        return self.ends_at is not None and self.ends_at <= timezone.now()

    def own_words(self) -> list[str]:
        """Words that somebody who knows this agent would guess first."""
        names = re.split(r"\W+", f"{self.full_name} {self.group.name}")
        return [self.username, self.group.code, self.group.name, *names]


class FormerPassword(models.Model):
    """A password that an agent had, so that he does not choose it again where his group's profile forbids that."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="former_passwords")
    password = models.CharField(max_length=128)  # hash
    replaced_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"former password of {self.agent}"


class AgentFactor(models.Model):
    """An agent's authenticator app (TOTP, RFC 6238)."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="factor")
    secret = models.CharField(max_length=255)  # encrypted
    last_counter = models.BigIntegerField(default=0)  # of the code used last: no code is taken twice
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"authenticator app of {self.agent}"

    @property
    def last_used_at(self) -> datetime | None:
        """When its last code was taken, to the half minute; None: never."""
        return datetime.fromtimestamp(30 * self.last_counter, UTC) if self.last_counter else None


class AgentPasskey(models.Model):
    """An agent's passkey or security key (WebAuthn): the public half, and how often it signed."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="passkeys")
    digest = models.CharField(max_length=64, unique=True)  # of the credential's id: no two agents share one
    credential = models.BinaryField()  # attested credential data: id and public key
    name = models.CharField(max_length=PASSKEY_NAME_LENGTH, validators=[validate_text])
    sign_count = models.PositiveBigIntegerField(default=0)  # always 0 for passkeys that a cloud keeps
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name

    @property
    def public_half(self) -> AttestedCredentialData:
        """What answers of this passkey are checked against."""
        return AttestedCredentialData(bytes(self.credential))
