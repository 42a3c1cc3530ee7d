"""The settings of a group: what it is called, how its agents sign in, from where, and how their pages look."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from accounts.fresh_factor import ask_for_second_factor, has_fresh_factor, kept_form
from groups.branding import brand_of, change_look, plate_of
from groups.changing_settings import CHANGED_MEANWHILE, change_settings, with_demands_of_profile
from groups.console.access import group_page, show
from groups.console.settings_forms import AccessForm, GroupForm, LookForm, NetworksForm, SectionForm
from groups.models import GroupLogo, Membership, Permission
from groups.password_statement import SUMMARIES, statement_of
from sso_portal.lib.addresses import is_within, parse_networks
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, see_other

SENSITIVE = ("access", "networks")  # they decide who can get in
SECTIONS: dict[str, type[SectionForm]] = {
    "group": GroupForm,
    "access": AccessForm,
    "networks": NetworksForm,
    "look": LookForm,
}


@group_page()
@require_GET
def group_settings(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The settings; forms for who may change them."""
    return _page(request, membership, {})


@group_page()
@require_GET
def statement(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """What the group demands of its agents' passwords and sessions, to be printed."""
    group = membership.group
    context = {
        "tab": "group_settings",
        "profile": group.get_password_profile_display(),
        "demands": statement_of(group),
        "now": timezone.now(),
    }
    return show(request, membership, "groups/settings_statement.html", context)


@group_page(Permission.MANAGE_SETTINGS)
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, membership: Membership, section: str) -> HttpResponseBase:
    """Change one section of the settings; its form again when something is wrong."""
    if section in SENSITIVE and not has_fresh_factor(request):
        return ask_for_second_factor(request)
    if request.method == "GET":
        typed = kept_form(request)
        if typed is None:
            return _to_settings(membership)
        return _page(
            request, membership, {section: SECTIONS[section](typed, group=membership.group, prefix=section)}
        )
    form = SECTIONS[section](request.POST, request.FILES, group=membership.group, prefix=section)
    if not form.is_valid():
        return _page(request, membership, {section: form})
    if section == "networks" and (asked := _ask_about_own_address(request, membership, form)):
        return asked
    try:
        told = _change(request, membership, section, form)
    except Refused as refused:
        if refused.refusal != CHANGED_MEANWHILE:
            raise
        audit.record_refusal(refused, caller=caller_of(request))
        messages.error(request, _(refused.refusal.message))
        return _to_settings(membership)
    messages.success(request, told)
    return _to_settings(membership)


def _change(request: HttpRequest, membership: Membership, section: str, form: SectionForm) -> str:
    """Do what the form asks for; what to tell."""
    shown, caller = form.cleaned_data["shown"], caller_of(request)
    if section == "look":
        change_look(
            colour=form.cleaned_data["colour"],
            logo=form.cleaned_data["logo"],
            remove_logo=bool(form.cleaned_data.get("remove_logo")),
            shown=shown,
            by=membership,
            caller=caller,
        )
        return _("Saved. The preview shows how the agents' pages look now.")
    asked = form.changes()
    wanted = with_demands_of_profile(asked) if section == "access" else asked
    changed = change_settings(wanted, shown=shown, by=membership, caller=caller)
    if wanted != asked:
        return _("Saved. The card industry profile set the second factor and the idle time with it.")
    return _("Saved.") if changed else _("Nothing was changed.")


def _ask_about_own_address(
    request: HttpRequest, membership: Membership, form: SectionForm
) -> HttpResponseBase | None:
    """A page that asks again when agents could not sign in from where the administrator sits; None when they can."""
    networks, address = form.cleaned_data["agent_networks"], caller_of(request).address
    if not networks or "confirmed" in request.POST or is_within(address, parse_networks(networks)):
        return None
    context = {
        "tab": "group_settings",
        "title": _("Agents could not sign in from here"),
        "text": _("You are at %(address)s, which is in none of these networks. Is that meant?")
        % {"address": address},
        "items": networks[:10],
        "more": max(0, len(networks) - 10),
        "hidden": [
            ("networks-agent_networks", " ".join(networks)),
            ("networks-shown", form.cleaned_data["shown"]),
            ("confirmed", "1"),
        ],
        "button": _("Yes, save these networks"),
        "action": request.path,
        "cancel_url": reverse("group_settings", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", context)


def _page(request: HttpRequest, membership: Membership, bound: dict[str, SectionForm]) -> HttpResponseBase:
    """The whole page, with the form that was sent in the place of its section's."""
    group = membership.group
    logo = GroupLogo.objects.filter(group=group).first()
    context: dict[str, Any] = {
        "tab": "group_settings",
        "profile": group.get_password_profile_display(),
        "profile_text": SUMMARIES[group.password_profile],  # type: ignore[index]  # the column's value is one
        "brand": brand_of(group),
        "has_plate": bool(logo and plate_of(bytes(logo.image), group.colour)),
        "address": caller_of(request).address_text,
        "sign_in_url": f"{reverse('agent_sign_in')}?group={group.pk}",
    }
    if membership.may(Permission.MANAGE_SETTINGS):
        context["forms"] = {
            name: bound.get(name) or form(group=group, prefix=name) for name, form in SECTIONS.items()
        }
    return show(request, membership, "groups/settings.html", context)


def _to_settings(membership: Membership) -> HttpResponseBase:
    return see_other(reverse("group_settings", args=[membership.group.pk]))
