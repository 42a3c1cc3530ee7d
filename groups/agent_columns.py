"""The columns of a CSV file of agents: what an export writes, an import reads again."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import TypeVar

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from groups.models import Agent, AgentEntitlement, Campaign

COLUMNS = (
    "username",
    "full_name",
    "email",
    "status",
    "end_date",
    "clients",
    "campaigns",
    "last_signed_in",
    "provisioned_by",
)
ALL_CLIENTS, NO_CLIENT, NEVER = "*", "-", "-"
CAMPAIGNS_OF_ONE = re.compile(r"(?P<client>[a-z0-9-]{1,63}):(?P<numbers>\*|[0-9]{1,9}(?:,[0-9]{1,9})*)")
DAY, MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), re.compile(r"[0-9]{2}:[0-9]{2}")
Q = TypeVar("Q", bound=QuerySet[Agent])
YEARS = range(1970, 2200)  # of end dates


def with_access(agents: Q) -> Q:
    """Load what the cells `clients` and `campaigns` tell, in two queries however many agents there are."""
    narrowings = AgentEntitlement.objects.select_related("entitlement__client")
    campaigns = Prefetch("campaigns", Campaign.objects.order_by("number"))
    return agents.prefetch_related(Prefetch("narrowings", narrowings.prefetch_related(campaigns)))


@dataclass(frozen=True)
class Access:
    """Which clients an agent may enter, by subdomain, each with the campaigns he is narrowed to (none: all of them).

    Of an agent who may enter every client, only those with campaigns are listed.
    """

    all_clients: bool
    listed: dict[str, frozenset[int]]


EVERYWHERE = Access(all_clients=True, listed={})


def access_of(agent: Agent) -> Access:
    """What the agent may enter. Needs `with_access`, or asks for it row by row."""
    listed = {
        narrowing.entitlement.client.subdomain: {campaign.number for campaign in narrowing.campaigns.all()}
        for narrowing in agent.narrowings.all()
    }
    return access_to(listed, all_clients=agent.all_clients)


def access_to(listed: Mapping[str, Collection[int]], *, all_clients: bool) -> Access:
    """What an agent may enter for whom these clients and campaigns are listed."""
    narrowed = {client: frozenset(numbers) for client, numbers in listed.items()}
    if all_clients:
        narrowed = {client: numbers for client, numbers in narrowed.items() if numbers}
    return Access(all_clients, narrowed)


def clients_cell(agent: Agent | Access) -> str:
    """The clients that the agent may enter: `*` for all of the group's, `-` for none, else subdomains."""
    access = agent if isinstance(agent, Access) else access_of(agent)
    if access.all_clients:
        return ALL_CLIENTS
    return " ".join(sorted(access.listed)) or NO_CLIENT


def campaigns_cell(agent: Agent | Access) -> str:
    """The campaigns that the agent is narrowed to, by client: `demoaws:1,2 sandboxdemo:3`; the others have all."""
    access = agent if isinstance(agent, Access) else access_of(agent)
    return " ".join(
        f"{subdomain}:{','.join(map(str, sorted(numbers)))}"
        for subdomain, numbers in sorted(access.listed.items())
        if numbers
    )


def clients_in(cell: str) -> frozenset[str] | None:
    """The subdomains that a cell lists, parted by spaces, commas or semicolons; None for all clients.

    Raises ValueError where it says "all" or "none" and lists some beside it.
    """
    words = frozenset(re.split(r"[\s,;]+", cell.strip(" \t\r\n,;").lower())) - {""}
    if words == {ALL_CLIENTS}:
        return None
    if words == {NO_CLIENT}:
        return frozenset()
    if words & {ALL_CLIENTS, NO_CLIENT}:
        raise ValueError
    return words


def campaigns_in(cell: str) -> dict[str, frozenset[int]]:
    """The campaigns that a cell lists by client; none for a client with `*`, and for no client in `*` and `-`.

    Raises ValueError for what cannot be read.
    """
    if cell.strip() in (ALL_CLIENTS, NO_CLIENT):
        return {}
    # Blanks are made single first: a long run of them would cost the square of its length below.
    joined = re.sub(r" ?([:,]) ?", r"\1", " ".join(cell.lower().split()).strip(" ;"))
    found: dict[str, set[int]] = {}
    for word in re.split(r"[\s;]+", joined):
        listed = CAMPAIGNS_OF_ONE.fullmatch(word)
        if listed is None or listed["client"] in found:
            raise ValueError
        numbers = [] if listed["numbers"] == ALL_CLIENTS else listed["numbers"].split(",")
        found[listed["client"]] = {int(number) for number in numbers}
    return {client: frozenset(numbers) for client, numbers in found.items() if numbers}


def end_date_cell(ends_at: datetime | None, *, zone: tzinfo | None = None) -> str:
    """The last day, local: `2026-03-31`; with the time, `2026-03-31 17:30`, where access ends before the day does."""
    if ends_at is None:
        return ""
    day, at = last_day_of(ends_at, zone=zone)
    return f"{day.isoformat()} {at:%H:%M}" if at else day.isoformat()


def end_in(cell: str, *, zone: tzinfo | None = None) -> datetime | None:
    """When access ends by a cell such as `2026-03-31` or `2026-03-31 17:30`; None for `-`, which is never.

    Raises ValueError for what cannot be read.
    """
    if cell.strip() == NEVER:
        return None
    day, _, at = cell.strip().replace("T", " ").partition(" ")
    if not DAY.fullmatch(day) or (at and not MINUTE.fullmatch(at)):
        raise ValueError
    return end_of(date.fromisoformat(day), time.fromisoformat(at) if at else None, zone=zone)


def last_day_of(ends_at: datetime, *, zone: tzinfo | None = None) -> tuple[date, time | None]:
    """The local day on which access ends, and the time; None for the time when it ends as the day is over."""
    local = timezone.localtime(ends_at, zone)
    if timezone.make_aware(datetime.combine(local.date(), time()), zone) == ends_at:
        return local.date() - timedelta(days=1), None
    return local.date(), local.time()


def end_of(day: date, at: time | None = None, *, zone: tzinfo | None = None) -> datetime:
    """When somebody's access ends whose last day this is (in the present time zone): then, or as the day is over.

    Raises ValueError for a day that nobody means.
    """
    if day.year not in YEARS:
        raise ValueError
    naive = datetime.combine(day, at) if at else datetime.combine(day + timedelta(days=1), time())
    return timezone.make_aware(naive, zone)
