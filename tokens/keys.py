"""Keys and address lists: what a group's software shows to be let in, and from where it may call."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import transaction
from django.db.models import Case, Expression, F, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.models import Event
from groups.models import Group
from sso_portal.lib.addresses import Network
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import new_secret
from sso_portal.lib.web import Caller
from tokens.issuing import ACTION as ISSUE
from tokens.models import AddressRule, CredentialQuerySet, GroupKey, LoginToken, PlatformKey

MOST_LIVE_KEYS = 2  # the one in use, and the one that takes over
LONGEST_OVERLAP = timedelta(days=7)
MOST_RULES = 100
K = TypeVar("K", bound=GroupKey)


@dataclass(frozen=True)
class NewKey(Generic[K]):
    """A key that was just made; the only place where its secret is."""

    key: K
    secret: str


@dataclass(frozen=True)
class LastUse:
    """When a key was last used, and from where, if that is known still."""

    at: datetime
    address: str


def keys_of(group: Group, kind: type[K]) -> CredentialQuerySet[K]:
    """The group's keys of this kind, live or over."""
    return CredentialQuerySet(kind).filter(group=group)


def create_key(
    group: Group, kind: type[K], *, name: str, by: str, caller: Caller, **allowed: Any
) -> NewKey[K]:
    """A new key of the group, which has two live ones of each kind at most. `allowed`: what else its row says.

    Raises Refused with `two_live_keys`; with `name_taken` where a live key has this name already, so that a form
    that is sent twice makes one key.
    """
    with transaction.atomic():
        live = _live_keys_of(group, kind)
        about: dict[str, Any] = {"action": "key.create", "actor": by, "group": group}
        if any(key.name.casefold() == name.casefold() for key in live):
            raise Refused(Refusal("name_taken", _name_taken(), 409, field="name"), about)
        return _add(kind(group=group, name=name, **allowed), live, about=about, caller=caller)


def has_heir(key: GroupKey) -> bool:
    """Whether a newer key of this name is live: then nobody need replace this one."""
    live = keys_of(key.group, type(key)).live()
    return live.filter(name=key.name, created_at__gt=key.created_at).exists()


def why_not_another(key: GroupKey) -> str:
    """Why this new key may not be made beside those that are live; "" when it may. In a transaction."""
    live = _live_keys_of(key.group, type(key))
    if any(other.name.casefold() == key.name.casefold() for other in live):
        return _name_taken()
    return _two_live_keys() if len(live) >= MOST_LIVE_KEYS else ""


def rotate_key(key: K, *, overlap: timedelta, by: str, caller: Caller) -> NewKey[K]:
    """A new key that is named and allowed the same, live at once; the old one ends after the overlap, or earlier.

    Raises Refused with `two_live_keys`, or `key_ended` where there is nothing left to rotate.
    """
    with transaction.atomic():
        live = _live_keys_of(key.group, type(key))
        about: dict[str, Any] = {"action": "key.rotate", "actor": by, "group": key.group, "about": key.named}
        if key not in live:
            raise Refused(_key_ended(), about)
        heir = type(key)(group=key.group, name=key.name, **key.allowed)
        new = _add(heir, live, about=about, caller=caller)
        end = _from_now(overlap)
        ends_at = _let_end(key, Case(When(expires_at__lt=end, then=F("expires_at")), default=end))
        audit.record(**about, caller=caller, details={"new": new.key.named, "ends_at": ends_at})
    return new


def end_key(key: GroupKey, *, after: timedelta, by: str, caller: Caller) -> None:
    """Let a live key end so much from now, whatever its end was; zero ends it at once.

    Raises Refused with `key_ended` where it has no end to set any more.
    """
    with transaction.atomic():
        about: dict[str, Any] = {
            "action": "key.change_end",
            "actor": by,
            "group": key.group,
            "about": key.named,
        }
        if key not in _live_keys_of(key.group, type(key)):
            raise Refused(_key_ended(), about)
        ends_at = _let_end(key, _from_now(after))
        audit.record(**about, caller=caller, details={"ends_at": ends_at})


