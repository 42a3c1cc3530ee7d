"""The first page of a group: what happens now. Here, because it also tells which keys are about to end, and where
log-outs were not passed on.
"""

from typing import Any

from django.db.models import Count, F
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from groups.console.access import group_page, show
from groups.console.overview import DAY, addresses_of, happening_in
from groups.models import Group, Membership
from tokens.keys import keys_of
from tokens.models import ApiKey, Handoff, PlatformKey


@group_page()
@require_GET
def overview(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """One group: what happens now."""
    group = membership.group
    context = _context(group) | {"tab": "group"}
    if context["is_quiet"]:
        context |= addresses_of(group)
    return show(request, membership, "groups/overview.html", context)


@group_page()
@require_GET
def now(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The parts of the page that change, for the page that is open: it asks every 15 seconds."""
    return show(request, membership, "groups/_overview_now.html", _context(membership.group))


def _context(group: Group) -> dict[str, Any]:
    to_look_after = {"ending_keys": ending_keys(group), "untold": untold(group)}
    return happening_in(group, now=timezone.now()) | to_look_after


def untold(group: Group) -> list[dict[str, Any]]:
    """The clients whose systems did not learn of log-outs of the last day, and of how many."""
    lately = Handoff.objects.filter(given_up_at__gte=timezone.now() - DAY, session__agent__group=group)
    clients = lately.values(
        client=F("relying_party__client__name"), subdomain=F("relying_party__client__subdomain")
    )
    return [
        dict(row) for row in clients.annotate(number=Count("session__sid", distinct=True)).order_by("client")
    ]


def ending_keys(group: Group) -> list[dict[str, Any]]:
    """The group's live keys, of either kind, that end soon, or are so old that they ought to be replaced."""
    told = ("name", "prefix", "created_at", "expires_at")
    platform, native = (keys_of(group, kind).to_replace().values(*told) for kind in (PlatformKey, ApiKey))
    return [dict(row) for row in platform.union(native, all=True).order_by("created_at")]
