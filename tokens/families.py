"""Families of tokens: what grows from one sign-in is renewed, looked up and revoked here, for every dialect."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from accounts import audit, lockout
from groups import second_factors
from groups.entering import Entry, entry_of, why_not_enter, why_not_work, with_entry
from groups.models import AgentSession, now_of
from groups.signing_in import FACTOR_METHOD
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller
from tokens.logins import Login, login_of_family
from tokens.models import (
    AccessToken,
    BusCode,
    FamilyEnd,
    LoginToken,
    RefreshToken,
    RelyingParty,
    TokenFamily,
)
from tokens.parties import actor_of, party_beside
from tokens.redeeming import ALREADY_USED, Redemption

INVALID = Refusal("invalid_grant", "This token is unknown, expired, revoked or already used.", 400)


@dataclass(frozen=True)
class Tokens:
    """What one answer carries: secrets shown this once. `refresh` is "" where none is given."""

    access: str
    refresh: str
    access_lifetime: timedelta
    scope: str  # of the access token


@dataclass(frozen=True)
class Standing:
    """One token of a family, and the family's agent before its client's door now."""

    token: AccessToken | RefreshToken
    family: TokenFamily
    entry: Entry
    session_is_over: bool

    @property
    def scope(self) -> str:
        """What may be asked with the token."""
        return self.token.scope if isinstance(self.token, AccessToken) else self.family.scope

    @property
    def login(self) -> Login | None:
        """What the family says now; None where it is not of one client."""
        client, grant = self.entry.client, self.entry.grant
        if client is None or grant is None:
            return None
        return login_of_family(self.family, self.entry, client, grant)


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
        authenticated_at=session.proved_at,
        departments=token.departments,
        campaigns=token.campaigns,
        ends_at=Now() + timedelta(hours=relying_party.refresh_hours),
    )


def start_for_bus(session: AgentSession, *, lasts: timedelta, code: BusCode | None = None) -> TokenFamily:
    """Begin a family of the message bus with this session of an agent, and with the code if one brought it.

    In a transaction, which is the one that spent the code.
    """
    return TokenFamily.objects.create(
        agent=session.agent,
        group=session.agent.group,
        session=session,
        bus_code=code,
        sid=session.sid,
        methods=session.methods,
        authenticated_at=session.proved_at,
        ends_at=Now() + lasts,
    )


def give(
    family: TokenFamily,
    *,
    refresh: bool,
    scope: str = "",
    access_lifetime: timedelta = settings.ACCESS_TOKEN_LIFETIME,
) -> Tokens:
    """The next tokens of a family. In a transaction.

    The access token may have a narrower `scope` than the family ("": the same).
    """
    access, renewal = new_secret(AccessToken.PREFIX), new_secret(RefreshToken.PREFIX) if refresh else ""
    scope = scope or family.scope
    AccessToken.objects.create(
        family=family, digest=digest_of(access), scope=scope, expires_at=Now() + access_lifetime
    )
    if refresh:
        end = Subquery(TokenFamily.objects.filter(pk=family.pk).values("ends_at"))
        RefreshToken.objects.create(family=family, digest=digest_of(renewal), expires_at=end)
    return Tokens(access, renewal, access_lifetime, scope)


def renew(
    secret: str,
    *,
    relying_party: RelyingParty | None,
    caller: Caller,
    scope: str = "",
    why_not: Callable[[TokenFamily], str] = lambda family: "",
) -> Renewed:
    """Spend a refresh token for the next tokens of its family, none of which outlives it, if its agent may go on.

    `scope` narrows the access token; the refresh token keeps the family's (RFC 6749, section 6). One that was spent
    before revokes its family, for one of the two who held it stole it. Another relying party's is not spent. `why_not`
    is asked what else speaks against it, for the audit log. Raises Refused, `invalid_grant`.
    """
    with transaction.atomic():  # spent, and written down, before anyone is answered
        found = _with_standing(RefreshToken.objects.filter(digest=digest_of(secret)), "family__").first()
        standing = _standing_of(found, found.family) if found else None
        why, tokens, ended = "unknown", None, False
        if (
            found
            and standing
            and found.family.relying_party_id == (relying_party.pk if relying_party else None)
        ):
            won = RefreshToken.objects.unspent(secret).spend()
            why = "" if won else _why_not_won(found)
            why = why or why_not(found.family) or _why_not_go_on(standing)
            if why == ALREADY_USED:
                ended = revoke(found.family, FamilyEnd.REUSED, actor=actor_of(relying_party), caller=caller)
            elif not why:
                left = found.family.ends_at - now_of(found.family)
                lifetime = min(settings.ACCESS_TOKEN_LIFETIME, left)
                tokens = give(found.family, refresh=True, scope=scope, access_lifetime=lifetime)
        if ended or _is_worth_an_event(why, relying_party=relying_party, caller=caller):
            _record("login.refresh", secret, standing, relying_party, why=why, caller=caller)
    if standing is None or tokens is None:
        raise Refused(INVALID, recorded=True)
    return Renewed(standing.token, standing.family, standing.entry, session_is_over=False, tokens=tokens)


def standing_of(secret: str) -> Standing | None:
    """An access or refresh token, if it is worth something and its agent may still be let in. It is not spent."""
    return (standing_of_refresh if secret.startswith(RefreshToken.PREFIX) else standing_of_access)(secret)


def standing_of_access(secret: str) -> Standing | None:
    """The family of an access token, if it is worth something and its agent may still be let in."""
    found = _with_standing(AccessToken.objects.shown(secret), "family__").first()
    standing = _standing_of(found, found.family) if found else None
    return standing if standing and not _why_not_go_on(standing) else None


def standing_of_digest(digest: str) -> Standing | None:
    """As `standing_of_access`, of a token that something else names by its digest."""
    tokens = AccessToken.objects.filter(digest=digest, revoked_at=None, expires_at__gt=Now())
    found = _with_standing(tokens, "family__").first()
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
        _record_revocation(family, f"family:{family.pk}", actor, caller, why=str(reason))
    return bool(ended)


def revoke_what_it_gave(
    code: LoginToken | BusCode, *, relying_party: RelyingParty | None, caller: Caller
) -> bool:
    """End the family of a code that was shown again, for one of the two who had it stole it. In a transaction.

    Looked up after the claim was lost, so that it is there however close the two were (RFC 6749, section 4.1.2).
    """
    family: TokenFamily | None = getattr(code, "family", None)
    if family is None or family.revoked_at:
        return False
    return revoke(family, FamilyEnd.REUSED, actor=actor_of(relying_party), caller=caller)


def give_back(secret: str, *, relying_party: RelyingParty, caller: Caller) -> bool:
    """Revoke what a relying party gives back: an access token alone, with a refresh token all of its family.

    Another's is left alone. Whether anything was revoked.
    """
    is_refresh = secret.startswith(RefreshToken.PREFIX)
    tokens: QuerySet[Any] = RefreshToken.objects.all() if is_refresh else AccessToken.objects.all()
    tokens = tokens.filter(digest=digest_of(secret), family__relying_party=relying_party)
    related = ("family__agent", "family__group", "family__client", "family__relying_party")
    found = tokens.select_related(*related).first()
    if found is None:
        return False
    with transaction.atomic():
        if is_refresh:
            return revoke(found.family, FamilyEnd.REVOKED, actor=actor_of(relying_party), caller=caller)
        ended = AccessToken.objects.filter(pk=found.pk, revoked_at=None).update(revoked_at=Now())
        if ended:
            about = f"token:{found.digest[:12]}"
            _record_revocation(found.family, about, actor_of(relying_party), caller, why="")
    return bool(ended)


T = TypeVar("T", bound=QuerySet[Any])


def _with_standing(tokens: T, path: str) -> T:
    related = ("relying_party", "login_token", "client", "group", "agent__group")
    rows = tokens.select_related(*(f"{path}{name}" for name in related))
    rows = with_entry(rows, client=OuterRef(f"{path}client"), agent=f"{path}agent", grant=True)
    return rows.annotate(
        now=ExpressionWrapper(Now(), output_field=DateTimeField()),
        # By its sid, which a session that renews another one keeps: the family goes on with it, and ends with it.
        session_is_over=Exists(AgentSession.objects.over().filter(sid=OuterRef(f"{path}sid"))),
    )


def _standing_of(row: Any, family: TokenFamily) -> Standing:
    family.now = row.now  # type: ignore[attr-defined]  # the database's clock, for `_why_not_go_on`
    asked = family.client.subdomain if family.client else ""
    entry = entry_of(row, agent=family.agent, asked=asked)
    return Standing(row, family, entry, session_is_over=row.session_is_over)


def _why_not_won(token: RefreshToken) -> str:
    """Why the claim did not win: it was spent, before it was looked at or since."""
    expired = token.redeemed_at is None and token.expires_at <= now_of(token)
    return "expired" if expired else ALREADY_USED


def _why_not_go_on(standing: Standing) -> str:
    """Why a family is worth nothing any more, for the audit log; "" when it is."""
    family, agent = standing.family, standing.entry.agent
    if family.revoked_at or family.ends_at <= now_of(family):
        return "revoked" if family.revoked_at else "ended"
    if family.relying_party and not family.relying_party.is_active:
        return "relying party inactive"
    if family.group_id != agent.group_id:
        return "agent moved"
    if standing.session_is_over:
        return "session ended"
    # A rule that became stricter holds for the bus at once: nobody comes past a page there that would ask for more.
    is_of_bus, has_factor = family.relying_party is None, FACTOR_METHOD in family.methods
    if is_of_bus and not has_factor and second_factors.is_needed(agent):
        return "second factor missing"
    if family.client is None:
        refusal = why_not_work(agent)
    else:
        refusal = why_not_enter(standing.entry, departments=family.departments, campaigns=family.campaigns)
    return (refusal.detail or refusal.code) if refusal else ""


def _is_worth_an_event(why: str, *, relying_party: RelyingParty | None, caller: Caller) -> bool:
    """Whether a renewal is written down: always, but for refusals that a stranger can have as often as he likes."""
    has_proved_itself = relying_party is not None and not relying_party.is_public
    if not why or (has_proved_itself and why != ALREADY_USED):
        return True
    return lockout.may_go_on(limit="recorded refusals", who=caller.address_text)


def _record_revocation(family: TokenFamily, about: str, actor: str, caller: Caller, *, why: str) -> None:
    audit.record(
        "login.revoke",
        caller=caller,
        actor=actor,
        group=family.group,
        client=family.client,
        agent=family.agent,
        about=about,
        details=({"why": why} if why else {}) | party_beside(actor, family.relying_party),
    )


def _record(
    action: str,
    secret: str,
    standing: Standing | None,
    relying_party: RelyingParty | None,
    *,
    why: str,
    caller: Caller,
) -> None:
    family, actor = standing.family if standing else None, actor_of(relying_party)
    audit.record(
        action,
        caller=caller,
        actor=actor,
        refused_for=why and INVALID.code,
        group=family.group if family else None,
        client=family.client if family else relying_party.client if relying_party else None,
        agent=family.agent if family else None,
        about=f"token:{digest_of(secret)[:12]}",
        details=({"why": why} if why else {}) | party_beside(actor, relying_party),
    )
