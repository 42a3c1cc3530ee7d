"""Making, rotating, ending and revoking a group's keys, of both kinds alike."""

import json
import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups.console.access import show
from groups.models import NAME_LENGTH, Entitlement, Group, Membership, validate_text
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of
from tokens.console.addresses import rules_of
from tokens.console.changing import asks_and_does, back_to_keys, change_keys, form_of, show_refused
from tokens.console.key_kinds import API, Kind
from tokens.keys import (
    MOST_LIVE_KEYS,
    NewKey,
    create_key,
    end_key,
    keys_of,
    last_use_of,
    revoke_key,
    rotate_key,
)
from tokens.models import ApiKey, GroupKey, Scope

NOW = timedelta(0)
OVERLAPS = [
    (timedelta(hours=1), gettext_lazy("1 hour")),
    (timedelta(days=1), gettext_lazy("1 day")),
    (timedelta(days=7), gettext_lazy("7 days")),
]
# What a key with one of these scopes can be tried with: first what changes nothing.
TRIES: list[tuple[Scope, str, dict[str, str]]] = [
    (Scope.AGENTS_READ, "agents?limit=1", {}),
    (Scope.ENTITLEMENTS, "entitlements", {}),
    (Scope.EVENTS, "events?limit=1", {}),
    (Scope.LOGINS, "logins", {"username": "alice", "full_name": "Alice Archer", "client": "client"}),
    (Scope.AGENTS_WRITE, "agents", {"username": "alice", "full_name": "Alice Archer"}),
]


class KeyForm(forms.Form):
    """A new key's name."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LENGTH,
        validators=[validate_text],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ApiKeyForm(KeyForm):
    """A new key's name, and what it may be used for."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may be used to"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Tick no more than the software needs. What a key may do is chosen once."),
        error_messages={"required": gettext_lazy("Please tick what it may be used for.")},
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
def new_key(request: HttpRequest, membership: Membership, kind: Kind) -> HttpResponseBase:
    """Make a key; its secret is on the answer, and nowhere else again."""
    form = form_of(ApiKeyForm if kind is API else KeyForm, request)
    form.fields["name"].help_text = kind.name_help
    live = list(keys_of(membership.group, kind.model).live().order_by("-pk"))
    context = {"kind": kind, "live_keys": live, "is_full": len(live) >= MOST_LIVE_KEYS}
    if request.method == "POST" and form.is_valid():
        who: dict[str, Any] = {"by": membership.actor, "caller": caller_of(request)}
        try:
            new = create_key(membership.group, kind.model, **who, **form.cleaned_data)
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_new.html", context)
        return _show_secret(request, membership, kind, new)
    return show(request, membership, "tokens/keys_new.html", {"tab": "keys", "form": form} | context)


@change_keys
@asks_and_does
def rotate(request: HttpRequest, membership: Membership, key_id: str, kind: Kind) -> HttpResponseBase:
    """Make the key that takes over from this one, which goes on for a while."""
    key = _live_key(membership, kind, key_id)
    form = form_of(RotateForm, request)
    live = keys_of(membership.group, kind.model).live().count()
    context = {"kind": kind, "key": key, "is_full": live >= MOST_LIVE_KEYS}
    if request.method == "POST" and form.is_valid():
        overlap = form.cleaned_data["overlap"]
        try:
            new = rotate_key(key, overlap=overlap, by=membership.actor, caller=caller_of(request))
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_rotate.html", context)
        return _show_secret(request, membership, kind, new, old=key)
    return show(request, membership, "tokens/keys_rotate.html", {"tab": "keys", "form": form} | context)


@change_keys
@asks_and_does
def change_end(request: HttpRequest, membership: Membership, key_id: str, kind: Kind) -> HttpResponseBase:
    """Choose when a key ends."""
    key = _live_key(membership, kind, key_id)
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
def revoke(request: HttpRequest, membership: Membership, key_id: str, kind: Kind) -> HttpResponseBase:
    """Refuse a key from now on; asks first."""
    key = _live_key(membership, kind, key_id)
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


def api_sample(key: ApiKey, secret: str) -> str:
    """A call of the native API that the key may make; one that changes nothing, if it may make such a one."""
    path, body = next((path, body) for scope, path, body in TRIES if scope in key.scopes)
    lines = [
        f"curl -sS {shlex.quote(f'{settings.PORTAL_URL}/api/v1/{path}')}",
        f"-H {shlex.quote(f'Authorization: Bearer {secret}')}",
    ]
    if body:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body))}"]
    return " \\\n    ".join(lines)


def _show_secret(
    request: HttpRequest,
    membership: Membership,
    kind: Kind,
    new: NewKey[Any],
    old: GroupKey | None = None,
) -> HttpResponseBase:
    is_api = isinstance(new.key, ApiKey)
    sample = api_sample(new.key, new.secret) if is_api else curl_sample(membership.group, new.secret)
    context = {
        "tab": "keys",
        "kind": kind,
        "new": new,
        "old": old,
        "sample": sample,
        "docs_url": f"{settings.PORTAL_URL}{reverse('api_docs')}" if is_api else "",
        "rules": rules_of(membership.group),
    }
    return show(request, membership, "tokens/keys_made.html", context)


def _live_key(membership: Membership, kind: Kind, key_id: str) -> GroupKey:
    """The group's live key of this number. Raises Http404: what is over cannot be changed."""
    key = keys_of(membership.group, kind.model).live().filter(pk=key_id).first()
    if key is None:
        raise Http404
    key.group = membership.group
    return key


def _others(key: GroupKey) -> list[GroupKey]:
    return list(keys_of(key.group, type(key)).live().exclude(pk=key.pk))


def _last_use(key: GroupKey) -> str:
    last = last_use_of(key)
    if last is None:
        return _("It was never used.")
    names = {"ago": naturaltime(last.at), "address": last.address}
    if last.address:
        return _("It was last used %(ago)s, from %(address)s.") % names
    return _("It was last used %(ago)s.") % names


def _what_is_left(key: GroupKey) -> str:
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
