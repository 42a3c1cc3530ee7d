"""How many logins a group's agents were given and refused. A half hour that is over is counted once, and kept.

Half hours fit the hours of every time zone but those of Nepal, Eucla and the Chatham Islands, which are a quarter off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.db.models import Count, Q

from accounts.models import Event, Outcome
from groups.models import Group, HalfHour
from sso_portal.lib.sql import HalfHourNumber

ACTION = "login.issue"
HALF_HOUR = timedelta(minutes=30)
GRACE = timedelta(minutes=1)  # until every event of a half hour is there: statements take seconds at most
AT_ONCE = timedelta(days=2)  # counted by one statement: of the largest groups, some two million events


@dataclass(frozen=True)
class Logins:
    """Logins that were issued, and refused."""

    issued: int = 0
    refused: int = 0

    def __add__(self, other: "Logins") -> "Logins":
        return Logins(self.issued + other.issued, self.refused + other.refused)


@dataclass(frozen=True)
class Hour:
    """An hour of somebody's day, which may come twice or not at all where clocks are set."""

    begins_at: datetime  # local
    logins: Logins


def half_hour_of(moment: datetime) -> datetime:
    """The half hour (UTC) that a moment lies in, by its beginning."""
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)


def start_of(day: date, zone: tzinfo) -> datetime:
    """When a day begins in a time zone."""
    return datetime.combine(day, time(), zone)


def logins_since(since: datetime, *, group: Group, now: datetime) -> dict[datetime, Logins]:
    """The group's logins by half hours (UTC) from the one that `since` lies in; half hours without any may be missing.

    Counts what is not kept yet, and keeps it. Meant for some days: nobody looks back further.
    """
    first, closed = half_hour_of(since), half_hour_of(now - GRACE)
    rows = HalfHour.objects.filter(group=group, begins_at__gte=first, begins_at__lt=closed)
    logins = {row.begins_at: Logins(row.issued, row.refused) for row in rows}
    missing = [each for each in _half_hours(first, closed) if each not in logins]
    for span in _spans([*missing, closed]):
        is_last = span[-1] == closed
        counted = _count(group, since=span[0], until=now + GRACE if is_last else span[-1] + HALF_HOUR)
        over = [each for each in span if each < closed and each not in logins]
        _keep({each: counted.get(each, Logins()) for each in over}, group=group)
        logins |= counted
    return logins


def _keep(logins: Mapping[datetime, Logins], *, group: Group) -> None:
    rows = [
        HalfHour(group=group, begins_at=at, issued=n.issued, refused=n.refused) for at, n in logins.items()
    ]
    HalfHour.objects.bulk_create(rows, ignore_conflicts=True)  # somebody else may look at the same page


def issued_between(since: datetime, until: datetime, *, group: Group) -> int:
    """How many logins were issued in part of a half hour."""
    events = Event.objects.filter(group_id=group.pk, action=ACTION, outcome=Outcome.OK)
    return events.filter(at__gte=since, at__lt=until).count()


def total(logins: Mapping[datetime, Logins], *, since: datetime, until: datetime) -> Logins:
    """All logins of the half hours that begin in this time."""
    return sum((each for at, each in logins.items() if since <= at < until), Logins())


def hours_of(day: date, zone: tzinfo, logins: Mapping[datetime, Logins]) -> list[Hour]:
    """A day hour by hour, as clocks show it in this time zone: 24 hours, or 23 or 25."""
    hours: dict[tuple[int, int], Hour] = {}
    first = half_hour_of(start_of(day, zone))
    for at in _half_hours(first, start_of(day + timedelta(days=1), zone)):
        local = at.astimezone(zone)
        if local.date() != day:  # a zone that is a quarter of an hour off
            continue
        key = (local.hour, local.fold)
        before = hours.get(key, Hour(local, Logins()))
        hours[key] = Hour(before.begins_at, before.logins + logins.get(at, Logins()))
    return list(hours.values())


def _half_hours(first: datetime, end: datetime) -> Iterable[datetime]:
    while first < end:
        yield first
        first += HALF_HOUR


def _spans(missing: list[datetime]) -> Iterable[list[datetime]]:
    most = AT_ONCE // HALF_HOUR
    for begin in range(0, len(missing), most):
        yield missing[begin : begin + most]


def _count(group: Group, *, since: datetime, until: datetime) -> dict[datetime, Logins]:
    events = Event.objects.filter(group_id=group.pk, action=ACTION, at__gte=since, at__lt=until)
    rows = (
        events.annotate(half_hour=HalfHourNumber("at"))
        .order_by()
        .values_list("half_hour")
        .annotate(
            issued=Count("pk", filter=Q(outcome=Outcome.OK)),
            refused=Count("pk", filter=Q(outcome=Outcome.REFUSED)),
        )
    )
    seconds = int(HALF_HOUR.total_seconds())
    return {
        datetime.fromtimestamp(number * seconds, UTC): Logins(issued, refused)
        for number, issued, refused in rows
    }
