"""Changing a group's settings: one event for each change, and nothing that somebody else did meanwhile is undone."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts import audit
from groups import standing
from groups.members import lock_group
from groups.models import Group, Membership, PasswordProfile, Permission
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

ACTION = "group.change_settings"
PCI_IDLE = 15  # minutes at most (PCI DSS 4.0, requirement 8.2.8)
CHANGED_MEANWHILE = Refusal(
    "changed_meanwhile",
    gettext_noop(
        "Somebody changed this while the page was open. You see it as it is now; please make your change again."
    ),
    409,
)


def change_settings(
    changes: Mapping[str, Any], *, shown: str, by: Membership, caller: Caller
) -> dict[str, Any]:
    """Give these fields of the group new values; what changed, as {field: [old, new]}.

    `shown` is the stamp (`stamp_of`) of the values that the administrator saw. Raises Refused when they are others now.
    """
    with transaction.atomic():
        group = lock_group(by, Permission.MANAGE_SETTINGS)
        old = values_of(group, changes)
        refuse_stale(old, shown=shown, by=by)
        changed = {field: [old[field], value] for field, value in changes.items() if old[field] != value}
        if changed:
            Group.objects.filter(pk=group.pk).update(**{field: changes[field] for field in changed})
            audit.record(ACTION, caller=caller, actor=by.actor, group=group, details=changed)
        if "needs_second_factor" in changed and changes["needs_second_factor"]:
            standing.end_sessions_without_factor(group)
    return changed


def with_demands_of_profile(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of sign-in, with what the card industry's profile needs beside it."""
    if changes["password_profile"] != PasswordProfile.PCI:
        return dict(changes)
    return {
        **changes,
        "needs_second_factor": True,
        "idle_minutes": min(changes["idle_minutes"], PCI_IDLE),
    }


def values_of(group: Group, fields: Iterable[str]) -> dict[str, Any]:
    """These fields of the group, by name."""
    return {field: getattr(group, field) for field in fields}


def stamp_of(values: Mapping[str, Any]) -> str:
    """A short text that differs when any of the values does: what a form carries of what it showed."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def refuse_stale(values: Mapping[str, Any], *, shown: str, by: Membership) -> None:
    """Refuse a change that was made on top of other values than these."""
    if stamp_of(values) != shown:
        raise Refused(CHANGED_MEANWHILE, {"action": ACTION, "actor": by.actor, "group": by.group})
