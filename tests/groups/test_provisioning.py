"""Agents made on the fly."""

import pytest

from accounts.models import Event
from groups.models import Agent
from groups.provisioning import find_or_provision
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def provision(group, caller):
    def provision(**changes):
        asked = {"username": "Alice", "full_name": "Alice Ames", "email": "alice@crm.example"} | changes
        return find_or_provision(**{"group": group, "by": "key:pk_x", "caller": caller} | asked)

    return provision


def test_new_agent_has_no_password_and_is_marked(provision):
    agent = provision()

    assert (agent.password, agent.provisioned_by, agent.status) == ("", "api", "active")


def test_new_agent_is_recorded(provision):
    agent = provision()

    event = Event.objects.get(action="agent.provision")
    assert (event.agent, event.actor) == (agent.subject, "key:pk_x")


def test_new_agent_cannot_sign_in(provision, attempt):
    provision()

    assert attempt("").code == "wrong_credentials"


@pytest.mark.parametrize("spelling", ["Alice", "alice", " ALICE ", "ａｌｉｃｅ"])
def test_agent_is_found_in_any_spelling(provision, spelling):
    first = provision()

    assert provision(username=spelling) == first


def test_agent_of_another_group_is_not_found(provision, other_group):
    foreign = factories.AgentFactory(group=other_group, username="alice")

    assert provision() != foreign


def test_name_and_email_of_an_api_agent_are_brought_up_to_date(provision):
    provision()

    provision(full_name="Alice Bell", email="bell@crm.example")

    agent = Agent.objects.get()
    assert (agent.full_name, agent.email) == ("Alice Bell", "bell@crm.example")
    assert Event.objects.filter(action="agent.update").exists()


def test_absent_email_leaves_the_one_that_is_there(provision):
    provision()

    provision(email="")

    assert Agent.objects.get().email == "alice@crm.example"


def test_agent_that_is_up_to_date_is_not_written(provision, django_assert_num_queries):
    provision()

    with django_assert_num_queries(1):
        provision()


def test_agent_whom_an_administrator_made_is_left_alone(provision, agent):
    provision(full_name="Somebody Else", email="else@crm.example")

    agent.refresh_from_db()
    assert (agent.full_name, agent.email) == ("Alice Ames", "")


def test_stopped_agent_is_found_as_he_is(provision, agent):
    Agent.objects.update(status="disabled")

    assert provision().status == "disabled"


def test_email_need_not_be_unique(provision):
    provision()

    assert provision(username="bob").email == "alice@crm.example"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_one_name_asked_for_at_once_makes_one_agent(provision, at_once):
    subjects = at_once(12, lambda: provision().subject)

    assert len(subjects) == 12
    assert len(set(subjects)) == 1
