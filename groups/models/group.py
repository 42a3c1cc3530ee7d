"""Groups, and the administrators who belong to them."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Administrator
from groups.models.fields import NAME_LENGTH, validate_text
from sso_portal.lib.times import validate_time_zone


class PasswordProfile(models.TextChoices):
    DEFAULT = "default", _("standard")
    PCI = "pci", _("card industry")
    RELAXED = "relaxed", _("relaxed, for demos")


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
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    agent_networks = models.JSONField(
        default=list, blank=True, help_text="Networks from which agents may sign in; none: from everywhere."
    )
    password_profile = models.CharField(
        max_length=8, choices=PasswordProfile, default=PasswordProfile.DEFAULT
    )
    needs_second_factor = models.BooleanField(
        default=False, help_text="Agents sign in with a code of an authenticator app too."
    )
    colour = models.CharField(max_length=7, blank=True)  # #rrggbb, on the agents' pages; "": the product's
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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
            models.CheckConstraint(
                condition=Q(password_profile__in=PasswordProfile.values), name="group_password_profile_known"
            ),
            models.CheckConstraint(
                condition=~Q(password_profile=PasswordProfile.PCI)
                | Q(needs_second_factor=True, idle_minutes__lte=15),
                name="pci_needs_second_factor_and_short_idle",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def door(self) -> str:
        """The name of this group's door, in lock-out counters."""
        return f"group:{self.pk}"


class GroupLogo(models.Model):
    """A group's logo on its agents' sign-in page: a PNG that the portal wrote itself."""

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="logo")
    image = models.BinaryField()
    digest = models.CharField(max_length=16)  # in its address, so that browsers may keep it

    def __str__(self) -> str:
        return f"logo of {self.group}"


class Role(models.TextChoices):
    OWNER = "owner", _("owner")
    MANAGER = "manager", _("manager")
    AUDITOR = "auditor", _("auditor")


class Permission(models.TextChoices):
    """What a role may do in the console of a group."""

    SEE = "see"
    MANAGE_AGENTS = "manage_agents"
    MANAGE_CLIENTS = "manage_clients"
    MANAGE_KEYS = "manage_keys"
    MANAGE_ADMINISTRATORS = "manage_administrators"
    MANAGE_SETTINGS = "manage_settings"


PERMISSIONS: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset(Permission),
    Role.MANAGER: frozenset({Permission.SEE, Permission.MANAGE_AGENTS, Permission.MANAGE_CLIENTS}),
    Role.AUDITOR: frozenset({Permission.SEE}),
}


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

    @property
    def actor(self) -> str:
        """The administrator as audit events name him."""
        return f"administrator:{self.administrator.email}"

    def may(self, permission: str) -> bool:
        """Whether this role includes the permission."""
        return permission in PERMISSIONS[self.role]


class Invitation(models.Model):
    """An administrator-to-be: a link sent by mail, spent once, by a POST."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=8, choices=Role)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.CharField(max_length=254)  # as audit events name the inviter
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role_known"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="invitation_email_lower_case"),
            models.UniqueConstraint(
                fields=["group", "email"], condition=Q(spent_at=None), name="one_open_invitation_an_email"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.group}: {self.role}"
