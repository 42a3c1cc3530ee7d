"""The cookies of the group's door, and that the two doors know nothing of each other's."""

import pytest
from django.test import Client

from groups.models import Agent, AgentSession
from groups.standing import give_activation_code
from tests import factories
from tests.conftest import PORTAL
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


# --- The cookie ------------------------------------------------------------------------------------------------------


def test_agents_cookie_is_kept_to_this_host_and_from_scripts(agent, post_sign_in):
    cookie = post_sign_in().cookies["agent"]

    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["max-age"]) == ("Lax", "/", "", "")


@pytest.mark.parametrize("name", ["csrf", "agent_pending"])
def test_other_cookies_of_the_door_are_kept_likewise(group, client, caller, name):
    agent = factories.AgentFactory(group=group, username="alice", password="")
    code = give_activation_code(agent, by="test", caller=caller)
    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": code}, follow=True)

    cookie = client.cookies[name]
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")


def test_cookie_planted_before_signing_in_is_worthless(agent, client, post_sign_in):
    client.cookies["agent"] = "as_planted"

    post_sign_in()

    assert client.cookies["agent"].value != "as_planted"


def test_cookie_from_before_signing_in_again_is_worthless(agent, session, client, post_sign_in, group):
    thief = Client(HTTP_HOST=PORTAL)
    thief.cookies["agent"] = client.cookies["agent"].value

    post_sign_in()

    assert thief.get(f"/sso/group?group={group.pk}").status_code == 303


def test_door_sets_no_administrators_cookie(agent, post_sign_in, client):
    post_sign_in()

    assert "administrator" not in client.cookies


# --- Two doors -------------------------------------------------------------------------------------------------------


def test_agents_cookie_opens_nothing_at_the_main_door(session, client):
    client.cookies["administrator"] = client.cookies["agent"].value

    response = client.get("/groups/")

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_administrators_cookie_opens_nothing_at_the_agents_door(owner, visit_as, group):
    browser = visit_as(owner)
    browser.cookies["agent"] = browser.cookies["administrator"].value

    response = browser.get(f"/sso/group?group={group.pk}")

    assert response.status_code == 303
    assert response["Location"].startswith("/sso/sign-in")


def test_agents_password_opens_nothing_at_the_main_door(agent, client):
    Agent.objects.update(email="alice@portal.example")

    for login in ("alice", "alice@portal.example"):
        client.post("/accounts/login/", {"login": login, "password": PASSWORD})

    assert client.get("/groups/").status_code == 302


def test_administrators_password_opens_nothing_at_the_agents_door(owner, post_sign_in):
    assert post_sign_in(username=owner.email).status_code == 200
    assert not AgentSession.objects.exists()
