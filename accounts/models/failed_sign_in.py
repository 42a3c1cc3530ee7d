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
    names: int  # different ones, at all the doors
    names_here: int  # at this door


class FailedSignInQuerySet(models.QuerySet["FailedSignIn"]):
    """Counted where every node sees them, by the database's clock."""

    def note(
        self, *, address: str, door: str, name: str, within: timedelta, names_within: timedelta
    ) -> Failures:
        """Keep one more; how many there were from this address within a time, of how many names within another."""
        self.create(address=address, door=door, name=name)
        of_names = Q(at__gt=Now() - names_within)
        rows = self.filter(address=address, at__gt=Now() - max(within, names_within))
        counted = rows.aggregate(
            times=Count("pk", filter=Q(at__gt=Now() - within)),
            names=Count("name", filter=of_names, distinct=True),
            names_here=Count("name", filter=of_names & Q(door=door), distinct=True),
        )
        return Failures(**counted)


class FailedSignIn(models.Model):
    """A sign-in that failed: from where, at which door, and under which name, that as a keyed digest alone."""

    address = models.CharField(max_length=45)  # as limits count it
    door = models.CharField(max_length=32, db_default="")
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
