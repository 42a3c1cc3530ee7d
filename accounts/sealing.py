"""Sealing the audit log: a chain of SHA-256 digests over what it holds, by which anybody can tell that it was changed.

A seal covers a window of time and is one link: its anchor is the digest of what the events of the window say, of the
window itself and of the anchor before. Whoever keeps an anchor elsewhere can prove everything up to it
(docs/adr/0015-the-audit-log-is-sealed-by-windows-of-time.md).
"""

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import Q, Subquery
from django.utils import timezone

from accounts.models import Event, Release, Seal

SEALED_AFTER = timedelta(minutes=5)
LONGEST_EMPTY = timedelta(hours=1)  # a quiet portal need not make a seal a minute
NOTHING = "0" * 64  # the anchor before the first
ONE_ROW = struct.Struct(">q4s")  # in Seal.rows: the id, the beginning of the digest
AT_ONCE = 2000  # rows that are read at once

# By version: the columns of an event that its digest covers, in this order, `id` and `at` first. Never change one; add
# the next.
COLUMNS = {
    1: (
        "id",
        "at",
        "reference",
        "door",
        "actor",
        "action",
        "outcome",
        "reason",
        "group_id",
        "client",
        "agent",
        "object",
        "address",
        "agent_header",
        "details",
    )
}
VERSION = max(COLUMNS)

log = structlog.get_logger(__name__)
_canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

# The time of an event is when its INSERT began, and from then on its transaction holds this lock: nothing from before
# the oldest of them can still come. One that may not be looked at (another role's) may have begun at any time.
# A transaction that only reads, a backup say, stands in nobody's way.
_CUT = """
    SELECT STATEMENT_TIMESTAMP(), LEAST(STATEMENT_TIMESTAMP() - %s::interval, (
        SELECT MIN(COALESCE(xact_start, 'epoch')) FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'relation' AND relation = 'accounts_event'::regclass AND mode = 'RowExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = CURRENT_DATABASE())
        AND pid IS DISTINCT FROM PG_BACKEND_PID()
    ))"""


@dataclass(frozen=True)
class Link:
    """Where the chain ends: the number of a seal, until when it goes, and its anchor."""

    number: int
    until: datetime | None
    anchor: str


@dataclass(frozen=True)
class Content:
    """What the log holds of a window."""

    events: int
    digest: str
    rows: bytes


