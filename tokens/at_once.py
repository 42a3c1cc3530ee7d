"""The usual pop, login by name and redemption, each in one statement (tokens/functions.py). None: nothing was done.

Whoever asks goes the plain path then, which does what is unusual, or finds out why not.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings

from accounts import audit
from accounts.models import Outcome
from groups.entering import Grant
from groups.models import Client
from sso_portal.lib.afterwards import counting
from sso_portal.lib.metrics import count_event
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import Caller
from tokens.functions import BY_NAME, POP, REDEEM
from tokens.issuing import ACTION as ISSUE
from tokens.issuing import PREFIX, CallContext
from tokens.logins import Login, Who
from tokens.models import Kind
from tokens.redeeming import ACTION as REDEMPTION


class Issued(NamedTuple):
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


class Redeemed(NamedTuple):
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
        *call,
        *_caller(caller),
    )
    if told is None:
        return None
    counting(_count, (ISSUE, caller.door))
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
        *call,
        *_caller(caller),
    )
    if told is None:
        return None
    counting(_count, (ISSUE, caller.door))
    return Issued(secret, *told)


def redeem(secret: str, *, party: str, party_secret: str, caller: Caller) -> Redeemed | None:
    """Spend a hand-off, shown by the relying party with this id and secret: what it says."""
    told = REDEEM.did(party, digest_of(party_secret), digest_of(secret), *_caller(caller))
    if told is None:
        return None
    counting(_count, (REDEMPTION, caller.door))
    # As REDEEM.tells has it.
    (subject, username, full_name, email, group_id, code, name, subdomain) = told[:8]
    (departments, campaigns, granted_departments, granted_campaigns, has_every_campaign) = told[8:13]
    (did, cid, call_id, campaign_id, destination, methods, proved_at, sid, issued_at) = told[13:]
    grant = Grant(frozenset(granted_departments), frozenset(granted_campaigns), has_every_campaign)
    login = Login(
        Who(subject, username, full_name, email),
        {"id": group_id, "code": code, "name": name},
        subdomain,
        grant.departments_of(departments),
        grant.campaigns_of(campaigns),
        CallContext(did, cid, call_id, campaign_id, destination),
        methods or [],
        proved_at and datetime.fromisoformat(proved_at),
        sid or "",
    )
    return Redeemed(login, datetime.fromisoformat(issued_at))


def _token(secret: str, *, limit: str, details: dict[str, Any]) -> tuple[Any, ...]:
    """`OF_TOKEN`."""
    lifetime = int(settings.LOGIN_TOKEN_LIFETIME.total_seconds())
    most = settings.LIMITS_PER_MINUTE[limit] if settings.RATE_LIMITS else None
    return digest_of(secret), lifetime, most, audit.storable_details(details)


def _caller(caller: Caller) -> tuple[Any, ...]:
    """`OF_CALLER`."""
    return caller.reference, caller.door, caller.address_text, audit.storable(caller.agent_header)


def _count(done: list[tuple[str, str]]) -> None:
    """As `audit.count`, of acts and doors; each statement was a transaction of its own, and is committed."""
    for (action, door), times in Counter(done).items():
        count_event(action=action, outcome=Outcome.OK.value, door=door, times=times)
