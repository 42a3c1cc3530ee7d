"""Whom a group's software is: the key that it shows, from an address on the group's list."""

from typing import Any, TypeVar

from sso_portal.lib.addresses import is_within, parse_networks
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.web import Caller
from tokens.models import AddressRule, CredentialQuerySet, GroupKey

K = TypeVar("K", bound=GroupKey)


def key_shown(keys: CredentialQuerySet[K], secret: str, *, caller: Caller, refusal: Refusal) -> K:
    """The live key with this secret, with its group, which lists the caller's address.

    Raises Refused with this one refusal, whatever was wrong: from a foreign address right and wrong keys look alike.
    """
    found = keys.select_related("group").shown(secret).first()
    if found is None:
        raise Refused(refusal, _about_ended(keys, secret))
    rules = AddressRule.objects.filter(group=found.group).values_list("network", flat=True)
    if not is_within(caller.address, parse_networks(list(rules))):
        about = {"actor": found.named, "group": found.group}
        raise Refused(refusal, about | {"details": {"detail": "address not on the list"}})
    return found


def _about_ended(keys: CredentialQuerySet[K], secret: str) -> dict[str, Any]:
    """For the audit log of its group: that a key which has ended is in use still. Of one that never was, nothing."""
    same: CredentialQuerySet[K] = (
        CredentialQuerySet(keys.model).select_related("group").filter(digest=digest_of(secret))
    )
    for ended in same:
        return {"group": ended.group, "about": ended.named, "details": {"detail": "key ended"}}
    return {}
