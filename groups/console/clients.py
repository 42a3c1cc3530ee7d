"""The clients that operators granted to the group: who may enter, as what, and how calls get there."""

from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from groups.console.access import group_page, show
from groups.grants import granted_to, narrowed_at, reach_of
from groups.models import Client, Group, Membership

NUMBERS_SHOWN = 8


@group_page()
@require_GET
def group_clients(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's clients, by name."""
    group, reach = membership.group, reach_of(membership.group)
    by_client: dict[int, int] = dict(
        group.dialled_numbers.values_list("client").annotate(Count("pk")).order_by()
    )
    clients = [
        {
            "granted": granted,
            "client": granted.client,
            "state": state_of(granted.client),
            "reach": reach.get(granted.entitlement.pk),
            "numbers": by_client.get(granted.client.pk, 0),
            "pop_url": pop_url(group, granted.client),
        }
        for granted in granted_to(group)
    ]
    context = {
        "tab": "group_clients",
        "clients": clients,
        "numbers": sum(by_client.values()),
        "routed_url": routed_url(group),
    }
    return show(request, membership, "groups/clients.html", context)


@group_page()
@require_GET
def group_client(request: HttpRequest, membership: Membership, subdomain: str) -> HttpResponseBase:
    """One client of the group: what was granted of it, who may enter, which numbers lead there."""
    group = membership.group
    granted = next(iter(granted_to(group, subdomain=subdomain)), None)
    if granted is None:
        raise Http404
    numbers = group.dialled_numbers.filter(client=granted.client).select_related("campaign")
    context: dict[str, Any] = {
        "tab": "group_clients",
        "granted": granted,
        "client": granted.client,
        "state": state_of(granted.client),
        "reach": reach_of(group)[granted.entitlement.pk],
        "narrowed": narrowed_at(granted.entitlement),
        "numbers": numbers[:NUMBERS_SHOWN],
        "numbers_count": numbers.count(),
        "pop_url": pop_url(group, granted.client),
        "routed_url": routed_url(group),
    }
    return show(request, membership, "groups/clients_one.html", context)


def state_of(client: Client) -> str:
    """Whether agents come in at this client: `open`, `paused` by the client company, or `off`."""
    if not client.is_active:
        return "off"
    return "paused" if client.is_paused else "open"


def pop_url(group: Group, client: Client) -> str:
    """What the telephone system opens for this client."""
    return f"{settings.PORTAL_URL}/sso/group/{client.subdomain}?group={group.pk}"


def routed_url(group: Group) -> str:
    """What the telephone system opens for every client, with the dialled number behind it."""
    return f"{settings.PORTAL_URL}/sso/group?group={group.pk}&did="
