"""Dialled numbers: which client a group's agents enter for a call that came in on them."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from groups.models.client import Campaign, Client
from groups.models.fields import NAME_LENGTH, validate_text
from groups.models.group import Group


class DialledNumber(models.Model):
    """A number that callers dial; it leads to a client, perhaps to one of its campaigns."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="dialled_numbers")
    number = models.CharField(max_length=16)  # E.164: + and digits
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="dialled_numbers")
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=NAME_LENGTH, blank=True, validators=[validate_text])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "number"], name="number_listed_once_a_group"),
            models.CheckConstraint(condition=Q(number__startswith="+"), name="dialled_number_is_e164"),
        ]

    def __str__(self) -> str:
        return f"{self.number} → {self.client}"

    def clean(self) -> None:
        if self.campaign and self.campaign.client_id != self.client_id:
            raise ValidationError("This campaign belongs to another client.")
