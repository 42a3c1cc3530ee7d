"""The message bus of a group: whose pages may talk to it, where codes may go, what it gives out, how much goes on."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET

from accounts import audit
from groups.console.access import group_page, show
from groups.models import Group, Membership
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, origin_of, see_other
from tokens.changing_bus import add_address, change_settings, end_all, live_families
from tokens.changing_bus import remove_address as remove
from tokens.connecting import terms_of
from tokens.console.changing import asks_and_does, change_keys, form_of
from tokens.models import ADDRESS_LENGTH, LONGEST_DAYS, BusAddress, BusUse

TAB = {"tab": "integration"}
BOUNDED = {
    "required": gettext_lazy("Write a number."),
    "invalid": gettext_lazy("Write a whole number."),
    "min_value": gettext_lazy("Write %(limit_value)s or more."),
    "max_value": gettext_lazy("Write %(limit_value)s or less."),
}


@group_page()
@require_GET
def bus(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """What is registered and set, the address to frame with a sample, and how many sign-ins go on."""
    group = membership.group
    addresses = list(group.bus_addresses.order_by("address"))
    context = TAB | {
        "origins": [row for row in addresses if row.use == BusUse.ORIGIN],
        "redirects": [row for row in addresses if row.use == BusUse.REDIRECT],
        "terms": terms_of(group),
        "live": live_families(group).count(),
        "bus_url": bus_url(group),
        "sso_url": f"{settings.PORTAL_URL}{reverse('bus_sso')}?group={group.pk}&redirectUrl=…",
        "sample": _sample(group),
    }
    return show(request, membership, "tokens/bus_page.html", context)


def bus_url(group: Group) -> str:
    """The address that a host frames."""
    return f"{settings.PORTAL_URL}{reverse('bus')}?group={group.pk}"


def _sample(group: Group) -> str:
    told = {"bus_url": bus_url(group), "origin": origin_of(settings.PORTAL_URL)}
    return render_to_string("tokens/samples/bus.txt", told).strip()


# --- Addresses -------------------------------------------------------------------------------------------------------


class BusAddressForm(forms.Form):
    """An origin, or an address for codes."""

    use = forms.ChoiceField(
        label=gettext_lazy("What it is for"),
        choices=[
            (BusUse.ORIGIN.value, gettext_lazy("An origin: its pages may frame the bus and talk to it")),
            (BusUse.REDIRECT.value, gettext_lazy("An address that codes may be sent to")),
        ],
        initial=BusUse.ORIGIN.value,
        widget=forms.RadioSelect,
    )
    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=ADDRESS_LENGTH,
        help_text=gettext_lazy(
            "It is compared letter by letter. An origin is like https://crm.example.com, without anything behind it; "
            "an address for codes like https://crm.example.com/signed-in."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
    )


@change_keys
@asks_and_does
def new_address(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Register an origin or an address for codes."""
    form = form_of(BusAddressForm, request)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = add_address(
                membership.group, **form.cleaned_data, by=membership.actor, caller=caller_of(request)
            )
        except Refused as refused:
            audit.record_refusal(refused, caller=caller_of(request))
            form.add_error(refused.refusal.field or None, refused.refusal.message)
            status = refused.refusal.status
        else:
            messages.success(request, _("%(address)s was added.") % {"address": made.address})
            return _back(membership)
    return show(request, membership, "tokens/bus_address.html", TAB | {"form": form}, status=status)


@change_keys
@asks_and_does
def remove_address(request: HttpRequest, membership: Membership, bus_address_id: str) -> HttpResponseBase:
    """Take an origin or an address for codes off its list; asks first."""
    address = get_object_or_404(BusAddress, group=membership.group, pk=bus_address_id)
    address.group = membership.group
    names = {"address": address.address}
    if request.method == "POST":
        remove(address, by=membership.actor, caller=caller_of(request))
        messages.success(request, _("%(address)s was removed.") % names)
        return _back(membership)
    if address.use == BusUse.ORIGIN:
        text = _(
            "Pages of this origin can no longer open the bus. Those that are open get nothing from it any more, and "
            "what they were given is not renewed."
        )
    else:
        text = _("No code is sent to this address any more. Agents who are signed in there stay so.")
    context = TAB | {
        "title": _("Remove %(address)s?") % names,
        "text": text,
        "button": _("Remove it"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": reverse("bus_page", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", context)


# --- What it gives out -----------------------------------------------------------------------------------------------


class BusSettingsForm(forms.Form):
    """What the bus gives out from now on."""

    refresh_hours = forms.IntegerField(
        label=gettext_lazy("Hours until an agent must sign in again"),
        min_value=1,
        max_value=24 * LONGEST_DAYS,
        error_messages=BOUNDED
        | {"max_value": gettext_lazy("Write %(limit_value)s or less: that is 90 days.")},
        help_text=gettext_lazy("However often the bus renews what the host has. 12 is one long shift."),
    )
    gives_legacy_token = forms.BooleanField(
        label=gettext_lazy("Give one long-lived token instead"),
        required=False,
        help_text=gettext_lazy(
            "For software that cannot take a token that is renewed. Whoever copies it is the agent until its end, on "
            "any machine, and nothing tells the two apart. Leave it off wherever you can."
        ),
    )
    legacy_days = forms.IntegerField(
        label=gettext_lazy("Days that the long-lived token is worth something"),
        min_value=1,
        max_value=LONGEST_DAYS,
        error_messages=BOUNDED,
        help_text=gettext_lazy("It ends earlier when the agent is signed out, suspended or disabled."),
    )


@change_keys
@asks_and_does
def change(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Choose what the bus gives out; what was given out goes on as it was."""
    terms = terms_of(membership.group)
    form = form_of(BusSettingsForm, request)
    form.initial = {name: getattr(terms, name) for name in form.fields} | dict(form.initial)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_settings(
                membership.group, form.cleaned_data, by=membership.actor, caller=caller_of(request)
            )
        except Refused as refused:
            audit.record_refusal(refused, caller=caller_of(request))
            form.add_error(refused.refusal.field or None, refused.refusal.message)
            status = refused.refusal.status
        else:
            if changed:
                messages.success(request, _("Saved. What was given out before goes on as it was."))
            else:
                messages.info(request, _("Nothing was changed."))
            return _back(membership)
    return show(request, membership, "tokens/bus_settings.html", TAB | {"form": form}, status=status)


@change_keys
@asks_and_does
def end(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """End everything that the bus gave out; asks first."""
    if request.method == "POST":
        ended = end_all(membership.group, by=membership.actor, caller=caller_of(request))
        text = ngettext("%(number)d sign-in was ended.", "%(number)d sign-ins were ended.", ended)
        messages.success(request, text % {"number": ended})
        return _back(membership)
    live = live_families(membership.group).count()
    text = ngettext(
        "%(number)d sign-in over the bus ends. The software that shows it asks its agent to sign in again.",
        "%(number)d sign-ins over the bus end. The software that shows them asks its agents to sign in again.",
        live,
    )
    context: dict[str, Any] = TAB | {
        "title": _("End all sign-ins over the bus?"),
        "text": text % {"number": live},
        "items": [_("Agents stay signed in where they came by another way.")],
        "button": _("End them all"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": reverse("bus_page", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", context)


def _back(membership: Membership) -> HttpResponseBase:
    return see_other(reverse("bus_page", args=[membership.group.pk]))
