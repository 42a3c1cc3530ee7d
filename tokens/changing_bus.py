"""What a group's owners change about its message bus: who may talk to it, and what it gives out."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import audit
from groups.models import AgentSession, EndReason, Group, PasswordProfile
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller
from tokens.models import BusAddress, BusSettings, BusUse, FamilyEnd, TokenFamily, why_not_address

MOST_ADDRESSES = 50  # of one use: all origins are in one header of each page
FIELDS = ("refresh_hours", "gives_legacy_token", "legacy_days")


def add_address(group: Group, *, use: str, address: str, by: str, caller: Caller) -> BusAddress:
    """Let pages of this origin talk to the bus, or codes be sent to this address.

    Raises Refused with `invalid_field`, `listed_already` or `list_is_full`.
    """
    about: dict[str, Any] = {"action": "bus.add_address", "actor": by, "group": group}
    about["details"] = {"use": use, "address": address}
    if why := why_not_address(address, origin=use == BusUse.ORIGIN):
        raise Refused(Refusal("invalid_field", why, 400, field="address"), about)
    with transaction.atomic():
        Group.objects.select_for_update(no_key=True).get(pk=group.pk)
        listed = BusAddress.objects.filter(group=group, use=use)
        if listed.filter(address=address).exists():
            raise Refused(
                Refusal("listed_already", _("It is on the list already."), 409, field="address"), about
            )
        if listed.count() >= MOST_ADDRESSES:
            why = ngettext(
                "The list holds %(number)d entry, as many as it may. Remove one first.",
                "The list holds %(number)d entries, as many as it may. Remove one first.",
                MOST_ADDRESSES,
            )
            raise Refused(Refusal("list_is_full", why % {"number": MOST_ADDRESSES}, 409), about)
        made = BusAddress.objects.create(group=group, use=use, address=address)
        audit.record(**about, caller=caller)
    return made


def remove_address(address: BusAddress, *, by: str, caller: Caller) -> bool:
    """Let nobody use this address any more, from the next request on; False when it was gone already."""
    with transaction.atomic():
        removed, _by_model = BusAddress.objects.filter(pk=address.pk).delete()
        if removed:
            details = {"use": address.use, "address": address.address}
            audit.record("bus.remove_address", caller=caller, actor=by, group=address.group, details=details)
    return bool(removed)


def change_settings(group: Group, changes: dict[str, Any], *, by: str, caller: Caller) -> dict[str, Any]:
    """What the bus gives out from now on; what changed, as {field: [old, new]}. What was given out stays as it is.

    Raises Refused, `invalid_field`, for long-lived tokens in a group with the card industry's rules.
    """
    if changes.get("gives_legacy_token") and group.password_profile == PasswordProfile.PCI:
        why = _("The card industry's password rules, which this group has, allow no long-lived token.")
        about: dict[str, Any] = {"action": "bus.change_settings", "actor": by, "group": group}
        raise Refused(Refusal("invalid_field", why, 400, field="gives_legacy_token"), about)
    with transaction.atomic():
        Group.objects.select_for_update(no_key=True).get(pk=group.pk)
        settings = BusSettings.objects.filter(group=group).first() or BusSettings(group=group)
        changed = {
            name: [getattr(settings, name), changes[name]]
            for name in FIELDS
            if name in changes and getattr(settings, name) != changes[name]
        }
        if changed:
            BusSettings.objects.update_or_create(
                group=group, defaults={name: new for name, (_old, new) in changed.items()}
            )
            audit.record("bus.change_settings", caller=caller, actor=by, group=group, details=changed)
    return changed


def live_families(group: Group) -> QuerySet[TokenFamily]:
    """What was given out by the bus of this group and goes on, as far as one query tells."""
    families = TokenFamily.objects.live().filter(group=group, relying_party=None)
    return families.exclude(session__in=AgentSession.objects.over().filter(agent__group=group))


def end_all(group: Group, *, by: str, caller: Caller) -> int:
    """End everything that the bus of this group gave out, and the sessions that no browser holds; how many there were.

    The agents may sign in again.
    """
    with transaction.atomic():
        families = live_families(group)
        held = AgentSession.objects.filter(pk__in=families.values("session"), has_cookie=False)
        sessions = list(held.values_list("pk", flat=True))
        ended = TokenFamily.objects.filter(pk__in=families.values("pk")).revoke(FamilyEnd.REPLACED)
        AgentSession.objects.filter(pk__in=sessions).end(EndReason.ENDED)
        audit.record("bus.end_all", caller=caller, actor=by, group=group, details={"sign_ins": ended})
    return ended
