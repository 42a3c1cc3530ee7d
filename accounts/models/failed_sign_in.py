"""Failed sign-ins by address, for alarms."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Now


@dataclass(frozen=True)
class Failures:
    """What failed from one address of late."""

    times: int
    names: int  # different ones


class FailedSignInQuerySet(models.QuerySet["FailedSignIn"]):
    """Counted where every node sees them, by the database's clock."""

    def note(self, *, address: str, name: str, within: timedelta, names_within: timedelta) -> Failures:
        """Keep one more; how many there were from this address within a time, of how many names within another."""
        self.create(address=address, name=name)
        rows = self.filter(address=address, at__gt=Now() - max(within, names_within))
        counted = rows.aggregate(
            times=Count("pk", filter=Q(at__gt=Now() - within)),
            names=Count("name", filter=Q(at__gt=Now() - names_within), distinct=True),
        )
        return Failures(**counted)


class FailedSignIn(models.Model):
    """A sign-in that failed: from where, and under which name, that as a keyed digest alone."""

    address = models.CharField(max_length=45)
    name = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    objects = FailedSignInQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["address", "at"], name="failed_sign_in_by_address"),
            models.Index(fields=["at"], name="failed_sign_in_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.at}"
