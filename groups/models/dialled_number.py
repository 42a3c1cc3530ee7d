"""Dialled numbers: which client a group's agents enter for a call that came in on them; and their imports."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from groups.models.client import Campaign, Client
from groups.models.fields import NAME_LENGTH, validate_text
from groups.models.group import Group
from sso_portal.lib.telephone import readable, without_country


class DialledNumber(models.Model):
    """A number that callers dial; it leads to a client, perhaps to one of its campaigns."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="dialled_numbers")
    number = models.CharField(max_length=16)  # E.164: + and digits
    national = models.CharField(max_length=16, blank=True, editable=False)  # without the country code
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="dialled_numbers")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=NAME_LENGTH, blank=True, validators=[validate_text])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["number"]
        indexes: ClassVar = [
            models.Index(fields=["group", "national"], name="number_without_country"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "number"], name="number_listed_once_a_group"),
            models.CheckConstraint(condition=Q(number__startswith="+"), name="dialled_number_is_e164"),
        ]

    def __str__(self) -> str:
        return f"{self.number} → {self.client}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.national = without_country(self.number)
        super().save(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    @property
    def readable(self) -> str:
        """The number as people write it."""
        return readable(self.number)

    def clean(self) -> None:
        if self.campaign and self.campaign.client_id != self.client_id:
            raise ValidationError("This campaign belongs to another client.")


class NumberImport(models.Model):
    """A CSV file of dialled numbers that was checked, and waits for somebody to say yes."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="number_imports")
    file_name = models.CharField(max_length=200, blank=True)
    uploaded_by = models.CharField(max_length=254)  # as audit events name the administrator
    rows = models.JSONField()  # as `groups.dialling.Row` has them
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.file_name} into {self.group}"
