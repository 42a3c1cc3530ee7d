"""Proving the audit log: whether it still says what its seals say, and whether the seals are one unbroken chain.

Without an anchor that was kept elsewhere, it proves only that log and seals agree: whoever may do everything in the
database could have made all of the chain anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from accounts.models import Event, Release, Seal
from accounts.sealing import (
    COLUMNS,
    ONE_ROW,
    Content,
    Link,
    anchor_of,
    beginning_of,
    content_of,
    end_of_releases,
    now_and_cut,
    rows_between,
)
from accounts.triggers import KEPT_AT_LEAST

OVERDUE = timedelta(minutes=15)  # by then every event should be sealed
REMOVED_WITHIN = timedelta(hours=1)  # by then a released day should be gone
MOST_NAMED = 10  # events of one seal
MOST_COUNTED = 1000
SHORTEST_ANCHOR = 16  # digits, where somebody did not write down all 64
SEALS_AT_ONCE = 50
RELEASE = "events.release"  # the action of the event


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was sealed. `at`: the end of the window that it is about."""

    text: str
    at: datetime | None = None


@dataclass
class Proof:
    """What was looked at, and what was found."""

    end: Link
    seals: int = 0
    events: int = 0
    faults: list[Fault] = field(default_factory=list)


def prove(*, since: date | None = None, anchors: Sequence[str] = ()) -> Proof:
    """Look at everything that is sealed, or at what was since this day (UTC), and at what should be."""
    released = end_of_releases()
    start = _link_before(since) if since else None
    proof = Proof(end=start or released)
    if start is None:
        proof.faults += _faults_of_releases(released)
        proof.faults += _faults_before(released)
    for seal in _seals_after(proof.end.number):
        proof.faults += faults_of(seal, after=proof.end, rows=rows_of(seal))
        proof.end = Link(seal.number, seal.until, seal.anchor)
        proof.seals += 1
        proof.events += seal.events
    proof.faults += _faults_after(proof.end)
    proof.faults += [fault for anchor in anchors for fault in _faults_of_anchor(anchor)]
    if (now_released := end_of_releases()) != released:  # what has gone meanwhile is not missing
        gone = now_released.until
        proof.faults = [fault for fault in proof.faults if not (fault.at and gone and fault.at <= gone)]
    return proof


def rows_of(seal: Seal) -> Iterable[tuple[Any, ...]]:
    """The events that the log holds now of a seal's window."""
    return rows_between(seal.since, seal.until, version=seal.version) if seal.version in COLUMNS else ()


def faults_of(seal: Seal, *, after: Link, rows: Iterable[tuple[Any, ...]]) -> Iterator[Fault]:
    """What is wrong with a seal that should follow this link, and with the events of its window."""
    for text in (*_texts_of_chain(seal, after), *_texts_of_window(seal, rows)):
        yield Fault(text, seal.until)


def _texts_of_chain(seal: Seal, after: Link) -> Iterator[str]:
    named = f"Seal {seal.number}"
    if seal.number != after.number + 1:
        first, last = after.number + 1, seal.number - 1
        yield f"Seal {first} is missing." if first == last else f"Seals {first} to {last} are missing."
    elif after.until is not None and seal.since != after.until:
        yield f"{named} does not begin where the one before ends: between {after.until} and {seal.since}."
    if seal.number == after.number + 1 and seal.previous != after.anchor:
        yield f"{named} does not follow the one before: either was made anew."
    if anchor_of(seal) != seal.anchor:
        yield f"{named} itself was changed."
    if seal.sealed_at < seal.until:
        yield f"{named} says that it was made before the time that it seals was over."


