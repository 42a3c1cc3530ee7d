"""Proving the audit log: whether it still says what its seals say, and whether the seals are one unbroken chain.

Without an anchor that was kept elsewhere, it proves only that log and seals agree: whoever may do everything in the
database could have made all of the chain anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Event, Release, Seal
from accounts.sealing import (
    COLUMNS,
    ONE_ROW,
    Content,
    Link,
    anchor_of,
    beginning_of,
    content_of,
    digest_of,
    end_of_releases,
    in_utc,
    midnight_after,
    now_and_cut,
    rows_between,
    told_by,
)
from accounts.triggers import KEPT_AT_LEAST

OVERDUE = timedelta(minutes=15)  # by then every event should be sealed
REMOVED_WITHIN = timedelta(hours=1)  # by then a released day should be gone
AHEAD = timedelta(minutes=1)  # by so much clocks may differ
SEAL_SAYS = 8  # things, which its anchor is the digest of
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
    """Look at everything that is sealed, or at what was since this day (UTC), and at what should be.

    The anchors, which were kept elsewhere, must be among those that were computed anew for it: that a row of some
    table has their digits proves nothing.
    """
    released = end_of_releases()
    start = _seal_before(since, released=released) if since else None
    missing = {anchor.strip().lower() for anchor in anchors}
    if start is None:
        proof = Proof(end=released)
        proof.faults += _faults_of_releases(released, missing=missing)
        proof.faults += _faults_before(released)
    else:
        proof = Proof(end=_link_of(start))
        proof.faults += [Fault(text, start.until) for text in _texts_of_what_it_says(start)]
        _find(told_by(start), missing=missing)
    for seal in _seals_after(proof.end.number):
        proof.faults += faults_of(seal, after=proof.end, rows=rows_of(seal))
        _find(told_by(seal), missing=missing)
        proof.end = _link_of(seal)
        proof.seals += 1
        proof.events += seal.events
    proof.faults += _faults_after(proof.end)
    proof.faults += _faults_of_anchors(anchors, missing=missing, since=since if start else None)
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
    if seal.until > midnight_after(seal.since):
        yield f"{named} is of more than one day."
    yield from _texts_of_what_it_says(seal)


def _texts_of_what_it_says(seal: Seal) -> Iterator[str]:
    if anchor_of(seal) != seal.anchor:
        yield f"Seal {seal.number} itself was changed."
    if seal.sealed_at < seal.until:
        yield f"Seal {seal.number} says that it was made before the time that it seals was over."


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


def _link_of(seal: Seal) -> Link:
    return Link(seal.number, seal.until, seal.anchor)


def _seal_before(day: date, *, released: Link) -> Seal | None:
    """The last seal before this day, whose window is taken on trust; None when there is none."""
    before = Seal.objects.filter(until__lte=beginning_of(day), number__gt=released.number)
    return before.defer("rows").order_by("-number").first()


def _faults_of_releases(end: Link, *, missing: set[str]) -> Iterator[Fault]:
    """Days that were removed too early, out of turn, or without an event that says so."""
    earlier: Release | None = None
    now, _ = now_and_cut()
    for release in Release.objects.order_by("day"):
        recorded = _recorded_at(release)
        at = recorded or release.at
        if release.at > now + AHEAD:
            yield Fault(f"The release of {release.day} is dated in the future, {release.at}.")
        if at < beginning_of(release.day + timedelta(days=1)) + KEPT_AT_LEAST:
            yield Fault(f"{release.day} was released at {at}, long before its time was over.")
        if earlier and (release.day != earlier.day + timedelta(days=1) or release.number <= earlier.number):
            yield Fault(f"{release.day} was released out of turn, after {earlier.day}.")
        if end.until and release.at >= end.until and recorded is None:
            yield Fault(f"{release.day} was released, and no event says so.")
        if _is_of_its_day(release):
            _find(release.seal, missing=missing)
        else:
            yield Fault(f"The release of {release.day} was changed: its last seal says something else.")
        earlier = release


def _recorded_at(release: Release) -> datetime | None:
    """When the audit log says that this day was released, which is sealed as the release itself is not."""
    said = Event.objects.filter(object=f"day:{release.day}", action=RELEASE).order_by("at")
    for at, details in said.values_list("at", "details"):
        if isinstance(details, dict) and details.get("anchor") == release.anchor:
            return at
    return None


def _is_of_its_day(release: Release) -> bool:
    """Whether what the day's last seal said has this anchor and number, and ends with the day."""
    told = release.seal
    if not isinstance(told, list) or len(told) != SEAL_SAYS or digest_of(told) != release.anchor:
        return False
    _, number, _, _, until, *_ = told
    return (number, until) == (release.number, in_utc(beginning_of(release.day + timedelta(days=1))))


