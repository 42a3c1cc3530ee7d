"""The counters that lock and slow down."""

from collections.abc import Collection
from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Lock-out, counted before the password is looked at."""

    def reserve(self, *, door: str, name: str, failures: int, window: timedelta, duration: timedelta) -> bool:
        """Count one try against this name; False when it is locked.

        One conditional UPDATE, and the row count decides: however many guesses arrive at once, no more than
        `failures` (two at least) in a `window` get as far as the password. The last of them sets the lock.
        """
        tries = self.filter(door=door, name=name)
        if tries._count(failures, window, duration):
            return True
        self.bulk_create([Attempt(door=door, name=name, window_ends_at=Now())], ignore_conflicts=True)
        return tries._count(failures, window, duration)

    def _count(self, failures: int, window: timedelta, duration: timedelta) -> bool:
        starts_anew = Q(window_ends_at__lte=Now()) | Q(locked_until__lte=Now())
        counted = self.filter(Q(locked_until=None) | Q(locked_until__lte=Now())).update(
            failures=Case(When(starts_anew, then=Value(1)), default=F("failures") + Value(1)),
            window_ends_at=Case(When(starts_anew, then=Now() + window), default=F("window_ends_at")),
            locked_until=Case(
                When(starts_anew, then=None), When(failures=failures - 1, then=Now() + duration), default=None
            ),
        )
        return counted > 0

    def give_back(self, *, door: str, name: str) -> None:
        """Count one try less, and lift the lock if it was the one that set it."""
        self.filter(door=door, name=name, failures__gt=0).update(
            failures=F("failures") - Value(1), locked_until=None
        )

    def clear(self, *, door: str, name: str) -> bool:
        """Forget the failures of this name; whether there were any."""
        return bool(self.filter(door=door, name=name, failures__gt=0).update(failures=0, locked_until=None))

    def clear_many(self, *, door: str, names: Collection[str]) -> int:
        """Forget the failures of all these names; of how many there were some."""
        return self.filter(door=door, name__in=names, failures__gt=0).update(failures=0, locked_until=None)

    def begin_window(self, *, door: str, name: str, window: timedelta) -> bool:
        """Begin a window for this name, unless one runs; whether this did. The row count decides."""
        over = self.filter(door=door, name=name, window_ends_at__lte=Now())
        if over.update(window_ends_at=Now() + window):
            return True
        self.bulk_create([Attempt(door=door, name=name, window_ends_at=Now())], ignore_conflicts=True)
        return over.update(window_ends_at=Now() + window) > 0

    def locked(self) -> Self:
        """The names that are locked now."""
        return self.filter(locked_until__gt=Now())


class Attempt(models.Model):
    """How often a name was tried at a door without success, and until when it is locked."""

    door = models.CharField(max_length=32)
    name = models.CharField(max_length=254)  # see accounts.lockout.as_counted
    failures = models.PositiveIntegerField(default=0)
    window_ends_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["window_ends_at"], name="attempt_by_end")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["door", "name"], name="one_attempt_row_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.door} {self.name}: {self.failures}"


class TallyQuerySet(models.QuerySet["Tally"]):
    """Throttles, counted where every node sees them."""

    def count_one(self, *, limit: str, who: str, most: int, hourly: bool = False) -> bool:
        """Count one against a limit a minute (or an hour); False when it is used up. The row count decides."""
        minute = timezone.now().replace(second=0, microsecond=0)
        minute = minute.replace(minute=0) if hourly else minute
        tally = self.filter(limit=limit, who=who, minute=minute)
        if tally.filter(times__lt=most).update(times=F("times") + 1):
            return True
        self.bulk_create([Tally(limit=limit, who=who, minute=minute)], ignore_conflicts=True)
        return tally.filter(times__lt=most).update(times=F("times") + 1) > 0

    def give_back(self, *, limit: str, who: str) -> None:
        """Count one less against this minute's limit."""
        minute = timezone.now().replace(second=0, microsecond=0)
        self.filter(limit=limit, who=who, minute=minute, times__gt=0).update(times=F("times") - 1)

    def use_up(self, *, limit: str, who: str, times: int) -> None:
        """Let what was counted against this minute's limit count for more."""
        minute = timezone.now().replace(second=0, microsecond=0)
        self.filter(limit=limit, who=who, minute=minute).update(times=F("times") + times)


class Tally(models.Model):
    """How often something limited happened in one minute, or in the hour that begins with it."""

    limit = models.CharField(max_length=32)
    who = models.CharField(max_length=64)
    minute = models.DateTimeField()
    times = models.PositiveIntegerField(default=0)

    objects = TallyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "tallies"
        indexes: ClassVar = [models.Index(fields=["minute"], name="tally_by_minute")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["limit", "who", "minute"], name="one_tally_a_minute"),
        ]

    def __str__(self) -> str:
        return f"{self.limit} {self.who} {self.minute}: {self.times}"
