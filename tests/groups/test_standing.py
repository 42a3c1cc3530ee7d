"""What lets an agent in or keeps him out, and the command that does it for scripts."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import Attempt, Event
from groups.models import Agent, AgentFactor, AgentSession, AgentStatus
from groups.standing import (
    act_on_all,
    end_session,
    end_sessions,
    end_sessions_of_group,
    end_sessions_of_many,
    give_activation_codes,
    remove_factors,
    set_password,
    set_status,
    set_status_of_many,
    sign_out,
    unlock,
    unlock_many,
)
from tests import factories

pytestmark = pytest.mark.django_db
CHOSEN = "seven purple lanterns"


@pytest.fixture
def sessions(agent):
    return factories.AgentSessionFactory.create_batch(2, agent=agent)


def ends() -> set[str]:
    return set(AgentSession.objects.values_list("end_reason", flat=True))


def test_sign_out_ends_one_session(sessions, caller):
    sign_out(sessions[0], caller=caller)

    assert ends() == {"signed_out", ""}


def test_group_that_is_switched_off_ends_its_sessions(sessions, group, other_group):
    factories.AgentSessionFactory(agent=factories.AgentFactory(group=other_group))

    assert end_sessions_of_group(group) == 2

    assert AgentSession.objects.get(ended_at=None).agent.group == other_group


def test_sign_out_of_a_session_that_ended_is_not_recorded(sessions, caller):
    sign_out(sessions[0], caller=caller)
    sign_out(sessions[0], caller=caller)

    assert Event.objects.filter(action="agent.sign_out").count() == 1


@pytest.mark.parametrize(
    ("status", "action"), [(AgentStatus.SUSPENDED, "agent.suspend"), (AgentStatus.DISABLED, "agent.disable")]
)
def test_stopping_an_agent_ends_his_sessions(agent, sessions, caller, status, action):
    set_status(agent, status, by="administrator:ada", caller=caller)

    assert Agent.objects.get().status == status
    assert ends() == {"stopped"}
    assert Event.objects.get(action=action).actor == "administrator:ada"


def test_enabling_an_agent_revives_no_session(agent, sessions, caller):
    set_status(agent, AgentStatus.DISABLED, by="test", caller=caller)
    set_status(agent, AgentStatus.ACTIVE, by="test", caller=caller)

    assert Agent.objects.get().status == "active"
    assert ends() == {"stopped"}


def test_stopping_an_agent_leaves_the_sessions_of_others(agent, group, caller):
    factories.AgentSessionFactory(agent=factories.AgentFactory(group=group))

    set_status(agent, AgentStatus.DISABLED, by="test", caller=caller)

    assert ends() == {""}


@pytest.mark.django_db(transaction=True)
def test_stopping_an_agent_that_cannot_be_recorded_does_nothing(agent, sessions, caller):
    unrecordable = replace(caller, door=None)  # the log wants to know the door

    with pytest.raises(IntegrityError):
        set_status(agent, AgentStatus.DISABLED, by="test", caller=unrecordable)

    assert Agent.objects.get().status == "active"
    assert ends() == {""}


def test_end_sessions_tells_how_many(agent, sessions, caller):
    assert end_sessions(agent, by="test", caller=caller) == 2
    assert ends() == {"ended"}
    assert Event.objects.get(action="agent.end_sessions").details == {"sessions": 2}


def test_unlock_forgets_the_failures(agent, lock, caller):
    lock(agent)

    unlock(agent, by="test", caller=caller)

    assert not Attempt.objects.locked().exists()
    assert Event.objects.filter(action="agent.unlock", agent=agent.subject).exists()


def test_unlock_leaves_a_namesake_locked(agent, other_group, lock, caller):
    lock(factories.AgentFactory(group=other_group, username="alice"))

    unlock(agent, by="test", caller=caller)

    assert Attempt.objects.locked().count() == 1


def test_set_password_ends_the_sessions(agent, sessions, caller):
    set_password(agent, CHOSEN, by="test", caller=caller)

    assert ends() == {"password"}
    assert Agent.objects.get().must_choose_password


def test_set_password_is_recorded_without_it(agent, caller):
    set_password(agent, CHOSEN, by="test", caller=caller)

    event = Event.objects.get(action="agent.set_password")
    assert CHOSEN not in str(event.details)


# --- manage.py agent ---------------------------------------------------------------------------------------------


@pytest.fixture
def command(agent, group):
    """Run `manage.py agent <group> alice <act>`; what it prints."""

    def run(*act: str, username: str = "alice", group_id: int = group.pk) -> str:
        out = StringIO()
        call_command("agent", str(group_id), username, *act, stdout=out)
        return out.getvalue().strip()

    return run


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [("active", "disable", "disabled"), ("active", "suspend", "suspended"), ("disabled", "enable", "active")],
)
def test_command_sets_the_status(command, before, act, after):
    Agent.objects.update(status=before)

    command(act)

    assert Agent.objects.get().status == after


def test_command_takes_the_name_in_any_spelling(command):
    command("disable", username=" ALICE ")

    assert Agent.objects.get().status == "disabled"


def test_command_is_recorded_as_the_operators(command):
    command("disable")

    assert Event.objects.get(action="agent.disable").actor.startswith("operator:")


def test_command_unlocks(command, agent, lock):
    lock(agent)

    command("unlock")

    assert not Attempt.objects.locked().exists()


def test_command_ends_sessions(command, sessions):
    assert command("end-sessions") == "2 sessions ended."


def test_command_prints_an_activation_code(command, attempt):
    code = command("activation-code")

    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", code)
    assert attempt(code).pending


def test_command_sets_a_password(command):
    command("set-password", "--password", CHOSEN)

    assert check_password(CHOSEN, Agent.objects.get().password)


@pytest.mark.parametrize("password", ["short", "password1234", "alice northwind"])
def test_command_refuses_a_poor_password(command, agent, password):
    with pytest.raises(CommandError):
        command("set-password", "--password", password)

    assert Agent.objects.get().password == agent.password


def test_command_for_an_unknown_agent_says_so(command):
    with pytest.raises(CommandError, match="no agent 'bob'"):
        command("disable", username="bob")


def test_command_finds_no_agent_of_another_group(command, other_group):
    with pytest.raises(CommandError):
        command("disable", group_id=other_group.pk)


def test_command_refuses_an_unknown_act(command):
    with pytest.raises(CommandError):
        command("promote")


# --- Many at once ------------------------------------------------------------------------------------------------


@pytest.fixture
def agents(group):
    return factories.AgentFactory.create_batch(3, group=group)


@pytest.fixture
def act(group, caller):
    """Who acts, from where, in which group."""
    return {"group": group, "by": "administrator:ada", "caller": caller}


def subjects_of(action: str) -> set[str]:
    return set(Event.objects.filter(action=action).values_list("agent", flat=True))


def test_suspending_many_leaves_the_disabled(group, agents, act):
    Agent.objects.filter(pk=agents[0].pk).update(status="disabled")

    assert set_status_of_many(list(Agent.objects.all()), AgentStatus.SUSPENDED, **act) == 2

    assert Agent.objects.get(pk=agents[0].pk).status == "disabled"
    assert subjects_of("agent.suspend") == {agent.subject for agent in agents[1:]}


@pytest.mark.parametrize("status", [AgentStatus.SUSPENDED, AgentStatus.DISABLED])
def test_stopping_many_ends_their_sessions_and_no_others(group, agents, act, status):
    sessions = [factories.AgentSessionFactory(agent=agent) for agent in agents]

    set_status_of_many(agents[:2], status, **act)

    for session in sessions:
        session.refresh_from_db()
    assert [session.end_reason for session in sessions] == ["stopped", "stopped", ""]


def test_enabling_many(group, agents, act):
    Agent.objects.update(status="suspended")

    assert set_status_of_many(list(Agent.objects.all()), AgentStatus.ACTIVE, **act) == 3
    assert set(Agent.objects.values_list("status", flat=True)) == {"active"}


def test_ending_sessions_of_many_tells_of_how_many_agents(agents, act):
    factories.AgentSessionFactory.create_batch(2, agent=agents[0])

    assert end_sessions_of_many(agents, **act) == 1
    assert ends() == {"ended"}
    assert subjects_of("agent.end_sessions") == {agents[0].subject}


def test_unlocking_many_tells_how_many_were_locked(agents, act, lock):
    lock(agents[0])
    lock(agents[1])

    assert unlock_many(agents[1:], **act) == 1
    assert [row.name for row in Attempt.objects.locked()] == [agents[0].username_key]
    assert subjects_of("agent.unlock") == {agents[1].subject}


def test_codes_for_many_let_each_sign_in(group, agents, act, attempt):
    given = give_activation_codes(agents, **act)

    assert [agent for agent, _ in given] == agents
    assert all(attempt(code, username=agent.username).pending for agent, code in given)
    assert subjects_of("agent.give_activation_code") == {agent.subject for agent in agents}


def test_codes_are_for_those_who_may_sign_in(group, agents, act):
    agents[0].status = "disabled"
    agents[1].ends_at = timezone.now()

    assert [agent for agent, _ in give_activation_codes(agents, **act)] == agents[2:]


def test_codes_are_not_in_the_log(agents, act):
    given = give_activation_codes(agents, **act)

    log = str(list(Event.objects.values()))
    assert not any(code in log for _, code in given)


def test_act_on_all_does_nothing_when_the_number_changed(group, agents):
    done = []

    assert act_on_all(group.agents.all(), expected=2, act=done.append) is None
    assert done == []


def test_act_on_all_acts_on_everybody(group, agents):
    assert act_on_all(group.agents.all(), expected=3, act=len) == 3


@pytest.mark.django_db(transaction=True)
def test_many_that_cannot_be_recorded_are_left_alone(group, agents, caller):
    unrecordable = replace(caller, door=None)

    with pytest.raises(IntegrityError):
        set_status_of_many(agents, AgentStatus.DISABLED, group=group, by="test", caller=unrecordable)

    assert set(Agent.objects.values_list("status", flat=True)) == {"active"}


# --- One session, the second factor ------------------------------------------------------------------------------


def test_end_session_ends_one(agent, sessions, caller):
    assert end_session(agent, sessions[0].sid, by="test", caller=caller)

    assert ends() == {"ended", ""}
    assert Event.objects.get(action="agent.end_sessions").object == sessions[0].sid


def test_end_session_of_somebody_else_ends_nothing(agent, group, caller):
    foreign = factories.AgentSessionFactory(agent=factories.AgentFactory(group=group))

    assert not end_session(agent, foreign.sid, by="test", caller=caller)
    assert ends() == {""}
    assert not Event.objects.exists()


def test_remove_factor_forgets_the_app(agent, caller):
    AgentFactor.objects.create(agent=agent, secret="sealed")

    assert remove_factors(agent, by="test", caller=caller)
    assert not AgentFactor.objects.exists()
    assert Event.objects.filter(action="agent.remove_factor", agent=agent.subject).exists()


def test_remove_factors_forgets_passkeys_too(agent, caller):
    factories.AgentPasskeyFactory.create_batch(2, agent=agent)

    assert remove_factors(agent, by="test", caller=caller)
    assert not agent.passkeys.exists()


def test_remove_factors_ends_the_sessions_that_they_let_in(agent, sessions, caller):
    factories.AgentPasskeyFactory(agent=agent)

    remove_factors(agent, by="test", caller=caller)

    assert ends() == {"ended"}


def test_remove_factor_where_there_is_none_is_not_recorded(agent, caller):
    assert not remove_factors(agent, by="test", caller=caller)
    assert not Event.objects.exists()
