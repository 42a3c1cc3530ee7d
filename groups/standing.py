"""An agent's standing: what lets him in or keeps him out, on every node from the next request on."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast, Now

from accounts import audit, lockout
from groups import second_factors
from groups.models import (
    Agent,
    AgentQuerySet,
    AgentSession,
    AgentStatus,
    EndReason,
    Group,
)
from groups.signing_in import FACTOR_METHOD
from sso_portal.lib.secrets import canonical_code, digest_of, new_readable_code
from sso_portal.lib.web import Caller

ACTS = {
    AgentStatus.ACTIVE: "agent.enable",
    AgentStatus.SUSPENDED: "agent.suspend",
    AgentStatus.DISABLED: "agent.disable",
}
# Of many agents, only these change: suspending a list must not bring back who has left.
CHANGED_BY = {
    AgentStatus.ACTIVE: {AgentStatus.SUSPENDED, AgentStatus.DISABLED},
    AgentStatus.SUSPENDED: {AgentStatus.ACTIVE},
    AgentStatus.DISABLED: {AgentStatus.ACTIVE, AgentStatus.SUSPENDED},
}
AT_ONCE = 1000  # rows that one statement names
T = TypeVar("T")


def sign_out(session: AgentSession, *, caller: Caller) -> None:
    """End the session that the agent leaves, or the one that renewed it meanwhile."""
    with transaction.atomic():
        if AgentSession.objects.end_all_of(session, EndReason.SIGNED_OUT):
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


def end_session(agent: Agent, sid: str, *, by: str, caller: Caller) -> bool:
    """End one session of an agent; whether it was still open."""
    with transaction.atomic():
        ended = agent.sessions.filter(sid=sid).end(EndReason.ENDED)
        if ended:
            _record("agent.end_sessions", agent, by, caller, about=sid, sessions=ended)
    return bool(ended)


def end_sessions_of_ended(agents: Sequence[Agent]) -> None:
    """End every session of those of these agents whose end date has come. In a transaction.

    Also before that date is put off, or what they were given before it would be worth something again.
    """
    for some in batches([agent for agent in agents if agent.has_ended()]):
        AgentSession.objects.filter(agent__in=some).end(EndReason.STOPPED)


def end_sessions_of_group(group: Group) -> int:
    """End every session of a group that is switched off; how many. In a transaction."""
    return AgentSession.objects.filter(agent__group=group).end(EndReason.STOPPED)


def end_sessions_without_factor(group: Group) -> int:
    """End the sessions of a group that began without the second factor it demands now; how many. In a transaction."""
    sessions = AgentSession.objects.filter(agent__group=group).annotate(shown=Cast("methods", TextField()))
    return sessions.exclude(shown__contains=f'"{FACTOR_METHOD}"').end(EndReason.ENDED)


def unlock(agent: Agent, *, by: str, caller: Caller) -> None:
    """Let an agent whom wrong passwords locked try again."""
    with transaction.atomic():
        lockout.forget(door=agent.group.door, name=agent.username_key)
        second_factors.forget_tries(agent)
        _record("agent.unlock", agent, by, caller)


def give_activation_code(agent: Agent, *, by: str, caller: Caller) -> str:
    """A new code with which the agent signs in once, within a day, to choose a password; the old code is void.

    Returned once, kept as a digest.
    """
    code = new_readable_code()
    with transaction.atomic():
        _keep_code(agent, code)
        _record("agent.give_activation_code", agent, by, caller)
    return code


def remove_factors(agent: Agent, *, by: str, caller: Caller) -> bool:
    """Forget the agent's authenticator app and passkeys, which he has lost; whether there were any.

    Ends his sessions, which they had let in: whoever found the telephone may sit in one.
    """
    with transaction.atomic():
        kinds = second_factors.remove_all(agent)
        second_factors.forget_tries(agent)
        if kinds:
            agent.sessions.end(EndReason.ENDED)
            _record("agent.remove_factor", agent, by, caller, factors=kinds)
    return bool(kinds)


def set_password(agent: Agent, password: str, *, by: str, caller: Caller) -> None:
    """Give an agent a password that he must change at his next sign-in; ends his sessions. For operators' scripts."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent.pk).update(password=make_password(password), must_choose_password=True)
        agent.sessions.end(EndReason.PASSWORD)
        _record("agent.set_password", agent, by, caller)


