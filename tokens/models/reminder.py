"""Which reminders of keys went out to whom: each is one mail, whichever node sends it."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models import Administrator


class ReminderQuerySet(models.QuerySet["Reminder"]):
    def claim(self, administrator: Administrator, *, about: str, why: str, lease: timedelta) -> bool:
        """Take a reminder over that is not sent yet, for as long as the lease; of many who ask at once, one gets it."""
        row = Reminder(administrator=administrator, about=about, why=why)
        self.bulk_create([row], ignore_conflicts=True)
        unsent = self.filter(administrator=administrator, about=about, why=why, sent_at=None)
        return unsent.filter(next_try_at__lte=Now()).update(next_try_at=Now() + lease) > 0


class Reminder(models.Model):
    """That somebody was told of one key, for one reason, or is to be."""

    administrator = models.ForeignKey(Administrator, on_delete=models.CASCADE, related_name="+")
    about = models.CharField(max_length=80)  # the key as audit events name it
    why = models.CharField(max_length=32)  # "old", or "ends 2026-12-01"
    next_try_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["administrator", "about", "why"], name="reminded_once"),
        ]

    def __str__(self) -> str:
        return f"{self.administrator} of {self.about}: {self.why}"
