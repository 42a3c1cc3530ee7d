"""For whom: who may enter what, and agents made on the fly."""

import pytest

from accounts.models import Event
from groups import models as groups
from groups.models import Agent, AgentStatus, EntitledCampaign, ProvisionedBy
from tests import factories
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, STOPPED_GROUPS, name_of
from tests.tokens.dialects.platform.asking import BY_PATH, assert_refused, nobody_new
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "platform_key", "rule")]


# --- Who may enter what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", STOPPED_AGENTS + STOPPED_GROUPS + CLOSED_CLIENTS, ids=name_of)
def test_login_of_somebody_who_may_not_enter_is_refused(send, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_refused(send(), 403, stop.code)
    event = Event.objects.get()
    assert (event.reason, event.details.get("detail", event.reason)) == (stop.code, stop.why)
    assert (event.agent, event.client) == (agent.subject, "demoaws")
    assert nobody_new()


def test_login_to_an_unknown_and_a_foreign_client_gets_one_answer(send):
    factories.ClientFactory(subdomain="acme")

    foreign, unknown = (
        send(**BY_PATH | {"path": "/api/sso/acme"}),
        send(**BY_PATH | {"path": "/api/sso/nosuch"}),
    )

    assert_refused(foreign, 403, "client_unavailable")
    assert foreign.content == unknown.content


@pytest.mark.parametrize("host", ["nosuch.localhost", "a.demoaws.localhost"])
def test_login_at_a_host_name_of_no_client_is_refused(send, host):
    assert_refused(send(HTTP_HOST=host), 403, "client_unavailable")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "demoaws.localhost.evil.example"])
def test_login_at_a_host_name_that_is_not_ours_is_refused(send, host):
    assert send(HTTP_HOST=host).status_code == 421


def test_login_as_a_department_of_another_client_is_refused(ask):
    factories.DepartmentFactory(number=7)

    assert_refused(ask(department_id=7), 400, "unknown_department", naming="department_id")
    assert nobody_new()


@pytest.mark.parametrize("department", [0, 99, 2**31 - 1])
def test_login_as_an_unknown_department_is_refused(ask, department):
    assert_refused(ask(department_id=department), 400, "unknown_department", naming=str(department))


def test_login_for_a_campaign_of_another_client_is_refused(ask):
    factories.CampaignFactory(number=70)

    assert_refused(ask(campaign_id="1,70"), 400, "unknown_campaign", naming="70")
    assert nobody_new()


def test_login_for_a_campaign_outside_the_entitlement_is_refused(ask, entitlement, client_company):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=2))

    assert_refused(ask(campaign_id="1"), 400, "unknown_campaign", naming="campaign_id")


# --- Agents made on the fly ------------------------------------------------------------------------------------------


def test_login_of_somebody_new_makes_an_agent_without_a_password(ask, group):
    ask(username=" Newcomer ", fullname="New Comer", email="new@comer.example")

    made = Agent.objects.get(username="Newcomer")
    assert (made.group, made.full_name, made.email) == (group, "New Comer", "new@comer.example")
    assert (made.provisioned_by, made.status, made.password) == (ProvisionedBy.API, AgentStatus.ACTIVE, "")


def test_login_of_somebody_new_is_recorded(ask, group, platform_key):
    ask(username="newcomer")

    event = Event.objects.get(action="agent.provision")
    assert (event.actor, event.group_id) == (f"key:{platform_key.prefix}", group.pk)
    assert event.agent == Agent.objects.get(username="newcomer").subject


@pytest.mark.parametrize("password", ["", " ", factories.PASSWORD])
def test_agent_made_on_the_fly_cannot_sign_in(ask, group, client, password):
    ask(username="newcomer")

    response = client.post(f"/sso/sign-in?group={group.pk}", {"username": "newcomer", "password": password})

    assert response.status_code == 200
    assert not groups.AgentSession.objects.exists()


@pytest.mark.parametrize("username", ["newcomer", "NEWCOMER", " Newcomer ", "ｎewcomer"])
def test_login_of_a_name_in_another_spelling_is_the_same_agent(ask, username):
    ask(username="newcomer")

    ask(username=username)

    assert Agent.objects.count() == 1


def test_login_brings_an_agent_that_the_api_made_up_to_date(ask):
    ask(username="newcomer", email="old@mail.example")

    ask(username="newcomer", fullname="New Name", email="new@mail.example")

    made = Agent.objects.get(username="newcomer")
    assert (made.full_name, made.email) == ("New Name", "new@mail.example")
    assert Event.objects.filter(action="agent.update").count() == 1


def test_login_without_an_email_keeps_the_old_one(ask):
    ask(username="newcomer", email="old@mail.example")

    ask(username="newcomer")

    assert Agent.objects.get(username="newcomer").email == "old@mail.example"


def test_login_that_changes_nothing_records_no_update(ask):
    ask(username="newcomer")
    ask(username="newcomer")

    assert not Event.objects.filter(action="agent.update").exists()


def test_login_does_not_change_an_agent_whom_an_administrator_made(ask, agent):
    ask(username="ALICE", fullname="Mallory", email="mallory@evil.example")

    agent.refresh_from_db()
    assert (agent.username, agent.full_name, agent.email) == ("alice", "Alice Ames", "")


def test_login_of_a_name_that_another_group_has_is_another_agent(ask, group, other_group):
    theirs = factories.AgentFactory(group=other_group, username="zoe", full_name="Zoe Theirs")

    ask(username="zoe", fullname="Zoe Ours")

    theirs.refresh_from_db()
    ours = Agent.objects.get(group=group, username="zoe")
    assert theirs.full_name == "Zoe Theirs"
    assert LoginToken.objects.get().agent == ours
    assert ours.subject != theirs.subject


def test_login_with_an_email_that_somebody_has_works(ask, agent):
    Agent.objects.update(email="shared@mail.example")

    assert ask(username="newcomer", email="shared@mail.example").json()["success"] == 1


@pytest.mark.parametrize("fields", [{"department_id": 99}, {"campaign_id": "99"}, {"email": "x"}], ids=str)
def test_refused_login_makes_nobody(ask, fields):
    ask(username="newcomer", **fields)

    assert not Agent.objects.filter(username="newcomer").exists()
    assert not Event.objects.filter(action="agent.provision").exists()


@pytest.mark.parametrize("stop", STOPPED_GROUPS + CLOSED_CLIENTS[:3], ids=name_of)
def test_login_refused_for_its_client_makes_nobody(ask, agent, entitlement, stop):
    stop.act(agent, entitlement)

    ask(username="newcomer")

    assert not Agent.objects.filter(username="newcomer").exists()


def test_refused_login_changes_nobody(ask):
    ask(username="newcomer")
    Agent.objects.update(status=AgentStatus.DISABLED)

    ask(username="newcomer", fullname="Another Name")

    assert Agent.objects.get().full_name == "Alice Ames"