# --- Many at once ------------------------------------------------------------------------------------------------


def act_on_all(agents: AgentQuerySet, *, expected: int, act: Callable[[list[Agent]], T]) -> T | None:
    """Do something to all of these agents in one transaction, in which nobody else changes them.

    None, and nothing is done, when they are no longer as many as `expected`.
    """
    with transaction.atomic():
        found = list(agents.select_for_update(of=("self",)).order_by("pk"))
        return act(found) if len(found) == expected else None


def set_status_of_many(
    agents: Sequence[Agent], status: AgentStatus, *, group: Group, by: str, caller: Caller
) -> int:
    """Suspend, disable or enable those of a group's agents whom this changes; how many. See `set_status`."""
    changed = [agent for agent in agents if agent.status in CHANGED_BY[status]]
    with transaction.atomic():
        change(changed, status=status)
        for some in batches(changed):
            if status != AgentStatus.ACTIVE:
                AgentSession.objects.filter(agent__in=some).end(EndReason.STOPPED)
        audit.record_many(ACTS[status], caller=caller, actor=by, group=group, agents=changed)
    return len(changed)


def end_sessions_of_many(agents: Sequence[Agent], *, group: Group, by: str, caller: Caller) -> int:
    """End every session of these agents of a group; of how many agents there was one."""
    with transaction.atomic():
        signed_in: set[int] = set()
        for some in batches(agents):
            sessions = AgentSession.objects.open().filter(agent__in=some)
            signed_in.update(sessions.values_list("agent", flat=True))
            AgentSession.objects.filter(agent__in=some).end(EndReason.ENDED)
        ended = [agent for agent in agents if agent.pk in signed_in]
        audit.record_many("agent.end_sessions", caller=caller, actor=by, group=group, agents=ended)
    return len(ended)


def unlock_many(agents: Sequence[Agent], *, group: Group, by: str, caller: Caller) -> int:
    """Let those of a group's agents try again whom wrong passwords locked; how many."""
    unlocked = []
    with transaction.atomic():
        for some in batches(agents):
            names = [agent.username_key for agent in some]
            locked = lockout.locked_until(door=group.door, names=names)
            lockout.forget_many(door=group.door, names=locked)
            lockout.forget_many(door=second_factors.door_of(group), names=names)
            unlocked += [agent for agent in some if agent.username_key in locked]
        audit.record_many("agent.unlock", caller=caller, actor=by, group=group, agents=unlocked)
    return len(unlocked)


def give_activation_codes(
    agents: Sequence[Agent], *, group: Group, by: str, caller: Caller
) -> list[tuple[Agent, str]]:
    """A new activation code for each of a group's agents whom the doors let in. See `give_activation_code`."""
    given = [
        (agent, new_readable_code())
        for agent in agents
        if agent.status == AgentStatus.ACTIVE and not agent.has_ended()
    ]
    with transaction.atomic():
        for agent, code in given:
            _keep_code(agent, code)
        receivers = [agent for agent, _ in given]
        audit.record_many(
            "agent.give_activation_code", caller=caller, actor=by, group=group, agents=receivers
        )
    return given


def change(agents: Sequence[Agent], **fields: Any) -> None:
    """Write these fields of all these agents. In a transaction."""
    for some in batches(agents):
        Agent.objects.filter(pk__in=[agent.pk for agent in some]).update(**fields)


def batches(agents: Sequence[Agent]) -> Iterator[list[Agent]]:
    """The agents, as many at a time as one statement may name."""
    rest = iter(agents)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _keep_code(agent: Agent, code: str) -> None:
    Agent.objects.filter(pk=agent.pk).update(
        activation_digest=digest_of(canonical_code(code)),
        activation_expires_at=Now() + settings.ACTIVATION_CODE_LIFETIME,
    )


def _record(action: str, agent: Agent, by: str, caller: Caller, *, about: str = "", **details: Any) -> None:
    audit.record(
        action, caller=caller, actor=by, group=agent.group, agent=agent, about=about, details=details
    )
