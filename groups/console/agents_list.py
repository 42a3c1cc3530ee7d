"""The agents of a group: the list, its search, and its export."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts import audit
from groups.agent_columns import COLUMNS, campaigns_cell, clients_cell, end_date_cell, with_access
from groups.console.access import group_page, show
from groups.console.agent_forms import SearchForm
from groups.console.agents_bulk import choices_of_bulk
from groups.finding_agents import ORDERS, Search, Seen, Sort, Standing, look_at, whole
from groups.models import Agent, AgentEntitlement, Entitlement, Membership
from sso_portal.lib.csvs import csv_response
from sso_portal.lib.paging import in_batches, page_of
from sso_portal.lib.web import caller_of, is_fragment

CLIENTS_NAMED = 3  # in a row of the list


@dataclass(frozen=True)
class Heading:
    """A column's heading: the list as a click on it sorts it, and how the list is sorted by it now."""

    query: str
    direction: str  # for aria-sort; "" where the list is sorted by another column


@group_page()
@require_GET
def agents(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's agents, as they are searched for; to htmx the list alone."""
    group, search = membership.group, Search.parse(request.GET)
    entitlements = list(group.entitlements.select_related("client").order_by("client__name"))
    found = search.among(group)
    page = page_of(search.in_order(found), request.GET, order=search.order)
    shown = whole(page.rows)
    listed = _listed_for(shown)
    context = {
        "tab": "agents",
        "search": search,
        "form": SearchForm(search, entitlements),
        "count": found.count(),
        "page": page,
        "rows": [_row(seen, entitlements, listed) for seen in look_at(shown, group=group)],
        "headings": {name: _heading(search, name) for name in ORDERS},
        "bulk_acts": choices_of_bulk(),
        "export_url": _with_query(reverse("agents_export", args=[group.pk]), search),
        "is_fragment": is_fragment(request),
    }
    if not is_fragment(request):
        return show(request, membership, "groups/agents.html", context)
    response = show(request, membership, "groups/_agents_found.html", context)
    response.headers["HX-Push-Url"] = _with_query(request.path, search)
    return response


@group_page(fresh=True)
@require_GET
def agents_export(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The agents that the search finds, as CSV; an import reads it again."""
    group = membership.group
    found = Search.parse(request.GET).among(group)
    audit.record(
        "agent.export",
        caller=caller_of(request),
        actor=membership.actor,
        group=group,
        details={"agents": found.count()},
    )
    rows = _exported(found, zone=timezone.get_current_timezone())
    return csv_response(f"agents-{group.code}-{timezone.localdate():%Y-%m-%d}.csv", COLUMNS, rows)


def _with_query(address: str, search: Search) -> str:
    return f"{address}?{search.query}" if search.query else address


def _exported(found: Any, *, zone: tzinfo) -> Iterator[list[str]]:
    # The zone is passed on: by the time that these rows are written, the request's own is no longer set.
    for batch in in_batches(with_access(found)):
        for agent in batch:
            yield [
                agent.username,
                agent.full_name,
                agent.email,
                agent.status,
                end_date_cell(agent.ends_at, zone=zone),
                clients_cell(agent),
                campaigns_cell(agent),
                _utc(agent),
                agent.provisioned_by,
            ]


def _utc(agent: Agent) -> str:
    at = agent.last_signed_in_at
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _listed_for(agents: list[Agent]) -> set[tuple[int, int]]:
    """Which agent may enter which client, of those who may not enter all, as ids of agent and entitlement."""
    narrowed = [agent for agent in agents if not agent.all_clients]
    return set(AgentEntitlement.objects.filter(agent__in=narrowed).values_list("agent", "entitlement"))


def _row(seen: Seen, entitlements: list[Entitlement], listed: set[tuple[int, int]]) -> dict[str, Any]:
    agent = seen.agent
    names = [row.client.name for row in entitlements if agent.all_clients or (agent.pk, row.pk) in listed]
    return {
        "agent": agent,
        "standing": seen.standing.label,
        "lamp": seen.lamp,
        "is_signed_in_too": seen.is_signed_in and seen.standing != Standing.SIGNED_IN,
        "all_clients": agent.all_clients and len(names) > CLIENTS_NAMED,
        "clients": ", ".join(names[:CLIENTS_NAMED]),
        "more_clients": max(len(names) - CLIENTS_NAMED, 0),
    }


def _heading(search: Search, name: str) -> Heading:
    """A click turns the order around; the last sign-ins begin with the latest."""
    directions = {name: "ascending", f"-{name}": "descending"}
    usual = Sort.LATEST.value if name == "last" else name
    turned = name if search.sort.startswith("-") else f"-{name}"
    sorted_so = replace(search, sort=turned if search.sort in directions else usual)
    return Heading(sorted_so.query, directions.get(search.sort, ""))
