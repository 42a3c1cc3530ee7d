"""What lets an agent in or keeps him out, and the command that does it for scripts."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from accounts.models import Attempt, Event
from groups.models import Agent, AgentSession, AgentStatus
from groups.standing import end_sessions, set_password, set_status, sign_out, unlock
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
