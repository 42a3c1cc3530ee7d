"""Groups, the clients they work for, who may enter what, and the agents with their sessions.

Facts that must agree are constraints of the database; each has a test in tests/groups/test_constraints.py.
"""

import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models import Administrator
from sso_portal.lib.text import canonical_name, why_not_text, why_not_username
from sso_portal.lib.web import origin_of

USERNAME_LENGTH = 150
NAME_LENGTH = 200


def validate_text(text: str) -> None:
    """Refuse characters that cannot be shown."""
    if why := why_not_text(text, longest=10_000):
        raise ValidationError(f"This {why}.")


def validate_username(name: str) -> None:
    """Refuse characters that cannot be seen."""
    if why := why_not_username(name, longest=USERNAME_LENGTH):
        raise ValidationError(f"This {why}.")


class Group(models.Model):
    """A call center's group; its `id` is the `group` of the pop URL, its `code` the customer account code."""

    code = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)
    idle_minutes = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(5), MaxValueValidator(60)]
    )
    longest_session_hours = models.PositiveSmallIntegerField(
        default=12, validators=[MinValueValidator(1), MaxValueValidator(24)]
    )
    sessions_per_agent = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(10)]
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    clients: "models.ManyToManyField[Client, Entitlement]" = models.ManyToManyField(
        "Client", through="Entitlement", related_name="groups"
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(idle_minutes__range=(5, 60)), name="group_idle_5_to_60_minutes"
            ),
            models.CheckConstraint(
                condition=Q(longest_session_hours__range=(1, 24)), name="group_session_1_to_24_hours"
            ),
            models.CheckConstraint(
                condition=Q(sessions_per_agent__range=(1, 10)), name="group_sessions_1_to_10"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def door(self) -> str:
        """The name of this group's door, in lock-out counters."""
        return f"group:{self.pk}"


class Role(models.TextChoices):
    OWNER = "owner", "owner"
    MANAGER = "manager", "manager"
    AUDITOR = "auditor", "auditor"


class Membership(models.Model):
    """An administrator's part in a group."""

    administrator = models.ForeignKey(Administrator, on_delete=models.CASCADE, related_name="memberships")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["administrator", "group"], name="one_membership_a_group"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.administrator} in {self.group}: {self.role}"


def _may_receive(url: str) -> bool:
    """Whether agents may be sent to this address: https (http in the demo), nothing hidden in it."""
    parts = urlsplit(url)
    schemes = ("https", "http") if settings.DEMO else ("https",)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in schemes and bool(parts.hostname) and is_plain and ";" not in url and "," not in url


class HandOff(models.TextChoices):
    """How a client receives its agents."""

    REDIRECT = "redirect", "redirect: the token in the query of the login address"
    FORM_POST = "form_post", "form post: the token in the body of a POST"


class Client(models.Model):
    """The company that an agent works for, with the address where its CRM receives agents."""

    subdomain = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z", "Use lower-case letters, digits and hyphens."
            )
        ],
    )
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)
    is_paused = models.BooleanField(
        default=False, help_text="The client company has stopped all entries for now."
    )
    hand_off = models.CharField(max_length=16, choices=HandOff, default=HandOff.REDIRECT)
    login_url = models.URLField(
        "login address", max_length=500, help_text="Where the CRM receives agents: https, without a query."
    )
    further_origins = models.CharField(
        max_length=500,
        blank=True,
        help_text="Origins that the CRM's own sign-in passes through, separated by spaces (https://app.example.com).",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(subdomain=Lower("subdomain")), name="client_subdomain_lower_case"
            ),
            models.CheckConstraint(condition=~Q(subdomain=""), name="client_has_subdomain"),
            models.CheckConstraint(condition=Q(hand_off__in=HandOff.values), name="client_hand_off_known"),
            models.CheckConstraint(
                condition=Q(login_url__startswith="https://") | Q(login_url__startswith="http://"),
                name="client_login_url_is_web_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.subdomain})"

    def clean(self) -> None:
        wrong = [url for url in (self.login_url, *self.further_origins.split()) if not _may_receive(url)]
        if wrong:
            raise ValidationError(
                f"{wrong[0]} cannot receive agents: it must be https://, without user or query."
            )

    @property
    def origins(self) -> list[str]:
        """Every origin that a browser passes on its way into this client's CRM."""
        return [origin_of(self.login_url), *self.further_origins.split()]


class Campaign(models.Model):
    """A client's campaign; `number` is what the client's CRM knows it by."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="campaigns")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["client", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "number"], name="one_campaign_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.client.subdomain} {self.number}: {self.name}"


class Department(models.Model):
    """A client's department; `number` is what the client's CRM knows it by."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="departments")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["client", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "number"], name="one_department_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.client.subdomain} {self.number}: {self.name}"


