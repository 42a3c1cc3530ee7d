"""The keys of a group's software, and the addresses it may call from."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from accounts.models import Event, Outcome
from groups.console.access import group_page, show
from groups.models import NAME_LENGTH, Entitlement, Group, Membership, validate_text
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of
from tokens.console.addresses import CheckForm, answer_check, rules_of
from tokens.console.changing import asks_and_does, back_to_keys, change_keys, form_of, show_refused
from tokens.dialects.platform import PlatformDoor
from tokens.issuing import ACTION
from tokens.keys import (
    MOST_LIVE_KEYS,
    NewKey,
    create_key,
    end_key,
    last_use_of,
    revoke_key,
    rotate_key,
)
from tokens.models import PlatformKey, State

LAMPS = {
    State.LIVE: ("active", gettext_lazy("Live")),
    State.ENDING: ("suspended", gettext_lazy("Ending")),
    State.ENDED: ("ended", gettext_lazy("Ended")),
    State.REVOKED: ("disabled", gettext_lazy("Revoked")),
}
NOW = timedelta(0)
OVERLAPS = [
    (timedelta(hours=1), gettext_lazy("1 hour")),
    (timedelta(days=1), gettext_lazy("1 day")),
    (timedelta(days=7), gettext_lazy("7 days")),
]
MOST_PAST_KEYS = 20  # shown, the latest first
DAY = timedelta(hours=24)
MOST_REFUSALS = 5  # shown one by one
MOST_COUNTED = 1000  # by reason; software that goes on with a bad key is refused as often as it calls


# --- What is there ---------------------------------------------------------------------------------------------------


@group_page()
@require_GET
def keys(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's keys and address list, whether an address would be let in, and who was not."""
    group = membership.group
    live, past = _keys_of(group)
    rules = rules_of(group)
    check = CheckForm(request.GET if "address" in request.GET else None)
    context = {
        "tab": "keys",
        "keys": [_told(key, live) for key in live],
        "past_keys": [_told(key, live) for key in past],
        "may_make_another": len(live) < MOST_LIVE_KEYS,
        "rules": rules,
        "check": check,
        "check_answer": answer_check(check, rules),
        "own_address": caller_of(request).address_text,
        "refusals": _refusals(group),
    }
    return show(request, membership, "tokens/keys.html", context)


def _keys_of(group: Group) -> tuple[list[PlatformKey], list[PlatformKey]]:
    """The live keys, newest first, and the latest of those that are over."""
    live = list(group.platform_keys.live().order_by("-pk"))
    past = group.platform_keys.exclude(pk__in=[key.pk for key in live]).order_by("-pk")[:MOST_PAST_KEYS]
    return live, list(past)


def _told(key: PlatformKey, live: Sequence[PlatformKey]) -> dict[str, Any]:
    kind, word = LAMPS[key.state]
    outlives = any(other != key and other.state == State.LIVE for other in live)
    return {
        "key": key,
        "lamp": kind,
        "word": word,
        "age": (timezone.now() - key.created_at).days,
        "is_due": key.state == State.LIVE and key.is_old,
        "is_last": key.state == State.ENDING and not outlives,
    }


def _refusals(group: Group) -> dict[str, Any] | None:
    """The calls of the last day that were refused, by reason, and the latest of them."""
    refused = Event.objects.filter(
        group_id=group.pk,
        action=ACTION,
        outcome=Outcome.REFUSED,
        door=PlatformDoor.name,
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
        "unknown_department": _("unknown department"),
        "unknown_campaign": _("unknown campaign"),
        "missing_field": _("a field is missing"),
        "invalid_field": _("a field cannot be read"),
        "invalid_json": _("the body is not JSON"),
    }
    if reason == "unauthorized":
        return _("the key has ended") if detail == "key ended" else _("the address is not on the list")
    return words.get(reason, reason)


# --- Keys ------------------------------------------------------------------------------------------------------------


class KeyForm(forms.Form):
    """A new key's name."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LENGTH,
        validators=[validate_text],
        help_text=gettext_lazy("The software that will use it, like “Dialer”. Only administrators see it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class DurationField(forms.TypedChoiceField):
    """One of a few durations, as radio buttons; its value is a timedelta."""

    def __init__(self, durations: Sequence[tuple[timedelta, Any]], **kwargs: Any) -> None:
        choices = [(int(duration.total_seconds()), words) for duration, words in durations]
        super().__init__(
            choices=choices,
            coerce=lambda seconds: timedelta(seconds=int(seconds)),
            widget=forms.RadioSelect,
            **kwargs,
        )


class RotateForm(forms.Form):
    """How long the old key goes on beside the new one."""

    overlap = DurationField(
        OVERLAPS,
        label=gettext_lazy("The old key works for another"),
        initial=int(OVERLAPS[-1][0].total_seconds()),
        help_text=gettext_lazy("Long enough to give the new key to every program that calls."),
    )


class EndForm(forms.Form):
    """When a key ends."""

    after = DurationField(
        [
            (NOW, gettext_lazy("Now")),
            *((overlap, gettext_lazy("In %s") % words) for overlap, words in OVERLAPS),
        ],
        label=gettext_lazy("The key stops working"),
    )


@change_keys
@asks_and_does
def new_key(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Make a key; its secret is on the answer, and nowhere else again."""
    form = form_of(KeyForm, request)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            new = create_key(membership.group, name=name, by=membership.actor, caller=caller_of(request))
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_new.html", {})
        return _show_secret(request, membership, new)
    live, _past = _keys_of(membership.group)
    context = {"form": form, "live_keys": live, "is_full": len(live) >= MOST_LIVE_KEYS}
    return show(request, membership, "tokens/keys_new.html", {"tab": "keys"} | context)


