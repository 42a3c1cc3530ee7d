"""Issuing: an agent who may enter a client gets a login token that works once."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from groups.entering import Entry, why_not_enter
from groups.models import AgentSession, Client
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import last_four
from sso_portal.lib.web import Caller
from tokens.models import LoginToken, PlatformKey, RelyingParty

ACTION = "login.issue"
PREFIX = "lt_"  # of login tokens


class CallContext(NamedTuple):
    """What the telephone system tells of a call. Claims for the CRM; nothing here decides anything."""

    did: str = ""  # dialled number
    cid: str = ""  # caller's number
    call_id: str = ""
    campaign_id: str = ""
    destination: str = ""  # where in the CRM, by name

    def for_audit(self) -> dict[str, str]:
        """What the audit log may keep of it: of telephone numbers the last four digits."""
        told = {"did": last_four(self.did), "cid": last_four(self.cid), "call_id": self.call_id[:64]}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class IssuedLogin:
    """A token that was issued: its row, its secret, and the client whose door it opens."""

    token: LoginToken
    secret: str
    client: Client


def issue(
    entry: Entry,
    *,
    kind: str,
    actor: str,
    caller: Caller,
    call: CallContext,
    session: AgentSession | None = None,
    platform_key: PlatformKey | None = None,
    issued_to: RelyingParty | None = None,
    terms: dict[str, Any] | None = None,
    departments: Collection[int] | None = None,
    campaigns: Collection[int] | None = None,
    details: dict[str, Any] | None = None,
) -> IssuedLogin:
    """Issue a login token with its audit event, in one transaction, if the agent may enter.

    `departments` and `campaigns` narrow the login (None: all that are granted when it is redeemed); `issued_to` is the
    one relying party that may redeem it (None: any of the client's), `terms` what the dialect binds it to. Raises
    Refused with the reason of `why_not_enter`.
    """
    refusal = why_not_enter(entry, departments=departments, campaigns=campaigns)
    client = entry.client
    if refusal or client is None:
        assert refusal is not None  # noqa: S101  (no client, no entitlement: refused above)
        about = {
            "actor": actor,
            "group": entry.agent.group,
            "client": client or entry.asked,
            "agent": entry.agent,
        }
        raise Refused(refusal, {"action": ACTION} | about)
    secret = new_secret(PREFIX)
    told = {"kind": str(kind), "call": call.for_audit()} | ({"session": session.sid} if session else {})
    with transaction.atomic():
        token = LoginToken.objects.create(
            digest=digest_of(secret),
            kind=kind,
            agent=entry.agent,
            group=entry.agent.group,
            client=client,
            session=session,
            platform_key=platform_key,
            issued_to=issued_to,
            terms=terms or {},
            departments=None if departments is None else sorted(departments),
            campaigns=None if campaigns is None else sorted(campaigns),
            did=call.did,
            cid=call.cid,
            call_id=call.call_id,
            campaign_id=call.campaign_id,
            destination=call.destination,
            expires_at=Now() + settings.LOGIN_TOKEN_LIFETIME,
        )
        audit.record(
            ACTION,
            caller=caller,
            actor=actor,
            group=entry.agent.group,
            client=client,
            agent=entry.agent,
            about=f"token:{token.trace}",
            details=told | (details or {}),
        )
    return IssuedLogin(token, secret, client)
