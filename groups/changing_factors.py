"""How an agent changes his own second factors: in a session in which he has just shown all that signing in takes."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts import audit
from groups import second_factors
from groups.models import Agent, AgentSession, EndReason, now_of
from groups.passkeys import NotAccepted
from groups.second_factors import Shown
from groups.signing_in import FACTOR_METHOD
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

FRESH_FOR = timedelta(minutes=5)
LAST_ONE = Refusal(
    "last_factor",
    gettext_noop("Your group asks for a second factor. Add another before you remove this one."),
    409,
)
STALE = Refusal("stale_sign_in", gettext_noop("Please sign in again before you change this."), 403)


def is_fresh(session: AgentSession) -> bool:
    """Whether the agent showed password and second factor within the last five minutes. Needs `now`."""
    return FACTOR_METHOD in session.methods and now_of(session) - session.proved_at <= FRESH_FOR


def nonce_of(session: AgentSession, agent: Agent) -> str:
    """What proposals in this session are made of: another one once a factor was removed, so that none comes again."""
    return f"{session.digest} {agent.factor_removed_at}"


def add_factor(session: AgentSession, shown: Shown, *, caller: Caller) -> bool:
    """Take this as one more factor of the session's agent; whether it was accepted. Raises Refused (stale)."""
    with transaction.atomic():
        agent, about = _lock(session)
        try:
            second_factors.enrol(agent, shown, nonce=nonce_of(session, agent))
        except NotAccepted as refused:
            audit.record(
                "agent.enrol_factor",
                caller=caller,
                refused_for=f"wrong_{shown.word}",
                details=refused.for_audit(),
                **about,
            )
            return False
        audit.record("agent.enrol_factor", caller=caller, details=shown.for_audit(), **about)
    return True


def remove_factor(session: AgentSession, key: str, *, caller: Caller) -> bool:
    """Forget one factor of the session's agent; whether it was there. Raises Refused (stale, or the last one).

    Ends his other sessions: one of them may be with whoever has what he lost.
    """
    with transaction.atomic():
        agent, about = _lock(session)
        factors = second_factors.factors_of(agent)
        chosen = next((factor for factor in factors if factor.key == key), None)
        if chosen is None:
            return False
        if len(factors) == 1 and agent.group.needs_second_factor:
            raise Refused(LAST_ONE, {"action": "agent.remove_factor"} | about)
        chosen.row.delete()
        second_factors.note_removal(agent)
        agent.sessions.exclude(pk=session.pk).end(EndReason.SIGNED_OUT)
        details = {"factor": chosen.kind, "name": chosen.name}
        audit.record("agent.remove_factor", caller=caller, details=details, **about)
    return True


def _lock(session: AgentSession) -> tuple[Agent, dict[str, Any]]:
    """The agent, whose factors nobody else changes meanwhile, and what his event is about. Raises Refused."""
    found = Agent.objects.select_related("group").select_for_update(of=("self",))
    agent = found.filter(pk=session.agent_id).working().first()
    # Asked behind the lock: whoever removes his factors ends the session, and this one comes before it or after.
    is_open = AgentSession.objects.open().filter(pk=session.pk).exists()
    if agent is None or not is_open or not is_fresh(session):
        raise Refused(
            STALE, {"action": "agent.enrol_factor", "group": session.agent.group, "agent": session.agent}
        )
    return agent, {"actor": f"agent:{agent.subject}", "group": agent.group, "agent": agent}
