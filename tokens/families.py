"""Families of tokens: what grows from one sign-in is renewed, looked up and revoked here, for every dialect."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from accounts import audit
from groups.entering import Entry, entry_of, why_not_enter, why_not_work, with_entry
from groups.models import AgentSession, EndReason, now_of
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller
from tokens.models import AccessToken, FamilyEnd, RefreshToken, RelyingParty, TokenFamily
from tokens.redeeming import ALREADY_USED, Redemption

INVALID = Refusal("invalid_grant", "This token is unknown, expired, revoked or already used.", 400)


@dataclass(frozen=True)
class Tokens:
    """What one answer carries: secrets shown this once. `refresh` is "" where none is given."""

    access: str
    refresh: str
    access_lifetime: timedelta


@dataclass(frozen=True)
class Standing:
    """A family, and its agent before its client's door now."""

    family: TokenFamily
    entry: Entry


@dataclass(frozen=True)
class Renewed(Standing):
    """A family that goes on, with its next tokens."""

    tokens: Tokens


def start(redemption: Redemption, *, relying_party: RelyingParty, scope: str, nonce: str) -> TokenFamily:
    """Begin a family with a code that was just redeemed, which its session came with. In its transaction."""
    token, session = redemption.token, redemption.token.session
    assert session is not None  # noqa: S101  (a code is issued to a session)
    return TokenFamily.objects.create(
        relying_party=relying_party,
        agent=token.agent,
        group=token.group,
        client=token.client,
        session=session,
        login_token=token,
        scope=scope,
        nonce=nonce,
        sid=session.sid,
        methods=session.methods,
        authenticated_at=session.started_at,
        departments=token.departments,
        campaigns=token.campaigns,
        ends_at=Now() + timedelta(hours=relying_party.refresh_hours),
    )


def start_for_bus(session: AgentSession, *, lasts: timedelta) -> TokenFamily:
    """Begin a family of the message bus with this session of an agent. In a transaction."""
    return TokenFamily.objects.create(
        agent=session.agent,
        group=session.agent.group,
        session=session,
        sid=session.sid,
        methods=session.methods,
        authenticated_at=session.started_at,
        ends_at=Now() + lasts,
    )


def give(
    family: TokenFamily, *, refresh: bool, access_lifetime: timedelta = settings.ACCESS_TOKEN_LIFETIME
) -> Tokens:
    """The next tokens of a family, none of which outlives it. In a transaction."""
    access, renewal = new_secret(AccessToken.PREFIX), new_secret(RefreshToken.PREFIX) if refresh else ""
    AccessToken.objects.create(family=family, digest=digest_of(access), expires_at=Now() + access_lifetime)
    if refresh:
        end = Subquery(TokenFamily.objects.filter(pk=family.pk).values("ends_at"))
        RefreshToken.objects.create(family=family, digest=digest_of(renewal), expires_at=end)
    return Tokens(access, renewal, access_lifetime)


def renew(
    secret: str,
    *,
    relying_party: RelyingParty | None,
    caller: Caller,
    why_not: Callable[[TokenFamily], str] = lambda family: "",
) -> Renewed:
    """Spend a refresh token for the next tokens of its family, if its agent may still be let in.

    One that was spent before revokes its family, for one of the two who held it stole it. Another relying party's is
    not spent. `why_not` is asked what else speaks against it, for the audit log. Raises Refused, `invalid_grant`.
    """
    with transaction.atomic():  # spent, and written down, before anyone is answered
        found = _with_standing(RefreshToken.objects.filter(digest=digest_of(secret)), "family__").first()
        standing = _standing_of(found, found.family) if found else None
        why, tokens = "unknown", None
        if (
            found
            and standing
            and found.family.relying_party_id == (relying_party.pk if relying_party else None)
        ):
            won = RefreshToken.objects.unspent(secret).spend()
            why = "" if won else _why_not_won(found)
            why = why or why_not(found.family) or _why_not_go_on(standing)
            if why == ALREADY_USED:
                revoke(found.family, FamilyEnd.REUSED, actor=_actor(relying_party), caller=caller)
            elif not why:
                tokens = give(found.family, refresh=True)
        _record("login.refresh", secret, standing, relying_party, why=why, caller=caller)
    if standing is None or tokens is None:
        raise Refused(INVALID, recorded=True)
    return Renewed(standing.family, standing.entry, tokens)


