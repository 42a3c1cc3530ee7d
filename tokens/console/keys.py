"""The keys of a group's software, of both kinds, and the addresses it may call from."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from accounts.models import Event, Outcome
from groups.console.access import group_page, show
from groups.models import Group, Membership
from groups.wording import worded_reason
from sso_portal.lib.web import caller_of
from tokens.console.addresses import CheckForm, answer_check, rules_of
from tokens.console.key_kinds import API, KINDS, Kind
from tokens.dialects.native.door import NativeDoor
from tokens.dialects.platform import PlatformDoor
from tokens.keys import MOST_LIVE_KEYS, keys_of
from tokens.models import GroupKey, State

LAMPS = {
    State.LIVE: ("active", gettext_lazy("Live")),
    State.ENDING: ("suspended", gettext_lazy("Ending")),
    State.ENDED: ("ended", gettext_lazy("Ended")),
    State.REVOKED: ("disabled", gettext_lazy("Revoked")),
}
MOST_PAST_KEYS = 20  # shown, the latest first
DAY = timedelta(hours=24)
MOST_REFUSALS = 5  # shown one by one
MOST_COUNTED = 1000  # by reason; software that goes on with a bad key is refused as often as it calls


@group_page()
@require_GET
def keys(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's keys and address list, whether an address would be let in, and who was not."""
    group = membership.group
    sections = [_section(group, kind) for kind in KINDS]
    rules = rules_of(group)
    check = CheckForm(request.GET if "address" in request.GET else None)
    context = {
        "tab": "keys",
        "sections": sections,
        "has_keys": any(section["rows"] for section in sections),
        "rules": rules,
        "check": check,
        "check_answer": answer_check(check, rules),
        "own_address": caller_of(request).address_text,
        "refusals": _refusals(group),
    }
    return show(request, membership, "tokens/keys.html", context)


def _section(group: Group, kind: Kind) -> dict[str, Any]:
    """The live keys of a kind, newest first, and the latest of those that are over."""
    live = list(keys_of(group, kind.model).live().order_by("-pk"))
    over = keys_of(group, kind.model).exclude(pk__in=[key.pk for key in live]).order_by("-pk")
    return {
        "kind": kind,
        "rows": [_told(key, live, kind, group) for key in live],
        "past": [_told(key, live, kind, group) for key in over[:MOST_PAST_KEYS]],
        "may_make_another": len(live) < MOST_LIVE_KEYS,
        "new_url": reverse(f"{kind.name}_new", args=[group.pk]),
        "has_scopes": kind is API,
    }


def _told(key: GroupKey, live: Sequence[GroupKey], kind: Kind, group: Group) -> dict[str, Any]:
    lamp, word = LAMPS[key.state]
    outlives = any(other != key and other.state == State.LIVE for other in live)
    return {
        "key": key,
        "lamp": lamp,
        "word": word,
        "age": (timezone.now() - key.created_at).days,
        "is_due": key.state == State.LIVE and key.is_old,
        "is_last": key.state == State.ENDING and not outlives,
        "urls": {
            act: reverse(f"{kind.name}_{act}", args=[group.pk, key.pk]) for act in ("rotate", "end", "revoke")
        },
    }


def _refusals(group: Group) -> dict[str, Any] | None:
    """The calls of the last day that were refused, by reason, and the latest of them."""
    refused = Event.objects.filter(
        group_id=group.pk,
        outcome=Outcome.REFUSED,
        door__in=(PlatformDoor.name, NativeDoor.name),
        at__gte=timezone.now() - DAY,
    )
    latest_first = refused.order_by("-at", "-pk")
    latest = list(latest_first[:MOST_REFUSALS])
    if not latest:
        return None
    reasons = latest_first.values_list("reason", "details__detail")[:MOST_COUNTED]
    by_reason = Counter[str]()
    for (reason, detail), number in Counter(reasons).items():
        by_reason[_why(reason, detail)] += number
    return {
        "counted": MOST_COUNTED if by_reason.total() == MOST_COUNTED else None,
        "reasons": by_reason.most_common(),
        "latest": [(event, _why(event.reason, event.details.get("detail"))) for event in latest],
    }


def _why(reason: str, detail: str | None) -> str:
    """A refusal's reason word, in words."""
    words = {
        "too_many_requests": _("too many calls in a minute"),
        "agent_disabled": _("the agent is disabled, suspended, or has ended"),
        "client_unavailable": _("the client is not open to this group"),
        "group_inactive": _("the group is off"),
        "insufficient_scope": _("the key lacks the scope"),
        "not_found": _("no such agent"),
        "invalid_fields": _("a field is missing or cannot be read"),
        "unknown_department": _("unknown department"),
        "unknown_campaign": _("unknown campaign"),
        "missing_field": _("a field is missing"),
        "invalid_field": _("a field cannot be read"),
        "invalid_json": _("the body is not JSON"),
    }
    if reason == "unauthorized":
        return _("the key has ended") if detail == "key ended" else _("the address is not on the list")
    return words.get(reason) or worded_reason(reason)