class Entitlement(models.Model):
    """This group may enter this client, as these departments, for these campaigns (none listed: all of them)."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="entitlements")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="entitlements")
    departments = models.ManyToManyField(Department, through="EntitledDepartment", related_name="+")
    campaigns = models.ManyToManyField(Campaign, through="EntitledCampaign", related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "client"], name="one_entitlement_a_client"),
        ]

    def __str__(self) -> str:
        return f"{self.group} → {self.client}"


class EntitledDepartment(models.Model):
    """A department that an entitlement lists. It cannot be deleted while listed: an emptied list would mean all."""

    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE)
    department = models.ForeignKey(Department, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entitlement", "department"], name="department_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entitlement}: {self.department}"

    def clean(self) -> None:
        if self.department.client_id != self.entitlement.client_id:
            raise ValidationError("This department belongs to another client.")


class EntitledCampaign(models.Model):
    """A campaign that an entitlement lists. It cannot be deleted while listed: an emptied list would mean all."""

    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entitlement", "campaign"], name="campaign_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entitlement}: {self.campaign}"

    def clean(self) -> None:
        if self.campaign.client_id != self.entitlement.client_id:
            raise ValidationError("This campaign belongs to another client.")


class AgentStatus(models.TextChoices):
    ACTIVE = "active", "active"
    SUSPENDED = "suspended", "suspended"  # for now, by an administrator
    DISABLED = "disabled", "disabled"  # has left


class ProvisionedBy(models.TextChoices):
    ADMINISTRATOR = "administrator", "an administrator"
    API = "api", "the SSO API"


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
    last_signed_in_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_address = models.CharField(max_length=45, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
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
        return [
            self.username,
            *self.full_name.split(),
            self.group.name,
            self.group.code,
            *self.group.name.split(),
        ]


class AgentEntitlement(models.Model):
    """One of the group's clients that an agent whose `all_clients` is off may enter.

    Campaigns listed here narrow that client's for any agent (none listed: all of the entitlement's).
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="narrowings")
    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE, related_name="narrowings")
    campaigns = models.ManyToManyField(Campaign, through="AgentCampaign", related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "entitlement"], name="one_narrowing_a_client"),
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.entitlement}"

    def clean(self) -> None:
        if self.agent.group_id != self.entitlement.group_id:
            raise ValidationError("This agent belongs to another group.")


class AgentCampaign(models.Model):
    """A campaign that an agent's narrowing lists. Not deletable while listed: an emptied list would mean all."""

    narrowing = models.ForeignKey(AgentEntitlement, on_delete=models.CASCADE)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["narrowing", "campaign"], name="agent_campaign_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.narrowing}: {self.campaign}"

    def clean(self) -> None:
        if self.campaign.client_id != self.narrowing.entitlement.client_id:
            raise ValidationError("This campaign belongs to another client.")


class EndReason(models.TextChoices):
    SIGNED_OUT = "signed_out", "signed out"
    SWITCHED = "switched", "another agent signed in"
    RENEWED = "renewed", "signed in again"
    LIMIT = "limit", "more sessions than allowed"
    STOPPED = "stopped", "the agent was suspended or disabled"
    PASSWORD = "password", "the password changed"
    ENDED = "ended", "ended by an administrator"


def new_sid() -> str:
    """A session's public id, which relying parties may know."""
    return secrets.token_urlsafe(16)


class AgentSessionQuerySet(models.QuerySet["AgentSession"]):
    def open(self) -> Self:
        """Sessions that nothing has ended."""
        return self.filter(ended_at=None, ends_at__gt=Now())

    def live(self) -> Self:
        """Open sessions that are not idle: those that doors let in."""
        return self.open().filter(idle_at__gt=Now())

    def end(self, reason: str) -> int:
        """End those that are still open; how many."""
        return self.filter(ended_at=None).update(ended_at=Now(), end_reason=reason)

    def touch_if_due(self, session: "AgentSession") -> None:
        """Note that the session was used: at most once a minute. Needs `now`."""
        if now_of(session) - session.last_seen_at >= timedelta(minutes=1):
            idle_at = Now() + timedelta(minutes=session.agent.group.idle_minutes)
            self.filter(pk=session.pk).update(last_seen_at=Now(), idle_at=idle_at)


class AgentSession(models.Model):
    """An agent's session: its cookie holds a secret, this row its digest."""

    digest = models.CharField(max_length=64, unique=True)
    sid = models.CharField(max_length=32, unique=True, default=new_sid)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="sessions")
    methods = models.JSONField(default=list)  # amr values (RFC 8176)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    idle_at = models.DateTimeField()  # from when on the agent must unlock
    ends_at = models.DateTimeField()  # from when on he must sign in anew
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=16, choices=EndReason, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent_header = models.CharField(max_length=256, blank=True)

    objects = AgentSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["agent", "-last_seen_at"], name="open_session_of_agent", condition=Q(ended_at=None)
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="ended_session_has_reason",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("started_at")), name="session_ends_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} since {self.started_at}"

    def is_open(self) -> bool:
        """Whether nothing has ended it: not an act, not its longest duration. Needs `now`."""
        return self.ended_at is None and now_of(self) < self.ends_at

    def is_live(self) -> bool:
        """Whether it is open and not idle. Needs `now`."""
        return self.is_open() and now_of(self) < self.idle_at


def now_of(row: models.Model) -> datetime:
    """The database's clock at the time of a query that annotated it as `now`."""
    now: datetime = row.now  # type: ignore[attr-defined]
    return now
