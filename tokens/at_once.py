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
from groups.entering import Grant
from groups.models import Client
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
    told = POP.did(
        cookie_digest=digest_of(cookie),
        group_number=group_id,
        client_name=subdomain,
        **_token(secret, limit="pop", details={"kind": Kind.HAND_OFF, "call": call.for_audit()} | details),
        **_call(call),
        **_caller(caller),
    )
    if told is None:
        return None
    audit.count(ISSUE, door=caller.door)
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
        key_digest=digest_of(key),
        user_name=canonical_name(username),
        person_name=full_name,
        mail=email,
        client_name=subdomain,
        departments=sorted(departments),
        campaigns=None if campaigns is None else sorted(campaigns),
        **_token(secret, limit="platform", details={"call": call.for_audit()}),
        **_call(call),
        **_caller(caller),
    )
    if told is None:
        return None
    audit.count(ISSUE, door=caller.door)
    return Issued(secret, *told)


def redeem(secret: str, *, party: str, party_secret: str, caller: Caller) -> Redeemed | None:
    """Spend a hand-off, shown by the relying party with this id and secret: what it says."""
    told = REDEEM.did(
        party_name=party,
        secret_digest=digest_of(party_secret),
        token_digest=digest_of(secret),
        **_caller(caller),
    )
    if told is None:
        return None
    audit.count(REDEMPTION, door=caller.door)
    says = dict(zip(REDEEM.tells, told, strict=True))
    granted = frozenset(says["granted_departments"]), frozenset(says["granted_campaigns"])
    grant = Grant(*granted, has_every_campaign=says["has_every_campaign"])
    login = Login(
        Who(says["subject"], says["username"], says["full_name"], says["email"]),
        {"id": says["group_number"], "code": says["group_code"], "name": says["group_name"]},
        says["client_name"],
        grant.departments_of(_parsed(says["departments"])),
        grant.campaigns_of(_parsed(says["campaigns"])),
        CallContext(**{name: says[name] for name in OF_CALL}),
        _parsed(says["methods"]) or [],
        says["proved_at"],
        says["sid"] or "",
    )
    return Redeemed(login, says["issued_at"])


def _token(secret: str, *, limit: str, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "token_digest": digest_of(secret),
        "lifetime": settings.LOGIN_TOKEN_LIFETIME,
        "most": settings.LIMITS_PER_MINUTE[limit] if settings.RATE_LIMITS else None,
        "details": json.dumps(audit.storable_details(details)),
    }


def _call(call: CallContext) -> dict[str, str]:
    return {name: getattr(call, name) for name in OF_CALL}


def _caller(caller: Caller) -> dict[str, str]:
    return {
        "reference": caller.reference,
        "door": caller.door,
        "address": caller.address_text,
        "agent_header": audit.storable(caller.agent_header),
    }


def _parsed(told: str | None) -> Any:
    return None if told is None else json.loads(told)
