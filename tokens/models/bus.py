"""The message bus: which pages may talk to it, and what they are given."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from groups.models import Agent, AgentSession, Group, PasswordProfile
from tokens.models.relying_party import ADDRESS_LENGTH, why_not_address
from tokens.models.spent_once import SpentOnce, SpentOnceQuerySet

LONGEST_DAYS = 90


class BusSettings(models.Model):
    """How a group uses the bus. Without a row: as the fields' defaults say."""

    group = models.OneToOneField(
        Group, on_delete=models.CASCADE, primary_key=True, related_name="bus_settings"
    )
    refresh_hours = models.PositiveSmallIntegerField(default=12)
    gives_legacy_token = models.BooleanField(
        default=False
    )  # one long-lived token, for software that cannot refresh
    legacy_days = models.PositiveSmallIntegerField(default=LONGEST_DAYS)

    class Meta:
        verbose_name_plural = "bus settings"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(refresh_hours__gte=1, refresh_hours__lte=24 * LONGEST_DAYS),
                name="bus_refresh_bounded",
            ),
            models.CheckConstraint(
                condition=Q(legacy_days__gte=1, legacy_days__lte=LONGEST_DAYS), name="bus_legacy_bounded"
            ),
        ]

    def __str__(self) -> str:
        return f"bus of {self.group}"

    @property
    def is_legacy(self) -> bool:
        """Whether it gives the long-lived token: never under the card industry's rules, whatever was set before."""
        return self.gives_legacy_token and self.group.password_profile != PasswordProfile.PCI


class BusUse(models.TextChoices):
    ORIGIN = "origin", "pages of this origin may frame the bus and talk to it"
    REDIRECT = "redirect", "a code may be sent here (redirectUrl)"


class BusAddress(models.Model):
    """An address that a group registered for the bus. It is compared exactly, letter by letter."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="bus_addresses")
    use = models.CharField(max_length=16, choices=BusUse)
    address = models.CharField(max_length=ADDRESS_LENGTH)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "bus addresses"
        ordering: ClassVar = ["group", "use", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "use", "address"], name="bus_address_once"),
            models.CheckConstraint(condition=Q(use__in=BusUse.values), name="bus_use_known"),
            models.CheckConstraint(condition=~Q(address=""), name="bus_address_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.use}: {self.address}"

    def clean(self) -> None:
        if why := why_not_address(self.address, origin=self.use == BusUse.ORIGIN):
            raise ValidationError({"address": why})


class BusCode(SpentOnce):
    """What the bus exchanges for credentials, once: bound to a group and to the address it was sent to."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    session = models.ForeignKey(AgentSession, on_delete=models.SET_NULL, null=True, related_name="+")
    redirect_url = models.CharField(max_length=ADDRESS_LENGTH)

    objects = SpentOnceQuerySet["BusCode"].as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["issued_at"], name="bus_code_by_age")]