def standing_of_access(secret: str) -> Standing | None:
    """The family of an access token, if it is worth something and its agent may still be let in."""
    found = _with_standing(AccessToken.objects.shown(secret), "family__").first()
    standing = _standing_of(found, found.family) if found else None
    return standing if standing and not _why_not_go_on(standing) else None


def standing_of_refresh(secret: str) -> Standing | None:
    """The family of a refresh token that could be spent now; it is not."""
    found = _with_standing(RefreshToken.objects.unspent(secret), "family__").first()
    standing = _standing_of(found, found.family) if found else None
    return standing if standing and not _why_not_go_on(standing) else None


def revoke(family: TokenFamily, reason: FamilyEnd, *, actor: str, caller: Caller) -> bool:
    """End a family with all its tokens; whether it went on until now. In a transaction."""
    ended = TokenFamily.objects.filter(pk=family.pk).revoke(reason)
    if ended:
        audit.record(
            "login.revoke",
            caller=caller,
            actor=actor,
            group=family.group,
            client=family.client,
            agent=family.agent,
            about=f"family:{family.pk}",
            details={"why": str(reason.label)},
        )
    return bool(ended)


T = TypeVar("T", bound=QuerySet[Any])


def _with_standing(tokens: T, path: str) -> T:
    related = ("relying_party", "session", "login_token", "client", "agent__group")
    rows = tokens.select_related(*(f"{path}{name}" for name in related))
    rows = with_entry(rows, client=OuterRef(f"{path}client"), agent=f"{path}agent", grant=True)
    return rows.annotate(now=ExpressionWrapper(Now(), output_field=DateTimeField()))


def _standing_of(row: Any, family: TokenFamily) -> Standing:
    family.now = row.now  # type: ignore[attr-defined]  # the database's clock, for `_why_not_go_on`
    asked = family.client.subdomain if family.client else ""
    return Standing(family, entry_of(row, agent=family.agent, asked=asked))


def _why_not_won(token: RefreshToken) -> str:
    """Why the claim did not win: it was spent, before it was looked at or since."""
    expired = token.redeemed_at is None and token.expires_at <= now_of(token)
    return "expired" if expired else ALREADY_USED


def _why_not_go_on(standing: Standing) -> str:
    """Why a family is worth nothing any more, for the audit log; "" when it is."""
    family, agent, session = standing.family, standing.entry.agent, standing.family.session
    if family.revoked_at or family.ends_at <= now_of(family):
        return "revoked" if family.revoked_at else "ended"
    if family.relying_party and not family.relying_party.is_active:
        return "relying party inactive"
    if family.group_id != agent.group_id:
        return "agent moved"
    if session and session.ended_at and session.end_reason != EndReason.RENEWED:
        return "session ended"
    if family.client is None:
        refusal = why_not_work(agent)
    else:
        refusal = why_not_enter(standing.entry, departments=family.departments, campaigns=family.campaigns)
    return (refusal.detail or refusal.code) if refusal else ""


def _actor(relying_party: RelyingParty | None) -> str:
    return relying_party.named if relying_party else "bus"


def _record(
    action: str,
    secret: str,
    standing: Standing | None,
    relying_party: RelyingParty | None,
    *,
    why: str,
    caller: Caller,
) -> None:
    family = standing.family if standing else None
    audit.record(
        action,
        caller=caller,
        actor=_actor(relying_party),
        refused_for=why and INVALID.code,
        group=family.group if family else None,
        client=family.client if family else relying_party.client if relying_party else None,
        agent=family.agent if family else None,
        about=f"token:{digest_of(secret)[:12]}",
        details={"why": why} if why else {},
    )
