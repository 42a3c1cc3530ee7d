"""Connecting an agent over the message bus: what the host of the bus may go on with, from his sign-in to its end."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from accounts import audit, lockout
from groups import standing
from groups.entering import why_not_work
from groups.models import Agent, AgentSession, AgentSessionQuerySet, EndReason, Group, now_of
from groups.networks import refuse_outside
from groups.signing_in import SignedIn, sign_in
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import Caller
from tokens import families
from tokens.families import Tokens
from tokens.models import AccessToken, BusCode, BusSettings, FamilyEnd, RefreshToken, TokenFamily
from tokens.redeeming import ALREADY_USED

CONNECT, REDEEM_CODE, ISSUE_CODE = "bus.connect", "bus.redeem_code", "bus.issue_code"
CODE_LIFETIME = timedelta(seconds=60)
INVALID_CODE = Refusal("invalid_code", "This code is unknown, expired, already used, or not for here.", 400)
INTERACTION_REQUIRED = Refusal(
    "interaction_required", "This agent must sign in on the portal's own page, which asks for more.", 403
)
TOO_OFTEN = Refusal("too_many_requests", "This sign-in is renewed too often. Wait, and see Retry-After.", 429)
NO_SESSION = Refusal("login_required", "No agent of this group is signed in at the portal.", 403)


@dataclass(frozen=True)
class Connected:
    """An agent whom the host may speak for now, and the secrets for it, shown this once."""

    agent: Agent
    family: TokenFamily
    tokens: Tokens
    ends_in: timedelta  # whatever is renewed meanwhile

    @property
    def is_legacy(self) -> bool:
        """Whether it is one long-lived token, which cannot be renewed."""
        return not self.tokens.refresh


def terms_of(group: Group) -> BusSettings:
    """How the group uses the bus. Asks the database unless `bus_settings` was selected with the group."""
    return getattr(group, "bus_settings", None) or BusSettings(group=group)


def connect_by_password(
    *, group: Group, typed: str, password: str, app: str, replaces: str, caller: Caller
) -> Connected:
    """Sign an agent in by username, or by an e-mail address that he alone has, as the group's own door does.

    `app` is what the host calls itself; `replaces` a token that it was given before, which ends now. Raises Refused as
    `sign_in` does, `outside_networks`, and `interaction_required` for whom the door would ask for more.
    """
    refuse_outside(group, caller=caller)
    username = _username_of(typed, group)
    held = _held_by(replaces, group=group)
    result = sign_in(
        group=group,
        username=username,
        password=password,
        replaces=None,
        caller=caller,
        instead_of=held.sid if held and _without_cookie(held).open().exists() else "",
    )
    if not isinstance(result, SignedIn):
        about = {"action": CONNECT, "group": group, "agent": result.agent}
        raise Refused(INTERACTION_REQUIRED, about | {"details": {"app": app}})
    session, terms = result.session, terms_of(group)
    with transaction.atomic():
        _release(held, caller=caller)
        # No cookie holds this session: it neither goes idle nor ends before what the host is given.
        end = Now() + _lasts(terms)
        AgentSession.objects.filter(pk=session.pk).update(has_cookie=False, idle_at=end, ends_at=end)
        return _begin(session, terms=terms, action=CONNECT, about=session.sid, app=app, caller=caller)


def connect_by_code(
    *, group: Group, code: str, redirect_url: str, app: str, replaces: str, caller: Caller
) -> Connected:
    """Exchange a code for what its session's agent goes on with, once; shown again, it ends what it gave.

    Raises Refused, `invalid_code`. A wrong address or another group does not use the code up.
    """
    with transaction.atomic():  # spent, and written down, before anyone is answered
        # Own columns only; see SpentOnceQuerySet.
        own = BusCode.objects.filter(group_id=group.pk)
        won = own.unspent(code).filter(redirect_url=redirect_url).spend()
        found = (
            _with_now(own.filter(digest=digest_of(code))).select_related("agent__group", "session").first()
        )
        why = _why_not_code(found, won=won)
        session = found.session if found else None
        if found and session and not why:
            _release(_held_by(replaces, group=group), keeps=session.sid, caller=caller)
            session.agent, about = found.agent, f"token:{found.trace}"
            return _begin(
                session,
                terms=terms_of(group),
                action=REDEEM_CODE,
                about=about,
                app=app,
                caller=caller,
                code=found,
            )
        if found and why == ALREADY_USED:
            families.revoke_what_it_gave(found, relying_party=None, caller=caller)
        if found:
            _record_refused_code(found, why=why, won=won, caller=caller)
    raise Refused(INVALID_CODE, {"action": REDEEM_CODE, "group": group}, recorded=found is not None)


def connect_by_session(session: AgentSession | None, *, group: Group, app: str, caller: Caller) -> Connected:
    """Let the host go on with the session that the browser carries (with its agent, group and `now`).

    Raises Refused, `login_required`, where that is none of this group's, or is none any more.
    """
    if session is None or is_anothers(session, group=group):
        raise Refused(NO_SESSION, {"action": CONNECT, "group": group})
    with transaction.atomic():
        return _begin(
            session, terms=terms_of(group), action=CONNECT, about=session.sid, app=app, caller=caller
        )


def go_on(refresh: str, *, group: Group, caller: Caller) -> Connected:
    """The next tokens for a refresh token, which is spent; one that was spent before ends them all.

    Raises Refused, `invalid_grant` or `too_many_requests`.
    """
    known = RefreshToken.objects.filter(
        digest=digest_of(refresh), family__group=group, family__relying_party=None
    )
    sid = known.values_list("family__sid", flat=True).first()
    about: dict[str, Any] = {"action": "login.refresh", "group": group}
    if sid is None:  # asked first: what nobody ever had is not worth an event each time
        raise Refused(families.INVALID, about | {"details": {"why": "unknown"}})
    if not lockout.may_go_on(limit="bus", who=sid):
        raise Refused(TOO_OFTEN, about, retry_after=60)
    renewed = families.renew(refresh, relying_party=None, caller=caller)
    family = renewed.family
    # Seen, so that it is not the session used least; not touched, for nobody sits there because of it.
    AgentSession.objects.filter(sid=family.sid, ended_at=None).update(last_seen_at=Now())
    left = family.ends_at - now_of(family)
    return Connected(renewed.entry.agent, family, renewed.tokens, left)


def disconnect(token: str, *, group: Group, caller: Caller) -> bool:
    """Sign the agent out whom this token was given for, refresh or legacy, spent or not; whether it was known."""
    family = _family_of(token, group=group)
    if family is None:
        return False
    with transaction.atomic():
        _revoke(family, caller=caller)
        # By its sid: the session may have been renewed since.
        session = AgentSession.objects.filter(sid=family.sid, ended_at=None, agent=family.agent).first()
        if session is not None:
            session.agent = family.agent
            standing.sign_out(session, caller=caller)
    return True


def issue_code(session: AgentSession, *, redirect_url: str, caller: Caller) -> str:
    """A code for this session's agent, worth one connection within a minute, at this address and in this group.

    Raises Refused where the agent is let in nowhere.
    """
    agent, secret = session.agent, new_secret("bc_")
    told: dict[str, Any] = {"actor": f"agent:{agent.subject}", "group": agent.group, "agent": agent}
    told["details"] = {"redirect_url": redirect_url, "session": session.sid}
    if refusal := why_not_work(agent):
        raise Refused(refusal, {"action": ISSUE_CODE} | told)
    with transaction.atomic():
        code = BusCode.objects.create(
            digest=digest_of(secret),
            agent=agent,
            group=agent.group,
            session=session,
            redirect_url=redirect_url,
            expires_at=Now() + CODE_LIFETIME,
        )
        audit.record(ISSUE_CODE, caller=caller, about=f"token:{code.trace}", **told)
    return secret


def is_anothers(session: AgentSession, *, group: Group) -> bool:
    """Whether this session says nothing for the bus of this group: idle, ended, of another group, or stopped."""
    agent = session.agent
    return not session.is_live() or agent.group_id != group.pk or why_not_work(agent) is not None


def _username_of(typed: str, group: Group) -> str:
    """The username of whom an e-mail address names; what was typed where it names nobody, or more than one.

    A username goes first: nobody is kept out by somebody else's address.
    """
    if "@" not in typed:
        return typed
    agents = list(group.agents.filter(email__iexact=typed).values_list("username", flat=True)[:2])
    if len(agents) != 1 or group.agents.filter(username_key=canonical_name(typed)).exists():
        return typed
    return agents[0]


def _lasts(terms: BusSettings) -> timedelta:
    if terms.is_legacy:
        return timedelta(days=terms.legacy_days)
    return timedelta(hours=terms.refresh_hours)


def _begin(
    session: AgentSession,
    *,
    terms: BusSettings,
    action: str,
    about: str,
    app: str,
    caller: Caller,
    code: BusCode | None = None,
) -> Connected:
    """Begin the family of this session, with its event. In a transaction."""
    agent, lasts = session.agent, _lasts(terms)
    family = families.start_for_bus(session, lasts=lasts, code=code)
    lifetime = lasts if terms.is_legacy else min(settings.ACCESS_TOKEN_LIFETIME, lasts)
    tokens = families.give(family, refresh=not terms.is_legacy, access_lifetime=lifetime)
    audit.record(
        action,
        caller=caller,
        actor=f"agent:{agent.subject}",
        group=agent.group,
        agent=agent,
        about=about,
        details={"app": app, "methods": session.methods, "legacy_token": terms.is_legacy or None},
    )
    return Connected(agent, family, tokens, lasts)


def _why_not_code(found: BusCode | None, *, won: bool) -> str:
    """Why a code is worth nothing, for the audit log; "" when it is."""
    if found is None:
        return "unknown"
    if not won:
        if found.redeemed_at:  # also after its minute: what it gave lasts longer
            return ALREADY_USED
        return "expired" if found.expires_at <= now_of(found) else "another address"
    session = found.session
    if session is None or session.is_over():
        return "session ended"
    if found.agent.group_id != found.group_id:
        return "agent moved"
    refusal = why_not_work(found.agent)
    return (refusal.detail or refusal.code) if refusal else ""


def _record_refused_code(code: BusCode, *, why: str, won: bool, caller: Caller) -> None:
    # A code that was spent just now is always told, and can be spent once: that is no way to fill the log.
    if not won and not lockout.may_go_on(limit="recorded refusals", who=caller.address_text):
        return
    audit.record(
        REDEEM_CODE,
        caller=caller,
        actor="bus",
        refused_for=INVALID_CODE.code,
        group=code.group,
        agent=code.agent,
        about=f"token:{code.trace}",
        details={"why": why},
    )


def _held_by(token: str, *, group: Group) -> TokenFamily | None:
    """What the host was given before; None where it shows nothing, or nothing known."""
    return _family_of(token, group=group) if token else None


def _release(family: TokenFamily | None, *, keeps: str = "", caller: Caller) -> None:
    """End what the host was given before, and the session behind it if no browser holds that. In a transaction.

    The session with the sid that it `keeps` goes on.
    """
    if family is None:
        return
    _revoke(family, caller=caller)
    _without_cookie(family).exclude(sid=keeps).end(EndReason.SWITCHED)


def _without_cookie(family: TokenFamily) -> AgentSessionQuerySet:
    return AgentSession.objects.filter(sid=family.sid, has_cookie=False)


def _revoke(family: TokenFamily, *, caller: Caller) -> None:
    families.revoke(family, FamilyEnd.SIGNED_OUT, actor=f"agent:{family.agent.subject}", caller=caller)


def _family_of(token: str, *, group: Group) -> TokenFamily | None:
    kind = RefreshToken if token.startswith(RefreshToken.PREFIX) else AccessToken
    rows = kind.objects.filter(digest=digest_of(token), family__group=group, family__relying_party=None)
    found = rows.select_related("family__agent__group", "family__group").first()
    return found.family if found else None


def _with_now(codes: Any) -> Any:
    return codes.annotate(now=ExpressionWrapper(Now(), output_field=DateTimeField()))
