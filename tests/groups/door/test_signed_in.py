"""Who comes to the group's door and is signed in already, or was."""

from urllib.parse import quote

import pytest

from groups.models import Agent, AgentSession, EndReason
from groups.standing import set_status
from groups.targets import Target, seal
from tests import factories
from tests.factories import PASSWORD
from tests.groups.conftest import WRONG_PASSWORD
from tests.groups.door.opening import action_of, go_idle

pytestmark = pytest.mark.django_db


def test_signed_in_agent_goes_straight_on(session, sign_in_page, target, to):
    response = sign_in_page(to)

    assert (response.status_code, response["Location"]) == (303, target)


def test_switch_asks_even_a_signed_in_agent(session, sign_in_page):
    response = sign_in_page("&switch=1")

    assert response.status_code == 200
    assert b'name="username"' in response.content


def test_switch_to_another_agent_replaces_the_session(session, group, post_sign_in):
    factories.AgentFactory(group=group, username="bob")

    post_sign_in(username="bob", query="&switch=1")

    assert AgentSession.objects.live().get().agent.username == "bob"
    session.refresh_from_db()
    assert session.end_reason == "switched"


def test_signing_in_to_another_group_replaces_the_session(session, other_group, client):
    factories.AgentFactory(group=other_group, username="alice")

    client.post(f"/sso/sign-in?group={other_group.pk}", {"username": "alice", "password": PASSWORD})

    assert AgentSession.objects.live().get().agent.group == other_group


def test_session_of_another_group_is_asked_for_name_and_password(session, other_group, client):
    response = client.get(f"/sso/sign-in?group={other_group.pk}")

    assert response.status_code == 200
    assert b"Alice" not in response.content


def test_second_tab_signs_in_after_the_first(agent, client, post_sign_in, target, to):
    post_sign_in()

    response = post_sign_in(query=to)

    assert response["Location"] == target
    assert AgentSession.objects.live().count() == 1


def test_each_tab_goes_on_to_its_own_target(agent, post_sign_in, group):
    tabs = [f"/sso/group/demoaws?group={group.pk}&call_id={number}" for number in (1, 2)]

    went = [post_sign_in(query="&to=" + quote(seal(Target(tab))))["Location"] for tab in tabs]

    assert went == tabs


def test_idle_session_is_asked_for_the_password_only(session, sign_in_page):
    go_idle()

    response = sign_in_page().content.decode()

    assert '<input type="hidden" name="username" value="alice"' in response
    assert "Welcome back, Alice Ames" in response


def test_idle_session_is_unlocked_by_the_password(session, client, sign_in_page, target, to):
    go_idle()

    response = client.post(action_of(sign_in_page(to)), {"username": "alice", "password": PASSWORD})

    assert response["Location"] == target
    session.refresh_from_db()
    assert session.end_reason == "renewed"


def test_idle_session_stays_locked_after_a_wrong_password(session, post_sign_in):
    go_idle()

    response = post_sign_in(WRONG_PASSWORD)

    assert b"Welcome back" in response.content
    assert not AgentSession.objects.live().exists()


def test_idle_session_may_be_left_to_somebody_else(session, sign_in_page):
    go_idle()

    response = sign_in_page("&switch=1").content.decode()

    assert "Alice" not in response
    assert 'type="text" name="username"' in response


def test_disabling_ends_the_session_at_the_next_request(session, agent, client, group, caller):
    set_status(agent, "disabled", by="test", caller=caller)

    assert client.get(f"/sso/group?group={group.pk}").status_code == 303


def test_disabled_row_alone_keeps_a_running_session_out(session, client, sign_in_page):
    Agent.objects.update(status="disabled")

    assert sign_in_page().status_code == 200


def test_session_that_was_ended_is_not_welcomed_back(session, sign_in_page):
    AgentSession.objects.end(EndReason.ENDED)

    assert b"Alice" not in sign_in_page().content