def _texts_of_window(seal: Seal, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    window = f"Seal {seal.number}, {seal.since:%Y-%m-%d %H:%M:%S} to {seal.until:%Y-%m-%d %H:%M:%S}"
    if seal.version not in COLUMNS:
        yield f"{window}: of version {seal.version}, which only a newer portal can prove."
        return
    try:
        content = content_of(rows)
    except (ValueError, TypeError, AttributeError) as error:
        yield f"{window}: an event cannot be read ({error})."
        return
    if content.digest != seal.digest:
        found = list(_differences(bytes(seal.rows), content))
        yield from (f"{window}: {text}." for text in found[:MOST_NAMED])
        if len(found) > MOST_NAMED:
            yield f"{window}: and {len(found) - MOST_NAMED:,} more."
        if not found:
            yield f"{window}: {seal.events:,} events were sealed, {content.events:,} are there, and they differ."
    elif content.rows != bytes(seal.rows) or content.events != seal.events:
        yield f"{window}: the events are as they were, but not what the seal notes of them."


def _differences(sealed: bytes, content: Content) -> Iterator[str]:
    """Which events differ, as far as the seal's own notes tell."""
    was, now = _by_id(sealed), _by_id(content.rows)
    for pk in sorted(was.keys() | now.keys()):
        if pk not in now:
            yield f"event {pk} is missing"
        elif pk not in was:
            yield f"event {pk} was added"
        elif was[pk] != now[pk]:
            yield f"event {pk} was changed"


def _by_id(rows: bytes) -> dict[int, bytes]:
    whole = len(rows) - len(rows) % ONE_ROW.size
    return dict(ONE_ROW.iter_unpack(rows[:whole]))


def _seals_after(number: int) -> Iterator[Seal]:
    while batch := list(Seal.objects.filter(number__gt=number).order_by("number")[:SEALS_AT_ONCE]):
        yield from batch
        number = batch[-1].number


def _link_before(day: date) -> Link | None:
    """The last seal before this day, taken on trust; None when there is none."""
    before = Seal.objects.filter(until__lte=beginning_of(day)).order_by("-number")
    link = before.values_list("number", "until", "anchor").first()
    return Link(*link) if link else None


def _faults_of_releases(end: Link) -> Iterator[Fault]:
    """Days that were removed too early, out of turn, or without an event that says so."""
    earlier: Release | None = None
    for release in Release.objects.order_by("day"):
        if release.at < beginning_of(release.day + timedelta(days=1)) + KEPT_AT_LEAST:
            yield Fault(f"{release.day} was released at {release.at}, long before its time was over.")
        if earlier and (release.day != earlier.day + timedelta(days=1) or release.number <= earlier.number):
            yield Fault(f"{release.day} was released out of turn, after {earlier.day}.")
        if end.until and release.at >= end.until and not _is_recorded(release):
            yield Fault(f"{release.day} was released, and no event says so.")
        earlier = release


def _is_recorded(release: Release) -> bool:
    said = Event.objects.filter(object=f"day:{release.day}", action=RELEASE)
    return any(details.get("anchor") == release.anchor for details in said.values_list("details", flat=True))


def _faults_before(end: Link) -> Iterator[Fault]:
    """Events from before everything that is sealed."""
    if end.until is not None:
        newest = Release.objects.order_by("-day").values_list("at", flat=True)[0]
        if newest < now_and_cut()[0] - REMOVED_WITHIN:
            yield from _counted(Event.objects.filter(at__lt=end.until), "from days that were released")
    elif first := Seal.objects.order_by("number").values_list("since", flat=True).first():
        yield from _counted(
            Event.objects.filter(at__lt=first), f"from before the first seal ({first}), added"
        )


def _faults_after(end: Link) -> Iterator[Fault]:
    """Events that should be sealed by now, and events that no clock has written."""
    now, _ = now_and_cut()
    overdue = Event.objects.filter(at__lt=(now - OVERDUE).replace(microsecond=0))
    if end.until is not None:
        overdue = overdue.filter(at__gte=end.until)
    yield from _counted(overdue, "older than 15 minutes and not sealed: does the worker run")
    ahead = (now + timedelta(minutes=1)).replace(microsecond=0)
    yield from _counted(Event.objects.filter(at__gt=ahead), "dated in the future")


def _counted(events: QuerySet[Event], what: str) -> Iterator[Fault]:
    found = list(events.order_by("at", "pk").values_list("pk", flat=True)[:MOST_COUNTED])
    if found:
        many = f"{len(found):,}{' or more' if len(found) == MOST_COUNTED else ''}"
        yield Fault(f"Unsealed: {many}, the first of them event {found[0]}, {what}.")


def _faults_of_anchor(anchor: str) -> Iterator[Fault]:
    """Whether this anchor, which was kept elsewhere, is still in the chain."""
    wanted = anchor.strip().lower()
    if len(wanted) < SHORTEST_ANCHOR:
        yield Fault(f"{anchor}: too short to prove anything; {SHORTEST_ANCHOR} digits are enough.")
    elif not any(model.objects.filter(anchor__startswith=wanted).exists() for model in (Seal, Release)):
        yield Fault(
            f"Anchor {anchor} is not in the chain: its seal was removed, or all since were made anew."
        )
