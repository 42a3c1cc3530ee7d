"""Credentials of clients' software: their secrets are made, rotated and revoked. (Groups' own keys: tokens/keys.py.)"""

import secrets
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import transaction
from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from groups.models import Client
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import new_secret
from sso_portal.lib.web import Caller
from tokens.keys import LONGEST_OVERLAP
from tokens.models import (
    ApiCredential,
    CredentialAddress,
    RelyingParty,
    RelyingPartySecret,
    SigningPair,
)

MOST_LIVE = 2  # the one in use, and the one that takes over

OfClient = RelyingPartySecret | SigningPair | ApiCredential
C = TypeVar("C", RelyingPartySecret, SigningPair, ApiCredential)


@dataclass(frozen=True)
class Made(Generic[C]):
    """A credential that was just made; the only place where its secrets are, each with what it is."""

    credential: C
    shown: list[tuple[str, str]]


def take_new_secrets(credential: OfClient) -> list[tuple[str, str]]:
    """Give a new credential its secrets, and say what there is to show of it, this once."""
    secret = new_secret(credential.PREFIX)
    credential.take(secret)
    if isinstance(credential, SigningPair):
        credential.shared_key = shared = new_secret()
        return [(_("API key"), secret), (_("Shared key"), shared)]
    if isinstance(credential, ApiCredential):
        credential.identifier = secrets.token_hex(16)
        return [(_("Identifier"), credential.identifier), (_("Secret"), secret)]
    return [(_("Client ID"), credential.relying_party.identifier), (_("Client secret"), secret)]


def live_beside(credential: OfClient) -> "QuerySet[OfClient]":
    """The live credentials that do the same as this one: of them there are two at most."""
    live: QuerySet[OfClient] = type(credential).objects.live().exclude(pk=credential.pk)
    if isinstance(credential, ApiCredential):
        return live.filter(name=credential.name)
    live = live.filter(relying_party=credential.relying_party_id)
    return live.filter(name=credential.name) if isinstance(credential, SigningPair) else live


def has_heir(credential: OfClient) -> bool:
    """Whether a newer one that does the same is live: then nobody need replace this one."""
    return live_beside(credential).filter(created_at__gt=credential.created_at).exists()


def why_not_another(credential: OfClient) -> str:
    """Why there may be no such credential beside those that are live; "" when there may. In a transaction."""
    if not isinstance(credential, ApiCredential):
        _lock(credential)
    if live_beside(credential).count() < MOST_LIVE:
        return ""
    return _("Two of these are live, as many as there may be. Revoke one of them first.")


def create_secret(party: RelyingParty, *, by: str, caller: Caller) -> Made[RelyingPartySecret]:
    """The first secret of a relying party that was just made. In its transaction."""
    made = RelyingPartySecret(relying_party=party)
    shown = take_new_secrets(made)
    made.save(force_insert=True)
    audit.record("secret.create", caller=caller, actor=by, client=party.client, about=made.named)
    return Made(made, shown)


def rotate(credential: C, *, by: str, caller: Caller) -> Made[C]:
    """A new credential that may do the same, live at once; the old one ends in a week, or earlier if it was to.

    Raises Refused with `two_live_keys`, or `key_ended` where there is nothing left to rotate.
    """
    about: dict[str, Any] = {
        "action": _action(credential, "rotate"),
        "actor": by,
        "client": _client_of(credential),
        "about": credential.named,
    }
    with transaction.atomic():
        _lock(credential)
        if not type(credential).objects.live().filter(pk=credential.pk).exists():
            raise Refused(Refusal("key_ended", _("This one has ended already."), 409), about)
        if live_beside(credential).exists():
            why = _("Another one is live beside it, which takes over from it already.")
            raise Refused(Refusal("two_live_keys", why, 409), about)
        heir, shown = _heir_of(credential)
        end = Now() + LONGEST_OVERLAP
        ends = Case(When(expires_at__lt=end, then=F("expires_at")), default=end)
        type(credential).objects.filter(pk=credential.pk).update(expires_at=ends)
        audit.record(**about, caller=caller, details={"new": heir.named})
    return Made(heir, shown)


def revoke(credential: OfClient, *, by: str, caller: Caller) -> bool:
    """Refuse a credential from the next call on, on every node; False when it was worth nothing any more."""
    with transaction.atomic():
        revoked = type(credential).objects.live().filter(pk=credential.pk).update(revoked_at=Now())
        if revoked:
            audit.record(
                _action(credential, "revoke"),
                caller=caller,
                actor=by,
                client=_client_of(credential),
                about=credential.named,
            )
    return bool(revoked)


def _heir_of(credential: C) -> tuple[C, list[tuple[str, str]]]:
    if isinstance(credential, RelyingPartySecret):
        heir: OfClient = RelyingPartySecret(relying_party=credential.relying_party)
    elif isinstance(credential, SigningPair):
        heir = SigningPair(relying_party=credential.relying_party, name=credential.name)
    else:
        heir = ApiCredential(name=credential.name)
    shown = take_new_secrets(heir)
    heir.save(force_insert=True)
    if isinstance(heir, ApiCredential) and isinstance(credential, ApiCredential):
        heir.clients.set(credential.clients.all())
        CredentialAddress.objects.bulk_create(
            CredentialAddress(credential=heir, network=rule.network, note=rule.note)
            for rule in credential.addresses.all()
        )
    return heir, shown  # type: ignore[return-value]  # of the credential's own class


def _lock(credential: OfClient) -> None:
    """Until the transaction ends, nobody else makes or rotates one beside it."""
    if isinstance(credential, ApiCredential):
        ApiCredential.objects.select_for_update(no_key=True).get(pk=credential.pk)
    else:
        RelyingParty.objects.select_for_update(no_key=True).get(pk=credential.relying_party_id)


def _client_of(credential: OfClient) -> Client | None:
    """The client whose software it is; None where it may be several clients'."""
    return None if isinstance(credential, ApiCredential) else credential.relying_party.client


def _action(credential: OfClient, verb: str) -> str:
    return f"{credential.named.partition(':')[0]}.{verb}"