@change_keys
@asks_and_does
def rotate(request: HttpRequest, membership: Membership, key_id: str) -> HttpResponseBase:
    """Make the key that takes over from this one, which goes on for a while."""
    key = _live_key(membership, key_id)
    form = form_of(RotateForm, request)
    context = {"key": key, "is_full": membership.group.platform_keys.live().count() >= MOST_LIVE_KEYS}
    if request.method == "POST" and form.is_valid():
        overlap = form.cleaned_data["overlap"]
        try:
            new = rotate_key(key, overlap=overlap, by=membership.actor, caller=caller_of(request))
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_rotate.html", context)
        return _show_secret(request, membership, new, old=key)
    return show(request, membership, "tokens/keys_rotate.html", {"tab": "keys", "form": form} | context)


@change_keys
@asks_and_does
def change_end(request: HttpRequest, membership: Membership, key_id: str) -> HttpResponseBase:
    """Choose when a key ends."""
    key = _live_key(membership, key_id)
    form = form_of(EndForm, request)
    context = {"key": key, "others": _others(key)}
    if request.method == "POST" and form.is_valid():
        try:
            end_key(key, after=form.cleaned_data["after"], by=membership.actor, caller=caller_of(request))
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_end.html", context)
        names = {"key": key, "when": _moment(key.expires_at)}
        if form.cleaned_data["after"] == NOW:
            messages.success(request, _("%(key)s has ended.") % names)
        else:
            messages.success(request, _("%(key)s ends on %(when)s.") % names)
        return back_to_keys(membership)
    return show(request, membership, "tokens/keys_end.html", {"tab": "keys", "form": form} | context)


@change_keys
@asks_and_does
def revoke(request: HttpRequest, membership: Membership, key_id: str) -> HttpResponseBase:
    """Refuse a key from now on; asks first."""
    key = _live_key(membership, key_id)
    if request.method == "POST":
        if revoke_key(key, by=membership.actor, caller=caller_of(request)):
            messages.success(request, _("%(key)s was revoked.") % {"key": key})
        else:
            messages.info(request, _("%(key)s had ended already.") % {"key": key})
        return back_to_keys(membership)
    context = {
        "tab": "keys",
        "title": _("Revoke %(key)s?") % {"key": key},
        "text": _(
            "It is refused from the next call on, wherever that comes from. This cannot be taken back."
        ),
        "items": [_last_use(key), _what_is_left(key), *_who_would_be_refused(membership.group)],
        "button": _("Revoke the key"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": reverse("keys", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", context)


def curl_sample(group: Group, secret: str) -> str:
    """A call of the SSO API that runs as it is, with the group's own values where it has any."""
    entitled = Entitlement.objects.filter(group=group, client__is_active=True, client__is_paused=False)
    entitlement = entitled.select_related("client").order_by("client__name").first()
    department = None
    if entitlement:
        listed = entitlement.departments.filter(is_active=True)
        department = (listed or entitlement.client.departments.filter(is_active=True)).first()
    agent = group.agents.working().order_by("pk").first()
    body = {
        "username": agent.username if agent else "alice",
        "fullname": agent.full_name if agent else "Alice Archer",
        "department_id": department.number if department else 1,
    }
    address = f"{settings.PORTAL_URL}/api/sso/{entitlement.client.subdomain if entitlement else 'client'}"
    return (
        f"curl -sS {shlex.quote(address)} \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -H {shlex.quote(f'Platform-Key: {secret}')} \\\n"
        f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def _show_secret(
    request: HttpRequest, membership: Membership, new: NewKey, old: PlatformKey | None = None
) -> HttpResponseBase:
    sample = curl_sample(membership.group, new.secret)
    context = {"tab": "keys", "new": new, "old": old, "sample": sample, "rules": rules_of(membership.group)}
    return show(request, membership, "tokens/keys_made.html", context)


def _live_key(membership: Membership, key_id: str) -> PlatformKey:
    """The group's live key of this number. Raises Http404: what is over cannot be changed."""
    key = get_object_or_404(PlatformKey.objects.live(), group=membership.group, pk=key_id)
    key.group = membership.group
    return key


def _others(key: PlatformKey) -> list[PlatformKey]:
    return list(PlatformKey.objects.live().filter(group=key.group).exclude(pk=key.pk))


def _last_use(key: PlatformKey) -> str:
    last = last_use_of(key)
    if last is None:
        return _("It was never used.")
    names = {"ago": naturaltime(last.at), "address": last.address}
    if last.address:
        return _("It was last used %(ago)s, from %(address)s.") % names
    return _("It was last used %(ago)s.") % names


def _what_is_left(key: PlatformKey) -> str:
    others = _others(key)
    if not others:
        return _("No other key is live: nobody can call until you make one.")
    return _("%(key)s goes on working.") % {"key": others[0]}


def _who_would_be_refused(group: Group) -> list[str]:
    """From where software calls that may use the key still."""
    rules = rules_of(group)
    if not rules:
        return []
    networks = ", ".join(listed.in_words for listed in rules[:5]) + (" …" if len(rules) > 5 else "")
    return [_("Software that uses it and calls from here is refused: %(networks)s") % {"networks": networks}]


def _moment(at: Any) -> str:
    return date_format(timezone.localtime(at), "j M Y, H:i")
