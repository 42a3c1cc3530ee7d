"""Redeeming what was issued to client companies' own people: once, whoever comes first, or for nothing at all."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts import audit
from groups.client_people import why_not_let_in
from groups.models import ClientSession, ClientSessionQuerySet, why_not_path
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller
from tokens.models import PersonToken, PersonUse, RelyingParty
from tokens.redeeming import ALREADY_USED, INVALID

OPEN, REDEEM, SIGN_OUT = "person.enter", "person.redeem", "person.sign_out"


@dataclass(frozen=True)
class Entered:
    """Somebody who came in: the token that let him in, and the secret of his new session, for his cookie."""

    token: PersonToken
    secret: str


def enter(secret: str, *, replaces: ClientSessionQuerySet, caller: Caller) -> Entered:
    """Spend an entrance and begin a session with it, in place of the one that the browser had before.

    The session saw no factor: software vouched for its person. Raises Refused with `invalid_token`, and only that.
    """
    cookie = new_secret("cs_")
    with transaction.atomic():  # spent, written down and begun, before anyone is answered
        claim = PersonToken.objects.unspent(secret).filter(use=PersonUse.ENTRANCE)
        won = claim.spend(redeemed_from=caller.address_text)
        token, why = _spent(secret, use=PersonUse.ENTRANCE, won=won)
        _record(OPEN, secret, token, actor="portal", client=None, why=why, caller=caller)
        if token is not None and not why:
            replaces.end()
            _begin(token, cookie, caller)
    if token is None or why:
        raise Refused(INVALID, recorded=True)
    return Entered(token, cookie)


def redeem_person(secret: str, *, relying_party: RelyingParty, caller: Caller) -> PersonToken:
    """Spend a hand-off of this relying party's client; the token, with its person, client and session.

    Raises Refused with `invalid_token`, and only that: which of the reasons it was stays in the audit log.
    """
    with transaction.atomic():
        # Own columns only: a filter across a relation would let two PostgreSQL sessions both win.
        claim = PersonToken.objects.unspent(secret).filter(
            use=PersonUse.HAND_OFF, client_id=relying_party.client_id
        )
        won = claim.spend(redeemed_by=relying_party, redeemed_from=caller.address_text)
        token, why = _spent(secret, use=PersonUse.HAND_OFF, won=won)
        if token and why != "unknown" and token.client_id != relying_party.client_id:
            why = "another client's"
        _record(
            REDEEM,
            secret,
            token,
            actor=relying_party.named,
            client=relying_party.client,
            why=why,
            caller=caller,
        )
    if token is None or why:
        raise Refused(INVALID, recorded=True)
    return token


def sign_out(sessions: ClientSessionQuerySet, *, caller: Caller) -> None:
    """End the session that is among these, if one is, with its audit event."""
    with transaction.atomic():
        session = sessions.filter(ended_at=None).first()
        if session is not None and sessions.end():
            audit.record(
                SIGN_OUT,
                caller=caller,
                actor=f"person:{session.person_id}",
                client=session.person.client,
                details={"person": session.person_id},
            )


def _begin(token: PersonToken, cookie: str, caller: Caller) -> None:
    ClientSession.objects.create(
        digest=digest_of(cookie),
        person=token.person,
        idle_at=Now() + settings.CLIENT_SESSION_IDLE,
        ends_at=Now() + settings.CLIENT_SESSION_LONGEST,
        address=caller.address_text,
        agent_header=caller.agent_header,
    )


def _spent(secret: str, *, use: str, won: bool) -> tuple[PersonToken | None, str]:
    """The token of this secret, and why it is worth nothing, for the audit log ("" when it is)."""
    tokens: QuerySet[PersonToken] = PersonToken.objects.filter(digest=digest_of(secret))
    token = tokens.select_related("person__client", "client", "session").first()
    if token is None or token.use != use:
        return token, "unknown"
    if not won:
        return token, ALREADY_USED if token.redeemed_at else "expired"
    return token, _why_not_now(token)


def _why_not_now(token: PersonToken) -> str:
    refusal = why_not_let_in(token.person)
    if refusal:
        return refusal.detail
    if token.person.client_id != token.client_id:
        return "person moved"
    if token.session and token.session.ended_at:
        return "session ended"
    return "no path" if why_not_path(token.path) else ""


def _record(
    action: str,
    secret: str,
    token: PersonToken | None,
    *,
    actor: str,
    client: Any,
    why: str,
    caller: Caller,
) -> None:
    details = {"person": token.person_id, "destination": token.destination} if token else {}
    audit.record(
        action,
        caller=caller,
        actor=actor,
        refused_for=why and INVALID.code,
        client=token.client if token else client,
        about=f"token:{digest_of(secret)[:12]}",
        details=details | ({"why": why} if why else {}),
    )