def revoke_key(key: GroupKey, *, by: str, caller: Caller) -> bool:
    """Refuse a key from the next request on, on every node; False when it was none any more."""
    with transaction.atomic():
        revoked = keys_of(key.group, type(key)).live().filter(pk=key.pk).update(revoked_at=Now())
        if revoked:
            audit.record("key.revoke", caller=caller, actor=by, group=key.group, about=key.named)
    return bool(revoked)


def last_use_of(key: GroupKey) -> LastUse | None:
    """When a key was last used, and from where if that left an event; None for one that never was."""
    if key.last_used_at is None:
        return None
    if not isinstance(key, PlatformKey):  # most of what they ask for leaves none
        return LastUse(key.last_used_at, "")
    token = LoginToken.objects.filter(platform_key=key).order_by("-issued_at").first()
    about = f"token:{token.trace}" if token else "nothing"
    issued = Event.objects.filter(object=about, action=ISSUE).values_list("address", flat=True)
    return LastUse(key.last_used_at, issued.first() or "")


def add_rule(group: Group, *, network: Network, note: str, by: str, caller: Caller) -> AddressRule:
    """Let the group's software call from this network too.

    Raises Refused with `listed_already`, or `list_is_full`.
    """
    with transaction.atomic():
        Group.objects.select_for_update(no_key=True).get(pk=group.pk)
        rules = AddressRule.objects.filter(group=group)
        about: dict[str, Any] = {
            "action": "address_rule.add",
            "actor": by,
            "group": group,
            "about": f"network:{network}",
        }
        if rules.filter(network=str(network)).exists():
            why = _("%(network)s is on the list already.") % {"network": network}
            raise Refused(Refusal("listed_already", why, 409, field="network"), about)
        if rules.count() >= MOST_RULES:
            why = ngettext(
                "The list holds %(number)d network, as many as it may.",
                "The list holds %(number)d networks, as many as it may.",
                MOST_RULES,
            ) % {"number": MOST_RULES}
            raise Refused(Refusal("list_is_full", why, 409), about)
        rule = AddressRule.objects.create(group=group, network=str(network), note=note)
        audit.record(**about, caller=caller, details={"note": note} if note else None)
    return rule


def remove_rule(rule: AddressRule, *, by: str, caller: Caller) -> bool:
    """Take a network off the list; False when it was gone already."""
    with transaction.atomic():
        removed, _each = AddressRule.objects.filter(pk=rule.pk).delete()
        if removed:
            about = f"network:{rule.network}"
            audit.record("address_rule.remove", caller=caller, actor=by, group=rule.group, about=about)
    return bool(removed)


def _live_keys_of(group: Group, kind: type[K]) -> list[K]:
    """The group's live keys of this kind; until the transaction ends, nobody else makes or ends one.

    The lock lets logins through, which refer to the group.
    """
    Group.objects.select_for_update(no_key=True).get(pk=group.pk)
    return list(keys_of(group, kind).live())


def _add(key: K, live: list[K], *, about: dict[str, Any], caller: Caller) -> NewKey[K]:
    if len(live) >= MOST_LIVE_KEYS:
        raise Refused(Refusal("two_live_keys", _two_live_keys(), 409), about)
    secret = new_secret(key.PREFIX)
    key.take(secret)
    key.save()
    made = {"action": "key.create", "about": key.named}
    audit.record(**(about | made), caller=caller, details={"name": key.name} | key.allowed)
    return NewKey(key, secret)


def _from_now(after: timedelta) -> CombinedExpression:
    if not timedelta(0) <= after <= LONGEST_OVERLAP:
        raise ValueError(f"no key ends {after} from now")
    return Now() + after


def _let_end(key: GroupKey, end: Expression) -> str:
    """Set when a key ends, by the database's clock, and tell it (ISO 8601)."""
    keys_of(key.group, type(key)).filter(pk=key.pk).update(expires_at=end)
    key.refresh_from_db(fields=["expires_at"])
    return key.expires_at.isoformat(timespec="seconds") if key.expires_at else ""


def _name_taken() -> str:
    return _("A live key has this name already. Take another, so that the two can be told apart.")


def _two_live_keys() -> str:
    return _("Two keys are live, as many as there may be. End or revoke one of them first.")


def _key_ended() -> Refusal:
    return Refusal("key_ended", _("This key has ended already."), 409)
