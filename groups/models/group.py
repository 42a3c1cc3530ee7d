"""Groups, and the administrators who belong to them."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Administrator
from groups.models.fields import NAME_LENGTH, validate_text


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
