"""The logins that a group was asked for lately: does the test call arrive, and what arrives unreplaced?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Event
from groups.models import Group
from tokens.issuing import ACTION

LOOKED_AT = 2000  # however busy the group is
LOOKED_BACK = timedelta(days=7)
DOOR = "agents"  # where pops come in; software has doors of its own


@dataclass(frozen=True)
class Pop:
    """A pop that came in."""

    at: datetime
    reference: str
    client: str  # subdomain


@dataclass(frozen=True)
class Unreplaced:
    """A parameter that arrived as a placeholder, and how often."""

    name: str
    times: int
    last: Pop
    clients: list[str]


@dataclass(frozen=True)
class Lint:
    """How many pops were looked at, and what was wrong with them: the most frequent first."""

    pops: int
    found: list[Unreplaced]


def asked_for(group: Group) -> QuerySet[Event]:
    """The logins that pops and software asked for in the last seven days, given and refused, the newest first."""
    since = timezone.now() - LOOKED_BACK
    return Event.objects.filter(group_id=group.pk, action=ACTION, at__gte=since).order_by("-at", "-pk")


def unreplaced_in(group: Group) -> Lint:
    """Which parameters arrived as placeholders, of the pops among the newest 2,000 logins that were asked for."""
    newest = asked_for(group).values("pk")[:LOOKED_AT]
    pops = Event.objects.filter(pk__in=newest, door=DOOR)
    wrong = pops.filter(details__has_key="placeholders").order_by("-at", "-pk")
    seen: dict[str, list[Pop]] = {}
    for at, reference, client, details in wrong.values_list("at", "reference", "client", "details"):
        for name in details["placeholders"]:
            seen.setdefault(str(name), []).append(Pop(at, reference, client))
    found = [
        Unreplaced(name, len(those), those[0], sorted({pop.client for pop in those if pop.client}))
        for name, those in seen.items()
    ]
    return Lint(pops.count(), sorted(found, key=lambda one: -one.times))
