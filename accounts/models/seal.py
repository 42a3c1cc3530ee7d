"""What proves the audit log: seals of what was written, and notes of what was removed in time."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Seal(models.Model):
    """A link of the chain: what the audit log held of the time from `since` to `until`, which is never of two days.

    Made by `accounts.sealing` and never changed; removed with the events of a day that was released. A trigger refuses
    one that does not follow the last, or is of a time that is not over. `rows` helps to find what differs: of each
    event the id (8 bytes) and the beginning of its digest (4 bytes), in their order.
    """

    number = models.PositiveBigIntegerField(primary_key=True)  # 1, 2, 3 …: two sealers never make the same
    version = models.PositiveSmallIntegerField()  # of how events are written down: accounts.sealing.COLUMNS
    since = models.DateTimeField()
    until = models.DateTimeField()
    sealed_at = models.DateTimeField()
    events = models.PositiveBigIntegerField()  # how many
    digest = models.CharField(max_length=64)  # of the events
    rows = models.BinaryField()
    previous = models.CharField(max_length=64)  # the anchor before
    anchor = models.CharField(max_length=64, unique=True)  # digest of all this, but for `rows`

    class Meta:
        indexes: ClassVar = [models.Index(fields=["until"], name="seal_by_time")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="seal_ends_after_start"),
            models.CheckConstraint(condition=Q(number__gte=1), name="seal_is_numbered_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.since} – {self.until}"


class Release(models.Model):
    """A day (UTC) of the audit log whose time is over: its events and seals may be deleted, its last anchor is kept.

    Without this row triggers refuse to delete them, and they refuse the row itself unless the day is sealed to its end
    and long over. It is never changed or deleted.
    """

    day = models.DateField(primary_key=True)
    number = models.PositiveBigIntegerField()  # of the day's last seal
    anchor = models.CharField(max_length=64, unique=True)  # of the day's last seal
    seal = models.JSONField(default=list)  # what the day's last seal said, of which `anchor` is the digest
    held = models.JSONField()  # how many events of each action: {"login.issue": {"ok": 3, "refused": 1}}
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.day)
