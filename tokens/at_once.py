"""The usual pop, login by name and redemption, each in one statement (tokens/functions.py). None: nothing was done.

Whoever asks goes the plain path then, which does what is unusual, or finds out why not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from accounts import audit
from accounts.models import Outcome
from groups.entering import Grant
from groups.models import Client
from sso_portal.lib.metrics import count_event
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import Caller
from tokens.functions import BY_NAME, OF_CALL, POP, REDEEM
from tokens.issuing import ACTION as ISSUE
from tokens.issuing import PREFIX, CallContext
from tokens.logins import Login, Who
from tokens.models import Kind
from tokens.redeeming import ACTION as REDEMPTION


@dataclass(frozen=True)
class Issued:
    """A login that was issued: its secret, and what handing off must know of the client whose door it opens."""

    secret: str
    hand_off: str
    login_url: str
    name: str = ""
    further_origins: str = ""

    @property
    def client(self) -> Client:
        """The client, for a page that hands off to it."""
        return Client(
            name=self.name,
            hand_off=self.hand_off,
            login_url=self.login_url,
            further_origins=self.further_origins,
        )


@dataclass(frozen=True)
class Redeemed:
    """What a login said when it was spent, and when it had been issued."""

    login: Login
    issued_at: datetime


def pop(
    cookie: str, *, group_id: int, subdomain: str, call: CallContext, details: dict[str, Any], caller: Caller
) -> Issued | None:
    """Issue a login in the live session of this cookie."""
    secret = new_secret(PREFIX)
    details = {"kind": Kind.HAND_OFF.value, "call": call.for_audit(), **details}
    told = POP.did(
        digest_of(cookie),
        group_id,
        subdomain,
        *_token(secret, limit="pop", details=details),
        *_call(call),
        *_caller(caller),
    )
    if told is None:
        return None
    _count(ISSUE, caller)
    return Issued(secret, *told)


def issue_by_name(
    key: str,
    *,
    username: str,
    full_name: str,
    email: str,
    subdomain: str,
    departments: Sequence[int],
    campaigns: Sequence[int] | None,
    call: CallContext,
    caller: Caller,
) -> Issued | None:
    """Issue a login to the agent of this name in the group of a platform key.

    Nothing is done for an agent who is new, or of whom something else is told than is known.
    """
    secret = new_secret(PREFIX)
    told = BY_NAME.did(
        digest_of(key),
        canonical_name(username),
        full_name,
        email,
        subdomain,
        sorted(departments),
        None if campaigns is None else sorted(campaigns),
        *_token(secret, limit="platform", details={"call": call.for_audit()}),
        *_call(call),
        *_caller(caller),
    )
    if told is None:
        return None
    _count(ISSUE, caller)
    return Issued(secret, *told)


def redeem(secret: str, *, party: str, party_secret: str, caller: Caller) -> Redeemed | None:
    """Spend a hand-off, shown by the relying party with this id and secret: what it says."""
    told = REDEEM.did(party, digest_of(party_secret), digest_of(secret), *_caller(caller))
    if told is None:
        return None
    _count(REDEMPTION, caller)
    says = dict(zip(REDEEM.tells, told, strict=True))
    granted = frozenset(says["granted_departments"]), frozenset(says["granted_campaigns"])
    grant = Grant(*granted, has_every_campaign=says["has_every_campaign"])
    proved_at = says["proved_at"]
    login = Login(
        Who(says["subject"], says["username"], says["full_name"], says["email"]),
        {"id": says["group_id"], "code": says["group_code"], "name": says["group_name"]},
        says["subdomain"],
        grant.departments_of(says["departments"]),
        grant.campaigns_of(says["campaigns"]),
        CallContext(**{name: says[name] for name in OF_CALL}),
        says["methods"] or [],
        proved_at and datetime.fromisoformat(proved_at),
        says["sid"] or "",
    )
    return Redeemed(login, datetime.fromisoformat(says["issued_at"]))


def _token(secret: str, *, limit: str, details: dict[str, Any]) -> tuple[Any, ...]:
    """`OF_TOKEN`."""
    told = json.dumps(details)
    if "\\" in told:  # nothing else needs a second look: what JSON escapes is what may not be storable
        told = json.dumps(audit.storable_details(details))
    most = settings.LIMITS_PER_MINUTE[limit] if settings.RATE_LIMITS else None
    return digest_of(secret), settings.LOGIN_TOKEN_LIFETIME, most, told


def _call(call: CallContext) -> tuple[Any, ...]:
    """`OF_CALL`."""
    return call.did, call.cid, call.call_id, call.campaign_id, call.destination


def _caller(caller: Caller) -> tuple[Any, ...]:
    """`OF_CALLER`."""
    return caller.reference, caller.door, caller.address_text, audit.storable(caller.agent_header)


def _count(action: str, caller: Caller) -> None:
    """As `audit.count`; the statement was a transaction of its own, and is committed."""
    count_event(action=action, outcome=Outcome.OK.value, door=caller.door)
