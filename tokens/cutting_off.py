"""Cutting off at once: everything of one group or one client, or what was given out to everybody."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AdministratorSession
from groups.models import (
    Agent,
    AgentSession,
    Client,
    ClientSession,
    ClientSessionQuerySet,
    EndReason,
    Group,
    Invitation,
)
from sso_portal.lib.sql import be_patient
from sso_portal.lib.web import Caller
from tokens import credentials, keys
from tokens.models import (
    ApiCredential,
    ApiKey,
    BusCode,
    FamilyEnd,
    LoginToken,
    PersonToken,
    PlatformKey,
    RelyingPartySecret,
    SigningPair,
    TokenFamily,
    TokenFamilyQuerySet,
)

Ended = dict[str, int]  # what was ended, in words, and how many of it
PATIENCE = timedelta(minutes=1)


class How(StrEnum):
    """How far it goes; each includes the one before."""

    END_SESSIONS = "end_sessions"  # whoever is in is out, and may sign in again
    REVOKE = "revoke"  # software's keys are worth nothing any more, and neither are codes and invitations
    STOP = "stop"  # nobody is let in until `resume`


def cut_off_group(group: Group, *, how: How, by: str, caller: Caller) -> Ended:
    """End everything of one group, from the next request on, on every node; what was ended.

    Relying parties learn of the log-outs by the worker.
    """
    with _cutting_off(group, how=how, by=by, caller=caller) as ended:
        reason = EndReason.STOPPED if how == How.STOP else EndReason.ENDED
        ended |= {
            "agent sessions": AgentSession.objects.filter(agent__group=group).end(reason),
            "logins not redeemed yet": LoginToken.objects.filter(group=group).end(),
            "sign-ins at clients' systems and over the bus": _revoke(TokenFamily.objects.filter(group=group)),
            "codes of the message bus": BusCode.objects.filter(group=group).end(),
        }
        if how != How.END_SESSIONS:
            kinds = (PlatformKey, ApiKey)
            live = [key for kind in kinds for key in keys.keys_of(group, kind).live()]
            ended |= {
                "keys": sum(keys.revoke_key(key, by=by, caller=caller) for key in live),
                "activation codes": void_activation_codes(group),
                "open invitations": void_invitations(group),
            }
    return ended


def cut_off_client(client: Client, *, how: How, by: str, caller: Caller) -> Ended:
    """End everything at one client, from the next request on, on every node; what was ended.

    Agents stay signed in at the portal, for their other clients. A billing system's credential that serves other
    clients too goes on serving those.
    """
    with _cutting_off(client, how=how, by=by, caller=caller) as ended:
        ended |= {
            "logins not redeemed yet": LoginToken.objects.filter(client=client).end(),
            "agents' sign-ins at its systems": _revoke(TokenFamily.objects.filter(client=client)),
            "sessions of its own people": _open_sessions().filter(person__client=client).end(),
            "logins of its own people": PersonToken.objects.filter(client=client).end(),
        }
        if how != How.END_SESSIONS:
            ended |= _revoke_credentials(client, by=by, caller=caller)
    return ended


def resume(stopped: Group | Client, *, by: str, caller: Caller) -> bool:
    """Let a group's agents in again, or a client be entered; False when it was not stopped.

    What was revoked stays revoked.
    """
    with transaction.atomic():
        resumed = type(stopped).objects.filter(pk=stopped.pk, is_active=False).update(is_active=True)
        if resumed:
            _record(stopped, "resume", by=by, caller=caller)
    return bool(resumed)


def end_everything_given_out() -> Ended:
    """End every session, login, code and sign-in there is, administrators' too. In a transaction.

    Keys, passwords and second factors stay as they are: everybody may come again.
    """
    return {
        "agent sessions": AgentSession.objects.all().end(EndReason.ENDED),
        "administrator sessions": AdministratorSession.objects.all().delete()[0],
        "sessions of client people": _open_sessions().end(),
        "logins not redeemed yet": LoginToken.objects.all().end(),
        "logins of client people": PersonToken.objects.all().end(),
        "sign-ins at clients' systems and over the bus": _revoke(TokenFamily.objects.all()),
        "codes of the message bus": BusCode.objects.all().end(),
    }


def end_all_sessions(*, by: str, caller: Caller) -> Ended:
    """Sign everybody out, everywhere; what was ended."""
    with transaction.atomic():
        be_patient(10 * PATIENCE)
        ended = end_everything_given_out()
        audit.record("portal.end_sessions", caller=caller, actor=by, details=ended)
    return ended


def void_activation_codes(group: Group | None = None) -> int:
    """Make the activation codes that nobody used worthless, of one group or of all; how many."""
    agents = Agent.objects.exclude(activation_digest="")
    agents = agents.filter(group=group) if group else agents
    return agents.update(activation_digest="", activation_expires_at=None)


def void_invitations(group: Group | None = None) -> int:
    """Withdraw the invitations that nobody followed, of one group or of all; how many."""
    invitations = Invitation.objects.filter(spent_at=None)
    invitations = invitations.filter(group=group) if group else invitations
    return invitations.delete()[0]


@contextmanager
def _cutting_off(whom: Group | Client, *, how: How, by: str, caller: Caller) -> Iterator[Ended]:
    """One transaction in which a group or client is locked, and stopped if it is to be; what was ended is recorded."""
    ended: Ended = {}
    with transaction.atomic():
        be_patient(PATIENCE)
        type(whom).objects.select_for_update(no_key=True).get(pk=whom.pk)
        if how == How.STOP:
            type(whom).objects.filter(pk=whom.pk).update(is_active=False)
        yield ended
        _record(whom, how, by=by, caller=caller, details=ended)


def _record(whom: Group | Client, act: str, *, by: str, caller: Caller, details: Ended | None = None) -> None:
    if isinstance(whom, Group):
        audit.record(f"group.{act}", caller=caller, actor=by, group=whom, details=details)
    else:
        audit.record(f"client.{act}", caller=caller, actor=by, client=whom, details=details)


def _open_sessions() -> ClientSessionQuerySet:
    return ClientSession.objects.filter(ends_at__gt=Now())


def _revoke(families: TokenFamilyQuerySet) -> int:
    return families.live().revoke(FamilyEnd.REPLACED)


def _revoke_credentials(client: Client, *, by: str, caller: Caller) -> Ended:
    secrets = RelyingPartySecret.objects.live().filter(relying_party__client=client)
    pairs = SigningPair.objects.live().filter(relying_party__client=client)
    own, shared = 0, 0
    for credential in ApiCredential.objects.live().filter(clients=client):
        if credential.clients.count() == 1:
            own += credentials.revoke(credential, by=by, caller=caller)
        else:
            credential.clients.remove(client)
            shared += 1
    return {
        "secrets of its systems": _revoke_each(secrets, by=by, caller=caller),
        "signing pairs": _revoke_each(pairs, by=by, caller=caller),
        "credentials of billing systems": own,
        "credentials that now serve other clients only": shared,
    }


def _revoke_each(rows: Iterable[credentials.OfClient], *, by: str, caller: Caller) -> int:
    return sum(credentials.revoke(row, by=by, caller=caller) for row in rows)
