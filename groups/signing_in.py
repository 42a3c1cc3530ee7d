"""How an agent signs in: tries are counted before the password is looked at, and every "no" looks the same."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import alarms, audit, lockout, passwords
from groups import passkeys, password_profiles, second_factors
from groups.models import Agent, AgentSession, AgentStatus, EndReason, Group, new_sid
from groups.passkeys import NotAccepted
from groups.second_factors import Shown
from groups.targets import Target
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.secrets import canonical_code, digest_of, new_secret
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import Caller

WRONG = Refusal(
    "wrong_credentials",
    gettext_noop("This username and password do not match. Please check both and try again."),
    200,
)
PENDING_LIFETIME = timedelta(minutes=10)
PASSWORD_METHOD, ACTIVATION_METHOD, FACTOR_METHOD = "pwd", "otp", "mfa"  # amr values of RFC 8176
OF_A_FACTOR = {FACTOR_METHOD, passkeys.HARDWARE, passkeys.SOFTWARE}


@dataclass(frozen=True)
class SignedIn:
    """A session that has begun, and the secret for its cookie."""

    session: AgentSession
    secret: str


@dataclass(frozen=True)
class Pending:
    """The agent proved who he is, but a page comes before he is in. `pending` carries that proof onward."""

    agent: Agent
    pending: str


class MustChoosePassword(Pending):
    """He chooses a password before he goes on."""

    SALT = "agent.pending.password"  # one a page, so that no proof serves at the other


class MustShowFactor(Pending):
    """He shows his second factor before he goes on, or sets one up."""

    SALT = "agent.pending.factor"


@dataclass(frozen=True)
class Proof:
    """What an agent has proved so far, as `pending` carries it."""

    agent: Agent
    methods: list[str]
    nonce: str  # of this sign-in alone
    stamp: str  # of the agent, as he was then


def sign_in(
    *,
    group: Group,
    username: str,
    password: str,
    replaces: AgentSession | None,
    caller: Caller,
    target: Target | None = None,
    may_unlock: bool = True,
    instead_of: str = "",
) -> SignedIn | Pending:
    """Sign an agent in by username and password, or by username and activation code.

    `replaces` is the session that this browser had until now, ended or not (with `now`), `target` where it was going;
    with `may_unlock` an idle one spares him the second factor. For `instead_of` see `start_session`. Raises Refused:
    `too_many_requests` for an address that fails too often, where this browser was not this agent's before; else
    `wrong_credentials`, alike for an unknown, wrong, locked, disabled or foreign name.
    """
    name = canonical_name(username)
    is_counted = not _was_his(replaces, name=name, group=group)
    if is_counted:
        alarms.count_sign_in(door=group.door, caller=caller, action="agent.sign_in", group=group)
    agent = Agent.objects.select_related("group").filter(group=group, username_key=name).first()
    counted = {"door": group.door, "name": lockout.as_counted(name, is_known=agent is not None)}
    may_try = lockout.may_try(**counted)
    try:
        method = _proof_of(agent if may_try else None, password)
    except Refused:  # too many at once: this password was compared with nothing
        if may_try:
            lockout.give_back(**counted)
        if is_counted:
            alarms.give_back(door=group.door, caller=caller)
        raise
    if agent is None or (why := _why_not(agent, may_try=may_try, method=method)):
        alarms.note_failure(door=group.door, name=name, caller=caller, group=group)
        why = ("unknown" if may_try else "locked") if agent is None else why
        # Of an unknown name nothing is kept: people type passwords into the wrong field.
        details = {"why": why} | _pop_of(target)
        about = {"action": "agent.sign_in", "group": group, "agent": agent, "details": details}
        raise Refused(WRONG, about)
    lockout.forget(**counted)
    if is_counted:
        alarms.give_back(door=group.door, caller=caller)
    if method == ACTIVATION_METHOD or agent.must_choose_password:
        return MustChoosePassword(agent, _seal(agent, [method], salt=MustChoosePassword.SALT))
    with transaction.atomic():
        result = _go_on(
            agent,
            methods=[method],
            replaces=replaces,
            caller=caller,
            target=target,
            may_unlock=may_unlock,
            instead_of=instead_of,
        )
        if replaces is not None and not isinstance(result, SignedIn):
            _leave(replaces, agent)
        return result


def _was_his(replaces: AgentSession | None, *, name: str, group: Group) -> bool:
    """Whether the session that this browser had is of the agent who is named, whoever else fails at his address."""
    return replaces is not None and (replaces.agent.group_id, replaces.agent.username_key) == (group.pk, name)


def _leave(replaces: AgentSession, agent: Agent) -> None:
    """End what this browser had before this agent shows his factor; not his own open session, which goes on."""
    if replaces.agent_id != agent.pk:
        AgentSession.objects.end_all_of(replaces, EndReason.SWITCHED)
    elif replaces.ended_at is None and not replaces.is_open():
        AgentSession.objects.end_all_of(replaces, EndReason.PASSWORD)


def _go_on(
    agent: Agent,
    *,
    methods: list[str],
    replaces: AgentSession | None,
    caller: Caller,
    target: Target | None,
    may_unlock: bool,
    instead_of: str = "",
) -> SignedIn | Pending:
    """Begin the session, unless a second factor is missing. In a transaction.

    Unlocking asks for the password alone: this browser's session showed the factor when it began. Signing in again
    while a session is live, or because a relying party wants it, asks for both.
    """
    unlocked: AgentSession | None = None
    if second_factors.is_needed(agent) and FACTOR_METHOD not in methods:
        if replaces is None or not may_unlock or not _has_shown_factor(replaces, agent):
            return MustShowFactor(agent, _seal(agent, methods, salt=MustShowFactor.SALT))
        methods, unlocked = [*methods, *(each for each in replaces.methods if each in OF_A_FACTOR)], replaces
    return start_session(
        agent,
        methods=methods,
        replaces=replaces,
        caller=caller,
        target=target,
        unlocked=unlocked,
        instead_of=instead_of,
    )


def _has_shown_factor(session: AgentSession, agent: Agent) -> bool:
    """Whether unlocking this session spares this agent his second factor. Needs `now`."""
    was_shown = session.agent_id == agent.pk and FACTOR_METHOD in session.methods and session.is_idle()
    return was_shown and second_factors.has_one(agent)  # or it was removed meanwhile


def _proof_of(agent: Agent | None, password: str) -> str:
    """How the password proves the agent ("" when it does not). One hash is computed, whatever is known of him."""
    if passwords.verify(password, agent.password if agent else ""):
        return PASSWORD_METHOD
    is_code = (
        agent is not None
        and agent.activation_expires_at is not None
        and agent.activation_expires_at > timezone.now()
        and digest_of(canonical_code(password)) == agent.activation_digest
    )
    return ACTIVATION_METHOD if is_code else ""


def _why_not(agent: Agent, *, may_try: bool, method: str) -> str:
    """The private reason for the one public refusal; "" when there is none."""
    if not may_try:
        return "locked"
    if not method:
        return "wrong"
    if agent.status != AgentStatus.ACTIVE:
        return agent.status
    return "ended" if agent.has_ended() else ""


def start_session(
    agent: Agent,
    *,
    methods: list[str],
    replaces: AgentSession | None,
    caller: Caller,
    target: Target | None = None,
    unlocked: AgentSession | None = None,
    instead_of: str = "",
) -> SignedIn:
    """Begin a session, ending what it replaces and what the group's limit leaves no room for. In a transaction.

    It ends after the longest that the group allows; with the session that it `unlocked`, for the second factor which
    that one showed is not prolonged by passwords. Sessions whose sid is `instead_of` are about to end, and take no
    room. Raises Refused when the agent was stopped, or his password changed, since it was looked at.
    """
    group = agent.group
    # This row's lock also lets one sign-in at a time count the sessions there are.
    unchanged = Agent.objects.filter(pk=agent.pk, status=AgentStatus.ACTIVE, password=agent.password)
    if not unchanged.update(last_signed_in_at=Now(), last_address=caller.address_text):
        raise Refused(WRONG, {"action": "agent.sign_in", "group": group, "agent": agent})
    sid = _replace(replaces, agent) if replaces is not None else new_sid()
    kept = group.sessions_per_agent - 1
    others = agent.sessions.open().exclude(sid=instead_of) if instead_of else agent.sessions.open()
    used_least = others.order_by("-last_seen_at").values_list("pk", flat=True)
    AgentSession.objects.filter(pk__in=list(used_least[kept:])).end(EndReason.LIMIT)
    secret = new_secret("as_")
    session = AgentSession.objects.create(
        digest=digest_of(secret),
        sid=sid,
        agent=agent,
        methods=methods,
        idle_at=Now() + timedelta(minutes=group.idle_minutes),
        ends_at=unlocked.ends_at if unlocked else Now() + timedelta(hours=group.longest_session_hours),
        factor_shown_at=unlocked.proved_at if unlocked else None,
        address=caller.address_text,
        agent_header=caller.agent_header,
    )
    audit.record(
        "agent.sign_in",
        caller=caller,
        actor=f"agent:{agent.subject}",
        group=group,
        agent=agent,
        about=session.sid,
        details={"methods": methods} | _pop_of(target),
    )
    return SignedIn(session, secret)


def _replace(session: AgentSession, agent: Agent) -> str:
    """End the session that this browser had; the sid of the one that this agent begins instead. In a transaction.

    To relying parties a session that is renewed goes on, also when another tab was faster. One whose longest duration
    is over, or that an act ended, does not.
    """
    is_his = session.agent_id == agent.pk
    if is_his and AgentSession.objects.going_on_as(session).open().end(EndReason.RENEWED):
        return session.sid
    AgentSession.objects.end_all_of(session, EndReason.SIGNED_OUT if is_his else EndReason.SWITCHED)
    return new_sid()


def _pop_of(target: Target | None) -> dict[str, Any]:
    """For the event: which pop the agent signs in for, so that its trace can be put together."""
    return target.for_audit() if target else {}


def proof_in(pending: str, *, step: type[MustChoosePassword | MustShowFactor], group: Group) -> Proof | None:
    """What a `Pending` carried onward to this step; None once it has served, or after ten minutes."""
    try:
        subject, stamp, methods, nonce = signing.loads(pending, salt=step.SALT, max_age=PENDING_LIFETIME)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    agent = Agent.objects.select_related("group").filter(group=group, subject=subject).working().first()
    return Proof(agent, methods, nonce, stamp) if agent is not None and _stamp_of(agent) == stamp else None


def show_second_factor(
    proof: Proof, shown: Shown, *, replaces: AgentSession | None, caller: Caller, target: Target | None = None
) -> SignedIn | None:
    """Sign in an agent who proved his password by his second factor too, or take this as his from now on.

    None where it is not accepted: tries are counted apart from passwords, before anything is looked at. The proof
    serves once, so that the same answer of a passkey never does twice.
    """
    may_try = second_factors.may_try(proof.agent)
    about: dict[str, Any] = {"caller": caller, "actor": f"agent:{proof.agent.subject}"}
    about |= {"group": proof.agent.group, "agent": proof.agent}
    with transaction.atomic():
        try:
            if not may_try:
                raise NotAccepted("factor locked")
            agent = _lock(proof)
            if second_factors.has_one(agent):
                methods = [
                    *proof.methods,
                    *second_factors.take(agent, shown, nonce=proof.nonce),
                    FACTOR_METHOD,
                ]
            else:
                second_factors.enrol(agent, shown, nonce=proof.nonce)
                methods = [*proof.methods, FACTOR_METHOD]
                audit.record("agent.enrol_factor", details=shown.for_audit(), **about)
        except NotAccepted as refused:
            audit.record(
                "agent.second_factor", refused_for=f"wrong_{shown.word}", details=refused.for_audit(), **about
            )
            return None
        second_factors.forget_tries(agent)
        return start_session(agent, methods=methods, replaces=replaces, caller=caller, target=target)


def _lock(proof: Proof) -> Agent:
    """The agent, whom no other sign-in touches until this one is through. In a transaction.

    Raises NotAccepted for a proof that has served.
    """
    found = Agent.objects.select_related("group").select_for_update(of=("self",))
    agent = found.filter(pk=proof.agent.pk).working().first()
    if agent is None or _stamp_of(agent) != proof.stamp:
        raise NotAccepted("signed in meanwhile")
    return agent


def choose_password(
    agent: Agent,
    password: str,
    *,
    replaces: AgentSession | None,
    caller: Caller,
    target: Target | None = None,
    may_unlock: bool = True,
) -> SignedIn | Pending | None:
    """Set the password that the agent chose, spend his activation code, end all his sessions, and let him go on.

    The session of this browser ends too, so that nothing that was given out in it outlives the password; all that
    serves on is the second factor that it showed, if it waited to be unlocked and `may_unlock` says so. None when
    somebody else was faster, or the agent was stopped: one conditional update, and the row count decides.
    """
    method = ACTIVATION_METHOD if agent.activation_digest else PASSWORD_METHOD
    encoded = make_password(password)
    with transaction.atomic():
        chosen = Agent.objects.filter(
            pk=agent.pk,
            status=AgentStatus.ACTIVE,
            password=agent.password,
            activation_digest=agent.activation_digest,
        ).update(
            password=encoded,
            password_chosen_at=Now(),
            activation_digest="",
            activation_expires_at=None,
            must_choose_password=False,
        )
        if not chosen:
            return None
        password_profiles.remember(agent)
        agent.sessions.end(EndReason.PASSWORD)
        audit.record(
            "agent.choose_password",
            caller=caller,
            actor=f"agent:{agent.subject}",
            group=agent.group,
            agent=agent,
            details={"by": method},
        )
        agent.password, agent.activation_digest = encoded, ""
        return _go_on(
            agent,
            methods=[method],
            replaces=replaces,
            caller=caller,
            target=target,
            may_unlock=may_unlock,
        )


def _seal(agent: Agent, methods: list[str], *, salt: str) -> str:
    return signing.dumps([agent.subject, _stamp_of(agent), methods, new_secret()], salt=salt)


def _stamp_of(agent: Agent) -> str:
    """Changes with each sign-in, so that a proof serves once, and with what was proved or is to be. Of no key."""
    changing = (
        f"{agent.password} {agent.activation_digest} {agent.last_signed_in_at} {agent.factor_removed_at}"
    )
    return digest_of(f"agent.pending {changing}")[:16]
