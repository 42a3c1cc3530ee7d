"""Reading the audit log, the newest first: pages and exports of a million events, by key."""

from collections.abc import Iterator

from django.db.models import Q, QuerySet, Subquery
from django.http import QueryDict

from accounts.models import Event
from sso_portal.lib.paging import Page

NEWEST_FIRST = ("-at", "-pk")
LARGEST_ID = 2**63 - 1


def page_of_events(events: QuerySet[Event], query: QueryDict, *, size: int = 50) -> Page[Event]:
    """The page that the address asks for by `after` or `before`, which name an event. Anything else is the first."""
    after, before = _id_in(query, "after"), _id_in(query, "before")
    if after is None and before is not None:
        found = list(events.filter(_newer_than(before)).order_by("at", "pk")[: size + 1])
        more, found = len(found) > size, found[:size][::-1]
        has_next, has_previous = True, more
    else:
        older = events.filter(_older_than(after)) if after is not None else events
        found = list(older.order_by(*NEWEST_FIRST)[: size + 1])
        more, found = len(found) > size, found[:size]
        has_next, has_previous = more, after is not None
    is_first = after is None and before is None
    if not found:
        return Page([], "", "", "" if is_first else _address(query))
    return Page(
        found,
        _address(query, after=found[-1].pk) if has_next else "",
        _address(query, before=found[0].pk) if has_previous else "",
        "" if is_first else _address(query),
    )


def events_in_batches(events: QuerySet[Event], *, size: int = 2000) -> Iterator[list[Event]]:
    """Every event, the newest first, a batch at a time: memory stays the same however many there are."""
    last = None
    while True:
        older = events.filter(_older_than(last)) if last is not None else events
        batch = list(older.order_by(*NEWEST_FIRST)[:size])
        if batch:
            yield batch
        if len(batch) < size:
            return
        last = batch[-1].pk


def _older_than(pk: int) -> Q:
    # The database compares with its own value: SQLite keeps moments as text, and not all of one length.
    at = Subquery(Event.objects.filter(pk=pk).values("at"))
    return Q(at__lte=at) & (Q(at__lt=at) | Q(pk__lt=pk))


def _newer_than(pk: int) -> Q:
    at = Subquery(Event.objects.filter(pk=pk).values("at"))
    return Q(at__gte=at) & (Q(at__gt=at) | Q(pk__gt=pk))


def _id_in(query: QueryDict, name: str) -> int | None:
    given = query.get(name, "")
    is_number = given.isascii() and given.isdigit() and len(given) <= 19
    return int(given) if is_number and int(given) <= LARGEST_ID else None


def _address(query: QueryDict, **key: int) -> str:
    asked = query.copy()
    for old in ("after", "before"):
        asked.pop(old, None)
    for name, pk in key.items():
        asked[name] = str(pk)
    return f"?{asked.urlencode()}"
