"""Redeeming: a login token is exchanged for what it says, once."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import audit, lockout
from groups.entering import Entry, Grant, entry_of, why_not_enter, with_entry
from groups.models import AgentSession, Client
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.web import Caller
from tokens.handoffs import remember
from tokens.models import Kind, LoginToken, RelyingParty
from tokens.parties import actor_of, party_beside

ACTION = "login.redeem"
ALREADY_USED = "already used"  # for the audit log
INVALID = Refusal("invalid_token", "This login token is unknown, expired or already used.", 400)


@dataclass(frozen=True)
class Redemption:
    """What a token said when it was spent."""

    token: LoginToken
    entry: Entry
    client: Client
    grant: Grant


@dataclass(frozen=True)
class Spent:
    """What came of showing a secret: the token it belongs to, if any, and why it is worth nothing ("" when it is)."""

    token: LoginToken | None
    entry: Entry | None
    why: str

    def redemption(self) -> Redemption:
        """What the token said. Raises Refused, `invalid_token`, which is recorded already."""
        token, entry = self.token, self.entry
        if self.why or token is None or entry is None or entry.client is None or entry.grant is None:
            raise Refused(INVALID, recorded=True)
        return Redemption(token, entry, entry.client, entry.grant)


def redeem(
    secret: str, *, kind: str = Kind.HAND_OFF, relying_party: RelyingParty | None = None, caller: Caller
) -> Redemption:
    """Spend a token and tell what it says, if its agent may still enter.

    A `HAND_OFF` is redeemed by a relying party of its client, an `ENTRANCE` by the portal itself. Raises Refused with
    `invalid_token`, and only that: which of the reasons it was stays in the audit log.
    """
    with transaction.atomic():  # spent, and written down, before anyone is answered
        spent = spend(secret, kind=kind, relying_party=relying_party, caller=caller)
    return spent.redemption()


def spend(
    secret: str,
    *,
    kind: str,
    relying_party: RelyingParty | None,
    caller: Caller,
    why_not: Callable[[LoginToken], str] = lambda token: "",
) -> Spent:
    """Spend a token and write it down. In a transaction, which is to be committed whatever came of it.

    `why_not` is asked about a token that was won: why its bearer may not have what it says, for the audit log. Such a
    token stays spent.
    """
    won = LoginToken.objects.claim(
        secret, kind=kind, relying_party=relying_party, address=caller.address_text
    )
    # What nobody won is only told of: whoever shows it again and again is not worth the long question.
    token = _with_entry(_tokens(secret)).first() if won else _tokens(secret).select_related("agent").first()
    entry = entry_of(token, agent=token.agent, asked=token.client.subdomain) if won and token else None
    why = "" if won and token and entry else _why_not_won(token, kind=kind, relying_party=relying_party)
    why = why or (why_not(token) if token else "") or _why_not_now(token, entry)
    if token or _may_record(relying_party, caller=caller):
        _record(secret, token, relying_party=relying_party, why=why, caller=caller)
    if token and not why:
        remember(token.session, relying_party)
    return Spent(token, entry, why)


def _may_record(relying_party: RelyingParty | None, *, caller: Caller) -> bool:
    """Whether one more token that nobody issued is written down: the log is not for strangers to fill."""
    if relying_party and not relying_party.is_public:
        return True
    return lockout.may_go_on(limit="recorded refusals", who=caller.address_text)


def _record(
    secret: str, token: LoginToken | None, *, relying_party: RelyingParty | None, why: str, caller: Caller
) -> None:
    actor = actor_of(relying_party, otherwise="portal")
    audit.record(
        ACTION,
        caller=caller,
        actor=actor,
        refused_for=why and INVALID.code,
        group=token.group if token else None,
        client=token.client if token else relying_party.client if relying_party else None,
        agent=token.agent if token else None,
        about=f"token:{digest_of(secret)[:12]}",
        details=({"why": why} if why else {}) | party_beside(actor, relying_party),
    )


def _tokens(secret: str) -> QuerySet[LoginToken]:
    return LoginToken.objects.filter(digest=digest_of(secret)).select_related("session", "group", "client")


def _with_entry(tokens: QuerySet[LoginToken]) -> QuerySet[LoginToken]:
    tokens = with_entry(tokens, client=OuterRef("client"), agent="agent", grant=True)
    # By its sid, which a session that renews another one keeps.
    over = AgentSession.objects.over().filter(sid=OuterRef("session__sid"))
    return tokens.annotate(session_is_over=Exists(over))


def _why_not_won(token: LoginToken | None, *, kind: str, relying_party: RelyingParty | None) -> str:
    """Why the claim did not win, for the audit log."""
    if token is None or token.kind != kind:
        return "unknown"
    if relying_party is not None and token.client_id != relying_party.client_id:
        return "another client's"
    if relying_party is not None and token.issued_to_id not in (None, relying_party.pk):
        return "another relying party's"
    return ALREADY_USED if token.redeemed_at else "expired"


def _why_not_now(token: LoginToken | None, entry: Entry | None) -> str:
    """Why a token that was won is worth nothing any more, for the audit log; "" when it is."""
    if token is None or entry is None:
        return "unknown"
    if token.group_id != entry.agent.group_id:
        return "agent moved"
    if token.session_is_over:  # type: ignore[attr-defined]  # by `_with_entry`
        return "session ended"
    refusal = why_not_enter(entry, departments=token.departments, campaigns=token.campaigns)
    return (refusal.detail or refusal.code) if refusal else ""
