"""`/api/v1/entitlements`: the clients that the key's group may enter, as which departments, for which campaigns."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from groups.models import Campaign, Client, Department, EntitledCampaign, EntitledDepartment, Entitlement
from tokens.dialects.native.door import BearerDoor
from tokens.models import Scope


class Entitlements(BearerDoor):
    """`GET /api/v1/entitlements`: all of them, by the clients' subdomains."""

    scopes = {"GET": Scope.ENTITLEMENTS}

    def get(self, request: Request) -> Response:
        rows = list(self.group.entitlements.select_related("client").order_by("client__subdomain"))
        departments = _granted(Department, EntitledDepartment, rows)
        campaigns = _granted(Campaign, EntitledCampaign, rows)
        told = [
            {
                "client": row.client.subdomain,
                "name": row.client.name,
                "status": _status(row.client),
                "departments": departments[row.pk],
                "campaigns": campaigns[row.pk],
            }
            for row in rows
        ]
        return Response({"entitlements": told})


def _status(client: Client) -> str:
    if not client.is_active:
        return "off"
    return "paused" if client.is_paused else "open"


def _granted(
    kind: type[Campaign] | type[Department], listing: Any, rows: Collection[Entitlement]
) -> dict[int, list[dict[str, Any]]]:
    """What is active of each client, and of that what is listed (nothing listed: all of it), by entitlement."""
    column = kind._meta.model_name
    listed: dict[int, set[int]] = defaultdict(set)
    for entitlement, pk in listing.objects.filter(entitlement__in=rows).values_list("entitlement", column):
        listed[entitlement].add(pk)
    of_client: dict[int, list[Any]] = defaultdict(list)
    clients = [row.client_id for row in rows]
    for found in kind._default_manager.filter(client__in=clients, is_active=True).order_by("number"):
        of_client[found.client_id].append(found)
    return {
        row.pk: [
            {"number": found.number, "name": found.name}
            for found in of_client[row.client_id]
            if row.pk not in listed or found.pk in listed[row.pk]
        ]
        for row in rows
    }
