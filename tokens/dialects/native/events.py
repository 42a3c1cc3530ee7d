"""`/api/v1/events`: the audit log of the key's group, a page at a time, back in time or onwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Event, Outcome
from tokens.dialects.native.door import BearerDoor, Cursor, cursor_in, query_fields, sealed_cursor
from tokens.dialects.native.fields import Fields
from tokens.models import Scope

MOST_ON_A_PAGE, ON_A_PAGE = 500, 100
LONGEST_ACTION = 64
NEWEST, OLDEST = "newest", "oldest"
# Events carry the moment at which their transaction began: whoever reads onwards would miss one that was written late.
HELD_BACK = timedelta(minutes=1)


class Events(BearerDoor):
    """`GET /api/v1/events`: pages of events, the newest first, or the oldest first to follow what happens."""

    scopes = {"GET": Scope.EVENTS}

    def get(self, request: Request) -> Response:
        fields = query_fields(request)
        order = fields.one_of("order", (NEWEST, OLDEST)) or NEWEST
        size = fields.count("limit", default=ON_A_PAGE, most=MOST_ON_A_PAGE)
        events = _asked_for(Event.objects.filter(group_id=self.group.pk), fields)
        after = cursor_in(fields, str, int)
        since = _beyond(after, order, fields) if after else Q()
        fields.check()
        if order == OLDEST:
            events = events.filter(at__lt=timezone.now() - HELD_BACK)
        ordered = events.filter(since).order_by(*(("at", "pk") if order == OLDEST else ("-at", "-pk")))
        found = list(ordered[: size + 1])
        shown, has_more = found[:size], len(found) > size
        # Onwards, the last page has a cursor too: the place to go on from, once more has happened.
        last: Cursor | None = [shown[-1].at.astimezone(UTC).isoformat(), shown[-1].pk] if shown else after
        following = last is not None and (has_more or order == OLDEST)
        return Response(
            {
                "events": [told(event) for event in shown],
                "has_more": has_more,
                "next_cursor": sealed_cursor(*last) if last is not None and following else None,
            }
        )


def told(event: Event) -> dict[str, Any]:
    """An event as this API tells of it; the audit log itself holds no secrets."""
    return {
        "id": str(event.pk),
        "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "action": event.action,
        "outcome": event.outcome,
        "reason": event.reason or None,
        "door": event.door,
        "actor": event.actor,
        "client": event.client or None,
        "agent": event.agent or None,
        "object": event.object or None,
        "address": event.address or None,
        "request_id": event.reference,
        "details": event.details,
    }


def _asked_for(events: QuerySet[Event], fields: Fields) -> QuerySet[Event]:
    for name in ("since", "until"):
        if name in fields:  # the + of an offset, where nobody encoded it, arrives as a blank
            fields.told[name] = fields.told[name].replace(" ", "+")
    if since := fields.moment("since"):
        events = events.filter(at__gte=since)
    if until := fields.moment("until"):
        events = events.filter(at__lt=until)
    if action := fields.text("action", longest=LONGEST_ACTION):
        events = events.filter(action=action)
    if outcome := fields.one_of("outcome", Outcome.values):
        events = events.filter(outcome=outcome)
    return events


def _beyond(after: Cursor, order: str, fields: Fields) -> Q:
    try:
        at = datetime.fromisoformat(str(after[0])).astimezone(UTC)
    except (ValueError, OverflowError):
        fields.refuse("cursor", "is none that this list gave.")
        return Q()
    # The first condition bounds the range for the index, whatever the rest says.
    if order == OLDEST:
        return Q(at__gte=at) & (Q(at__gt=at) | Q(pk__gt=after[1]))
    return Q(at__lte=at) & (Q(at__lt=at) | Q(pk__lt=after[1]))
