"""Activation codes, shown once: one to copy, or a sheet for a shift."""

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from groups.console.access import show
from groups.models import Agent, Group, Membership


def show_codes(
    request: HttpRequest,
    membership: Membership,
    given: list[tuple[Agent, str]],
    *,
    back: str,
    is_new: bool = False,
) -> HttpResponseBase:
    """The page of codes that were given just now. They are in this answer and nowhere else."""
    context = {
        "tab": "agents",
        "cards": [{"agent": agent, "code": code} for agent, code in given],
        "only": given[0][0] if len(given) == 1 else None,
        "is_new": is_new,
        "valid_until": _valid_until(),
        "direct_address": direct_address(membership.group),
        "back": back,
    }
    return show(request, membership, "groups/agent_codes.html", context)


def direct_address(group: Group) -> str:
    """Where the group's agents sign in when no call waits."""
    return f"{settings.PORTAL_URL}/sso/group?group={group.pk}"


def _valid_until() -> datetime:
    return timezone.now() + settings.ACTIVATION_CODE_LIFETIME
