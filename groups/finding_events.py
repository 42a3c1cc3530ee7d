"""Finding events of a group among a million: by what a person typed, and by filters."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from django.db.models import Q, QuerySet

from accounts.models import ADMINISTRATORS_DOORS, Event
from groups.counting import start_of
from groups.models import Agent, Group
from groups.tracing import spellings_of
from groups.wording import actions_of
from sso_portal.lib.addresses import parse_address
from sso_portal.lib.text import canonical_name

LOOKED_AT = 50_000  # of the newest events, for what no index knows
OBJECTS = ("token:", "network:")  # how the audit log names what something was done to
KEYS = ("key:", "pk_", "ak_")


@dataclass(frozen=True)
class Search:
    """What is looked for; "" or None where it does not matter. Days are those of the reader's time zone."""

    words: str = ""
    family: str = ""
    outcome: str = ""
    client: str = ""
    first_day: date | None = None
    last_day: date | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave events out."""
        return self != Search()

    def in_words(self) -> dict[str, str]:
        """For the audit log: what an export was narrowed to."""
        told = {
            "search": self.words,
            "what": self.family,
            "outcome": self.outcome,
            "client": self.client,
            "first_day": self.first_day.isoformat() if self.first_day else "",
            "last_day": self.last_day.isoformat() if self.last_day else "",
        }
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Found:
    """The events that a search finds, in no order; and from when on, if that was not said by the person."""

    events: QuerySet[Event]
    since: datetime | None = None


def find(search: Search, *, group: Group, zone: tzinfo, everything: bool = False) -> Found:
    """The group's events that the search means.

    What no index knows is looked for among the newest `LOOKED_AT` events of the days asked for, so that a page takes
    milliseconds; unless the first day was said, or `everything` is.
    """
    within = _of_days(Event.objects.filter(group_id=group.pk), search, zone)
    events = within
    if search.family:
        events = events.filter(action__in=actions_of(search.family))
    if search.outcome:
        events = events.filter(outcome=search.outcome)
    if search.client:
        events = events.filter(client=search.client)
    is_quick = not search.client
    if search.words:
        said, is_quick = _said(search.words, group)
        events = events.filter(said)
    if is_quick or everything or search.first_day:
        return Found(events)
    since = within.order_by("-at").values_list("at", flat=True)[LOOKED_AT : LOOKED_AT + 1].first()
    return Found(events.filter(at__gte=since), since) if since else Found(events)


def _of_days(events: QuerySet[Event], search: Search, zone: tzinfo) -> QuerySet[Event]:
    if search.first_day:
        events = events.filter(at__gte=start_of(search.first_day, zone))
    if search.last_day:
        events = events.filter(at__lt=start_of(search.last_day + timedelta(days=1), zone))
    return events


def _said(words: str, group: Group) -> tuple[Q, bool]:
    """What the words mean, the likeliest first; and whether an index finds it however far back it is."""
    mine = Event.objects.filter(group_id=group.pk)
    spelled = spellings_of(words)
    if mine.filter(reference__in=spelled).exists():
        return Q(reference__in=spelled), True
    if subject := _subject_of(words, group):
        return Q(agent=subject), True
    if words.startswith(KEYS):
        key = f"key:{words.removeprefix('key:').rstrip('…')}"
        return Q(object=key) | Q(actor=key), False
    about = [words, *(f"{kind}{words}" for kind in OBJECTS)]
    if mine.filter(object__in=about).exists():
        return Q(object__in=about), True
    if "@" in words:
        return Q(actor=f"administrator:{canonical_name(words)}", door__in=ADMINISTRATORS_DOORS), True
    if address := parse_address(words):
        return Q(address=str(address)), False
    if group.entitlements.filter(client__subdomain=words.lower()).exists():
        return Q(client=words.lower()), False
    return Q(actor=words), False


def _subject_of(words: str, group: Group) -> str:
    agents = Agent.objects.filter(Q(username_key=canonical_name(words)) | Q(subject=words), group=group)
    return agents.values_list("subject", flat=True).first() or ""