def seal(*, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Seal every event that is older than five minutes; how many seals that took.

    Several may do so at once: each seal is one's. What was begun when the process dies was never there.
    """
    _, cut = now_and_cut()
    made = 0
    while not is_stopping() and (window := _next_window(last_link(), cut=cut)) is not None:
        made += _seal_window(*window)
    return made


def last_seal() -> Seal | None:
    """The newest seal, without its rows."""
    return Seal.objects.defer("rows").order_by("-number").first()


def last_link() -> Link:
    """The end of the chain: the newest seal, or what was kept when the last of them was removed."""
    released = end_of_releases()
    later = Seal.objects.filter(number__gt=released.number).order_by("-number")
    last = later.values_list("number", "until", "anchor").first()
    return Link(*last) if last else released


def end_of_releases() -> Link:
    """Where the chain begins that can still be proven: after the last day that was released."""
    if (last := Release.objects.order_by("-day").first()) is None:
        return Link(0, None, NOTHING)
    return Link(last.number, beginning_of(last.day + timedelta(days=1)), last.anchor)


def content_of(rows: Iterable[tuple[Any, ...]]) -> Content:
    """The digest of these events, and what helps to tell them apart."""
    digest, told, events = sha256(), bytearray(), 0
    for row in rows:
        of_row = sha256(canonical(row)).digest()
        digest.update(of_row)
        told += ONE_ROW.pack(row[0], of_row[:4])
        events += 1
    return Content(events, digest.hexdigest(), bytes(told))


def rows_between(since: datetime, until: datetime, *, version: int = VERSION) -> Iterator[tuple[Any, ...]]:
    """The events of a window in their order, as tuples of the columns of this version, in constant memory.

    Raises ValueError where one cannot be read, which nothing of the portal writes.
    """
    columns = COLUMNS[version]
    within = Event.objects.filter(at__gte=since, at__lt=until).order_by("at", "pk")
    later = within
    while True:
        batch = list(later.values_list(*columns)[:AT_ONCE])
        yield from batch
        if len(batch) < AT_ONCE:
            return
        last = batch[-1][0]
        # The database compares with its own value: SQLite keeps moments as text, and not all of one length.
        at = Subquery(Event.objects.filter(pk=last).values("at"))
        later = within.filter(Q(at__gte=at) & (Q(at__gt=at) | Q(pk__gt=last)))


def canonical(row: tuple[Any, ...]) -> bytes:
    """A row in bytes that are the same on every database: a JSON array in ASCII, moments in microseconds of UTC."""
    pk, at, *others = row
    return _canonical_json([pk, in_utc(at), *others]).encode()


def anchor_of(seal: Seal) -> str:
    """What the anchor of this seal must be."""
    return digest_of(told_by(seal))


def told_by(seal: Seal) -> list[int | str]:
    """What a seal says."""
    return [
        seal.version,
        seal.number,
        seal.previous,
        in_utc(seal.since),
        in_utc(seal.until),
        in_utc(seal.sealed_at),
        seal.events,
        seal.digest,
    ]


def digest_of(told: list[int | str]) -> str:
    """The anchor of a seal that says this."""
    return sha256(_canonical_json(told).encode()).hexdigest()


def midnight_after(moment: datetime) -> datetime:
    """When the day (UTC) of this moment ends."""
    return beginning_of(moment.astimezone(UTC).date() + timedelta(days=1))


def beginning_of(day: date) -> datetime:
    """When this day begins, UTC."""
    return datetime.combine(day, time(), UTC)


def in_utc(moment: datetime) -> str:
    """A moment as seals say it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def now_and_cut() -> tuple[datetime, datetime]:
    """The database's time, and the moment (in whole seconds) before which no event can come any more."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_CUT, [f"{SEALED_AFTER.total_seconds()} seconds"])
            now, cut = cursor.fetchone()
    else:
        with transaction.atomic():  # we are the one writer now, so nothing waits to be committed
            now = timezone.now()  # the database's own: it runs in this process
            cut = now - SEALED_AFTER
    return now, cut.replace(microsecond=0)


def _next_window(last: Link, *, cut: datetime) -> tuple[Link, datetime, datetime] | None:
    """The window after this link; None when there is nothing to seal yet.

    It ends at the cut, with the day or with the hour of its first event, whichever comes first: so a day can be taken
    away whole, and a window of a busy hour fits into memory.
    """
    since = last.until
    earliest = Event.objects.filter(at__lt=cut).order_by("at")
    if since is None:
        if (oldest := earliest.values_list("at", flat=True).first()) is None:
            return None
        since = beginning_of(oldest.astimezone(UTC).date())
    day_ends = midnight_after(since)
    until = min(cut, day_ends)
    if until <= since:
        return None
    first = earliest.filter(at__gte=since, at__lt=until).values_list("at", flat=True).first()
    if first is not None:
        hour = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        until = min(until, hour + timedelta(hours=1))
    elif until < day_ends and until - since < LONGEST_EMPTY:
        return None
    return last, since, until


def _seal_window(last: Link, since: datetime, until: datetime) -> bool:
    """Make the seal of this window; False when somebody else was faster."""
    content = content_of(rows_between(since, until))
    seal = Seal(
        number=last.number + 1,
        version=VERSION,
        since=since,
        until=until,
        sealed_at=now_and_cut()[0],
        events=content.events,
        digest=content.digest,
        rows=content.rows,
        previous=last.anchor,
    )
    seal.anchor = anchor_of(seal)
    try:
        with transaction.atomic():
            seal.save(force_insert=True)
    except DatabaseError:
        if last_link() == last:
            raise  # nobody was: the database refuses it
        return False
    told = {"number": seal.number, "until": in_utc(until), "events": seal.events, "anchor": seal.anchor}
    log.info("audit.sealed", **told)
    if until == midnight_after(since):
        log.info("audit.day_sealed", day=since.astimezone(UTC).date().isoformat(), **told)
    return True
