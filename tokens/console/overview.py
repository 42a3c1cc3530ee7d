"""The first page of a group: what happens now. Here, because it also tells which keys are about to end."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from groups.console.access import group_page, show
from groups.console.overview import addresses_of, happening_in
from groups.models import Group, Membership
from tokens.models import PlatformKey, State


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
    return happening_in(group, now=timezone.now()) | {"ending_keys": ending_keys(group)}


def ending_keys(group: Group) -> list[PlatformKey]:
    """The group's live keys that end soon, or are so old that they ought to be replaced."""
    live = PlatformKey.objects.live().filter(group=group).order_by("pk")
    return [key for key in live if key.state == State.ENDING or key.is_old]