def _faults_before(end: Link) -> Iterator[Fault]:
    """What is there from before everything that can be proven."""
    is_going = _is_being_removed()
    outside = Seal.objects.filter(number__lte=0 if is_going else end.number).order_by("number")
    for number in outside.values_list("number", flat=True)[:MOST_NAMED]:
        yield Fault(f"Seal {number} is outside the chain, which begins with seal {end.number + 1}.")
    if end.until is not None:
        if not is_going:
            yield from _counted(Event.objects.filter(at__lt=end.until), "from days that were released")
    elif first := next(_seals_after(0), None):
        early = Event.objects.filter(at__lt=first.since)
        yield from _counted(early, f"from before the first seal ({first.since}), added")


def _is_being_removed() -> bool:
    """Whether a day was released so lately that not all of it need be gone."""
    if (newest := Release.objects.order_by("-day").first()) is None:
        return False
    now, _ = now_and_cut()
    return now - REMOVED_WITHIN < (_recorded_at(newest) or newest.at) <= now + AHEAD


def _faults_after(end: Link) -> Iterator[Fault]:
    """Events that should be sealed by now, and what no clock has written."""
    now, _ = now_and_cut()
    overdue = Event.objects.filter(at__lt=(now - OVERDUE).replace(microsecond=0))
    if end.until is not None:
        overdue = overdue.filter(at__gte=end.until)
    yield from _counted(overdue, "older than 15 minutes and not sealed: does the worker run")
    ahead = (now + AHEAD).replace(microsecond=0)
    yield from _counted(Event.objects.filter(at__gt=ahead), "dated in the future")
    early = Seal.objects.filter(Q(until__gt=ahead) | Q(sealed_at__gt=ahead)).order_by("number")
    for number in early.values_list("number", flat=True)[:MOST_NAMED]:
        yield Fault(f"Seal {number} is dated in the future.")


def _counted(events: QuerySet[Event], what: str) -> Iterator[Fault]:
    found = list(events.order_by("at", "pk").values_list("pk", flat=True)[:MOST_COUNTED])
    if found:
        many = f"{len(found):,}{' or more' if len(found) == MOST_COUNTED else ''}"
        yield Fault(f"Unsealed: {many}, the first of them event {found[0]}, {what}.")


def _find(told: list[int | str], *, missing: set[str]) -> None:
    """Take the anchor of a seal that says this from those that are missing, if it is one of them."""
    if missing:
        anchor = digest_of(told)
        missing -= {digits for digits in missing if anchor.startswith(digits)}


def _faults_of_anchors(anchors: Sequence[str], *, missing: set[str], since: date | None) -> Iterator[Fault]:
    """Those that were kept elsewhere and are not in the chain, as far as it was looked at."""
    looked_at = f"the chain since {since}" if since else "the chain"
    for anchor in anchors:
        digits = anchor.strip().lower()
        if len(digits) < SHORTEST_ANCHOR:
            yield Fault(f"{anchor}: too short to prove anything; {SHORTEST_ANCHOR} digits are enough.")
        elif digits in missing:
            yield Fault(
                f"Anchor {anchor} is not in {looked_at}: its seal was removed, or all since were made anew."
            )
