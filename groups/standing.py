"""An agent's standing: what lets him in or keeps him out, on every node from the next request on."""

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Now

from accounts import audit, lockout
from groups.models import Agent, AgentSession, AgentStatus, EndReason
from sso_portal.lib.secrets import canonical_code, digest_of, new_readable_code
from sso_portal.lib.web import Caller

ACTS = {
    AgentStatus.ACTIVE: "agent.enable",
    AgentStatus.SUSPENDED: "agent.suspend",
    AgentStatus.DISABLED: "agent.disable",
}


def sign_out(session: AgentSession, *, caller: Caller) -> None:
    """End the session that the agent leaves."""
    with transaction.atomic():
        if AgentSession.objects.filter(pk=session.pk).end(EndReason.SIGNED_OUT):
            _record("agent.sign_out", session.agent, f"agent:{session.agent.subject}", caller)


def set_status(agent: Agent, status: AgentStatus, *, by: str, caller: Caller) -> None:
    """Suspend or disable an agent, which ends his sessions in the same transaction, or let him in again."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(status=status)
        if status != AgentStatus.ACTIVE:
            agent.sessions.end(EndReason.STOPPED)
        _record(ACTS[status], agent, by, caller)
    agent.status = status


def end_sessions(agent: Agent, *, by: str, caller: Caller) -> int:
    """End every session of an agent, who may sign in again; how many."""
    with transaction.atomic():
        ended = agent.sessions.end(EndReason.ENDED)
        _record("agent.end_sessions", agent, by, caller, sessions=ended)
    return ended


def unlock(agent: Agent, *, by: str, caller: Caller) -> None:
    """Let an agent whom wrong passwords locked try again."""
    with transaction.atomic():
        lockout.forget(door=agent.group.door, name=agent.username_key)
        _record("agent.unlock", agent, by, caller)


def give_activation_code(agent: Agent, *, by: str, caller: Caller) -> str:
    """A new code with which the agent signs in once, within a day, to choose a password; the old code is void.

    Returned once, kept as a digest.
    """
    code = new_readable_code()
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(
            activation_digest=digest_of(canonical_code(code)),
            activation_expires_at=Now() + settings.ACTIVATION_CODE_LIFETIME,
        )
        _record("agent.give_activation_code", agent, by, caller)
    return code


def set_password(agent: Agent, password: str, *, by: str, caller: Caller) -> None:
    """Give an agent a password that he must change at his next sign-in; ends his sessions. For operators' scripts."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(password=make_password(password), must_choose_password=True)
        agent.sessions.end(EndReason.PASSWORD)
        _record("agent.set_password", agent, by, caller)


def _record(action: str, agent: Agent, by: str, caller: Caller, **details: int) -> None:
    audit.record(action, caller=caller, actor=by, group=agent.group, agent=agent, details=details)
