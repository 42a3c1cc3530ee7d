"""Retention: whole sealed days of the audit log are removed when their time is over, and their anchors kept.

A day is released first, by a row that says so and an event, in one transaction. From then on triggers let its events
and seals be deleted: in batches here, or with a partition of the table that holds nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts import audit
from accounts.models import Event, Release, Seal
from accounts.proving import RELEASE, faults_of, rows_of
from accounts.sealing import COLUMNS, Link, beginning_of, end_of_releases, now_and_cut, told_by
from sso_portal.lib.web import Caller

BATCH = 2000  # rows of one DELETE
Held = dict[
    str, dict[str, int]
]  # by action: how many were "ok", how many "refused", how many "rows" they told of


class NotProven(Exception):
    """A day that is not as it was sealed. It stays, for somebody to look at."""


@dataclass(frozen=True)
class Removed:
    """What was removed."""

    days: int
    events: int


def may_release() -> bool:
    """Whether the role that we work as may remove events: on PostgreSQL the owner's alone, where roles are set up."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT HAS_TABLE_PRIVILEGE('accounts_event', 'DELETE')")
        (may,) = cursor.fetchone()
    return bool(may)


def release_old_days(*, by: str, caller: Caller, is_stopping: Callable[[], bool] = lambda: False) -> Removed:
    """Remove the days that are older than `EVENTS_KEPT`. What was begun and broken off is ended by the next.

    Raises NotProven, before anything of a day is removed that is not as it was sealed.
    """
    days = 0
    while not is_stopping() and (seals := _seals_of_next_day()):
        days += _release(seals, by=by, caller=caller)
    return Removed(days, _remove(is_stopping))


def _seals_of_next_day() -> list[Seal]:
    """The seals of the oldest day that is not released, when its time is over and it is sealed to its end."""
    end = end_of_releases()
    first = Seal.objects.filter(number__gt=end.number).order_by("number").values_list("since", flat=True)[:1]
    for since in first:
        until = beginning_of(since.date() + timedelta(days=1))
        of_day = Seal.objects.filter(number__gt=end.number, until__lte=until).order_by("number")
        if until <= now_and_cut()[0] - settings.EVENTS_KEPT and of_day.filter(until=until).exists():
            return list(of_day.defer("rows"))
    return []


def _release(seals: list[Seal], *, by: str, caller: Caller) -> bool:
    """Release the day of these seals; False when somebody else was faster."""
    day, link = seals[0].since.date(), end_of_releases()
    held: Held = {}
    for seal in seals:
        rows = _counting(rows_of(seal), held, columns=COLUMNS.get(seal.version, ()))
        for fault in faults_of(seal, after=link, rows=rows):
            raise NotProven(fault.text)
        link = Link(seal.number, seal.until, seal.anchor)
    try:
        with transaction.atomic():
            Release.objects.create(
                day=day, number=link.number, anchor=link.anchor, seal=told_by(seals[-1]), held=held
            )
            audit.record(
                RELEASE,
                caller=caller,
                actor=by,
                about=f"day:{day}",
                details={"anchor": link.anchor, "events": sum(seal.events for seal in seals)},
            )
    except IntegrityError:
        return False
    return True


def _counting(
    rows: Iterable[tuple[Any, ...]], held: Held, *, columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """The same rows; meanwhile they are counted."""
    action, outcome, details = (columns.index(name) for name in ("action", "outcome", "details"))
    for row in rows:
        counts = held.setdefault(row[action], {})
        counts[row[outcome]] = counts.get(row[outcome], 0) + 1
        if isinstance(row[details], dict) and isinstance(told := row[details].get("rows"), int):
            counts["rows"] = counts.get("rows", 0) + told
        yield row


def _remove(is_stopping: Callable[[], bool]) -> int:
    """Delete the events of released days, then their seals, in batches that nobody waits for; how many events."""
    first = Release.objects.order_by("day").values_list("day", flat=True).first()
    end = end_of_releases()
    if first is None or end.until is None:
        return 0
    removed, since = 0, beginning_of(first)
    while not is_stopping():
        # Not from the beginning each time: what was just deleted there would have to be passed over.
        events = Event.objects.filter(at__gte=since, at__lt=end.until).order_by("at", "pk")
        batch = list(events.values_list("pk", "at")[:BATCH])
        if not batch:
            _remove_seals(end.number)
            break
        removed += Event.objects.filter(pk__in=[pk for pk, _ in batch]).delete()[0]
        since = batch[-1][1].replace(microsecond=0)
    return removed


def _remove_seals(number: int) -> None:
    seals = Seal.objects.filter(number__lte=number).order_by("number")
    while batch := list(seals.values_list("pk", flat=True)[:BATCH]):
        Seal.objects.filter(pk__in=batch).delete()
