"""What operators granted to a group: its clients, each with the departments and campaigns that it may work for.

For pages that show it. Whether somebody may enter is decided in `groups.entering`, by the same rows.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    Campaign,
    Client,
    Department,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
    Group,
)


@dataclass(frozen=True)
class Granted:
    """One client of a group, with what of it was granted: what is active, by number."""

    entitlement: Entitlement
    departments: list[Department]
    campaigns: list[Campaign]
    has_every_department: bool
    has_every_campaign: bool

    @property
    def client(self) -> Client:
        return self.entitlement.client


@dataclass(frozen=True)
class Reach:
    """How many agents may enter a client, were it open: of those who work in the group."""

    agents: int
    of: int


def granted_to(group: Group, *, subdomain: str | None = None) -> list[Granted]:
    """The group's clients by name, or the one at this subdomain. Asks the same, however many there are."""
    entitlements = group.entitlements.select_related("client").order_by("client__name", "client__subdomain")
    if subdomain is not None:
        entitlements = entitlements.filter(client__subdomain=subdomain)
    rows = list(entitlements)
    departments, listed_departments = _granted(rows, Department, EntitledDepartment, "department_id")
    campaigns, listed_campaigns = _granted(rows, Campaign, EntitledCampaign, "campaign_id")
    return [
        Granted(
            row,
            _among(departments[row.client_id], listed_departments.get(row.pk)),
            _among(campaigns[row.client_id], listed_campaigns.get(row.pk)),
            row.pk not in listed_departments,
            row.pk not in listed_campaigns,
        )
        for row in rows
    ]


def reach_of(group: Group) -> dict[int, Reach]:
    """How many agents may enter each of the group's clients, by entitlement; in two queries."""
    working = Agent.objects.filter(group=group).working()
    counted = working.aggregate(of=Count("pk"), everywhere=Count("pk", filter=Q(all_clients=True)))
    listed = (
        AgentEntitlement.objects.filter(entitlement__group=group, agent__in=working.filter(all_clients=False))
        .values_list("entitlement")
        .annotate(Count("pk"))
    )
    by_list: dict[int, int] = dict(listed)
    return {
        pk: Reach(counted["everywhere"] + by_list.get(pk, 0), counted["of"])
        for pk in group.entitlements.values_list("pk", flat=True)
    }


def narrowed_at(entitlement: Entitlement) -> int:
    """How many working agents may work there for some of the granted campaigns only."""
    working = Agent.objects.filter(group=entitlement.group_id).working()
    narrowed = AgentCampaign.objects.filter(narrowing__entitlement=entitlement, narrowing__agent__in=working)
    return narrowed.values("narrowing").distinct().count()


def _granted(
    rows: list[Entitlement], of_client: Any, listed: Any, field: str
) -> tuple[dict[int, list[Any]], dict[int, set[int]]]:
    """The clients' active departments or campaigns by client, and the ones that are listed by entitlement."""
    by_client: dict[int, list[Any]] = defaultdict(list)
    for one in of_client.objects.filter(client__in=[row.client_id for row in rows], is_active=True):
        by_client[one.client_id].append(one)
    by_entitlement: dict[int, set[int]] = defaultdict(set)
    for entitlement, number in listed.objects.filter(entitlement__in=rows).values_list("entitlement", field):
        by_entitlement[entitlement].add(number)
    return by_client, dict(by_entitlement)


def _among(ours: list[Any], listed: set[int] | None) -> list[Any]:
    return ours if listed is None else [one for one in ours if one.pk in listed]
