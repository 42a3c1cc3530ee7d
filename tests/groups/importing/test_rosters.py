"""Rosters: who is missing from the file has left."""

import pytest

from accounts.models import Event
from groups.importing.applying import why_not_apply
from groups.models import Agent, AgentSession, AgentStatus, ProvisionedBy
from groups.standing import set_status
from tests import factories
from tests.groups.importing.reading import counts

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(group):
    """Ten agents, a0 to a9."""
    return [factories.AgentFactory(group=group, username=f"a{n}") for n in range(10)]


def roster(*usernames: str) -> str:
    return "\n".join(["username", *usernames])


ALL = [f"a{n}" for n in range(10)]


def test_who_is_missing_in_a_roster_leaves(staff, checked, applied):
    asked = checked(roster(*ALL[:9]), kind="roster")
    factories.AgentSessionFactory(agent=staff[9])

    applied(asked)

    statuses = dict(Agent.objects.values_list("username", "status"))
    assert statuses == dict.fromkeys(ALL[:9], "active") | {"a9": "disabled"}
    assert AgentSession.objects.get().end_reason == "stopped"
    event = Event.objects.get(action="agent.disable")
    assert (event.agent, event.details) == (staff[9].subject, {"import": asked.pk})


def test_nobody_leaves_by_an_ordinary_import(staff, checked):
    asked = checked(roster("a0"))

    assert asked.leavers == []
    assert counts(asked) == {"unchanged": 1}


def test_agents_of_other_groups_do_not_leave(staff, other_group, checked):
    factories.AgentFactory(group=other_group)

    assert checked(roster(*ALL), kind="roster").leavers == []


def test_agents_already_disabled_do_not_leave_again(staff, checked):
    Agent.objects.filter(username="a9").update(status="disabled")

    assert checked(roster(*ALL[:9]), kind="roster").leavers == []


def test_suspended_agents_leave_too(staff, checked):
    Agent.objects.filter(username="a9").update(status="suspended")

    assert checked(roster(*ALL[:9]), kind="roster").leavers == [staff[9].subject]


@pytest.mark.parametrize(("with_api", "leaving"), [(False, 0), (True, 1)])
def test_agents_of_the_sso_api_leave_only_when_asked_for(staff, checked, with_api, leaving):
    Agent.objects.filter(username="a9").update(provisioned_by=ProvisionedBy.API)

    asked = checked(roster(*ALL[:9]), kind="roster", with_api=with_api)

    assert asked.summary["leaving"] == leaving


def test_agent_with_a_faulty_row_is_not_missing(staff, checked):
    asked = checked("username,email\n" + "".join(f"{name},x\n" for name in ALL), kind="roster")

    assert counts(asked) == {"faulty": 10}


def test_roster_that_names_nobody_in_a_row_cannot_be_applied(staff, checked):
    asked = checked("username,full_name\n" + "\n".join([*ALL[:8], "a\u200b8", ",x"]), kind="roster")

    assert why_not_apply(asked, only_good=True).code == "roster_names_nobody"


@pytest.mark.parametrize(("leaving", "asks"), [(0, False), (2, False), (3, True), (9, True)])
def test_more_than_a_fifth_leaving_asks_for_the_number(staff, checked, leaving, asks):
    asked = checked(roster("new.one", *ALL[: 10 - leaving]), kind="roster")

    assert asked.summary["ask_number"] is asks


@pytest.mark.parametrize(("number", "code"), [("", "wrong_number"), ("2", "wrong_number"), ("3", None)])
def test_number_that_is_asked_for_must_be_right(staff, checked, number, code):
    asked = checked(roster(*ALL[:7]), kind="roster")

    refusal = why_not_apply(asked, only_good=False, number=number)

    assert (refusal.code if refusal else None) == code


def test_number_may_be_typed_with_its_thousands_separator(checked, staff):
    asked = checked(roster(*ALL[:7]), kind="roster")
    asked.summary["leaving"] = 1234

    assert why_not_apply(asked, only_good=False, number="1,234") is None


def test_agents_of_the_sso_api_do_not_water_the_fifth_down(staff, group, checked):
    factories.AgentFactory.create_batch(20, group=group, provisioned_by=ProvisionedBy.API)

    assert checked(roster(*ALL[:7]), kind="roster").summary["ask_number"] is True


def test_roster_is_refused_when_more_would_leave_than_were_shown(staff, group, checked, applied):
    asked = checked(roster(*ALL[:9]), kind="roster")
    late = factories.AgentFactory(group=group, username="late")

    asked = applied(asked)

    assert (asked.state, asked.failure) == ("checked", "leavers")
    assert asked.leavers == [staff[9].subject, late.subject]
    assert not Agent.objects.filter(status="disabled").exists()


def test_roster_is_applied_when_fewer_leave_than_were_shown(staff, checked, applied, caller):
    asked = checked(roster(*ALL[:8]), kind="roster")
    set_status(staff[9], AgentStatus.DISABLED, by="x", caller=caller)

    asked = applied(asked)

    assert (asked.state, asked.leavers) == ("applied", [staff[8].subject])


def test_disabled_agents_in_a_roster_are_told_of(staff, checked):
    Agent.objects.filter(username__in=["a0", "a1"]).update(status="disabled")

    asked = checked("username,status\na0,active\n" + "\n".join(ALL[1:]), kind="roster")

    assert asked.summary["stay_disabled"] == 1
