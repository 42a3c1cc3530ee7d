"""Choosing a password at the group's door, on the way to where the agent was going."""

import pytest

from groups.models import Agent, AgentSession
from groups.standing import give_activation_code
from tests import factories
from tests.factories import PASSWORD
from tests.groups.door.opening import action_of

pytestmark = pytest.mark.django_db

CHOSEN = "seven purple lanterns"


@pytest.fixture
def newcomer(group, client, caller, to):
    """Alice has typed her activation code; the answer that she got."""
    agent = factories.AgentFactory(group=group, username="alice", full_name="Alice Ames", password="")
    code = give_activation_code(agent, by="test", caller=caller)
    return client.post(f"/sso/sign-in?group={group.pk}{to}", {"username": "alice", "password": code})


def choose(client, address, password=CHOSEN, repeated=None):
    return client.post(address, {"new_password": password, "repeated": repeated or password})


def test_activation_code_leads_to_the_choice(newcomer, client):
    assert newcomer.status_code == 303
    assert client.get(newcomer["Location"]).status_code == 200


def test_choice_goes_straight_to_the_target(newcomer, client, target):
    response = choose(client, newcomer["Location"])

    assert (response.status_code, response["Location"]) == (303, target)
    assert AgentSession.objects.live().exists()


def test_choice_drops_the_proof(newcomer, client):
    response = choose(client, newcomer["Location"])

    assert response.cookies["agent_pending"].value == ""


@pytest.mark.parametrize(
    ("password", "repeated", "says"),
    [
        ("short", None, "too short"),
        (CHOSEN, "seven purple lantern", "differ"),
        ("password1234", None, "too common"),
        ("Alice Northwind", None, "built on a name"),
    ],
)
def test_choice_that_does_not_do_is_asked_again_with_the_target(
    newcomer, client, target, password, repeated, says
):
    response = choose(client, newcomer["Location"], password, repeated)

    assert says in response.content.decode()
    assert choose(client, action_of(response))["Location"] == target


def test_choice_of_the_present_password_is_asked_again(agent, client, post_sign_in):
    Agent.objects.update(must_choose_password=True)

    response = choose(client, post_sign_in()["Location"], PASSWORD)

    assert "password you have now" in response.content.decode()


def test_choice_without_a_proof_leads_to_the_sign_in_page(client, group, to):
    response = client.get(f"/sso/password?group={group.pk}{to}")

    assert response.status_code == 303
    assert response["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")


def test_choice_with_a_spent_proof_leads_to_the_sign_in_page(newcomer, client):
    proof = client.cookies["agent_pending"].value
    choose(client, newcomer["Location"])
    client.cookies["agent_pending"] = proof

    assert choose(client, newcomer["Location"])["Location"].startswith("/sso/sign-in?")


def test_proof_is_no_session(newcomer, client, group):
    assert client.get(f"/sso/group?group={group.pk}").status_code == 303
