"""Signing in at the group's door: straight on to where the agent was going."""

from urllib.parse import quote

import pytest
from django.core import signing

from accounts.models import Event
from groups.models import AgentSession
from tests.factories import PASSWORD
from tests.groups.conftest import WRONG_PASSWORD
from tests.groups.door.opening import action_of

pytestmark = pytest.mark.django_db


def test_sign_in_goes_straight_to_the_target(agent, post_sign_in, target, to):
    response = post_sign_in(query=to)

    assert (response.status_code, response["Location"]) == (303, target)


def test_sign_in_without_a_target_goes_to_the_launcher(agent, post_sign_in, group):
    response = post_sign_in()

    assert (response.status_code, response["Location"]) == (303, f"/sso/group?group={group.pk}")


@pytest.mark.parametrize(
    "forge",
    [
        lambda: "",
        lambda: "https://evil.example/",
        lambda: "//evil.example",
        lambda: "/sso/group/demoaws?group=1",
        lambda: signing.dumps({"path": "https://evil.example/"}, salt="another"),
        lambda: signing.dumps({"path": "https://evil.example/"}, key="another", salt="agent.target"),
        lambda: signing.dumps({"url": "https://evil.example/"}, salt="agent.target"),
    ],
)
def test_forged_target_leads_to_the_launcher(agent, post_sign_in, group, forge):
    response = post_sign_in(query=f"&to={quote(forge())}")

    assert response["Location"] == f"/sso/group?group={group.pk}"


@pytest.mark.parametrize("name", ["next", "url", "redirect_uri", "target"])
def test_sign_in_is_not_steered_by_other_names(agent, post_sign_in, group, name):
    response = post_sign_in(query=f"&{name}=https://evil.example/")

    assert response["Location"] == f"/sso/group?group={group.pk}"


def test_wrong_password_shows_the_form_again_with_the_target(
    agent, post_sign_in, to, entitlement, client, target
):
    response = post_sign_in(WRONG_PASSWORD, query=to)

    assert response.status_code == 200
    assert b"do not match" in response.content
    again = client.post(action_of(response), {"username": "alice", "password": PASSWORD})
    assert again["Location"] == target


def test_wrong_password_keeps_the_name_and_not_the_password(agent, post_sign_in):
    response = post_sign_in(WRONG_PASSWORD).content.decode()

    assert 'value="alice"' in response
    assert WRONG_PASSWORD not in response


def test_wrong_password_is_recorded_with_its_private_reason(agent, post_sign_in):
    response = post_sign_in(WRONG_PASSWORD)

    event = Event.objects.get(action="agent.sign_in")
    assert (event.outcome, event.reason, event.details["why"]) == ("refused", "wrong_credentials", "wrong")
    assert event.reference == response["X-Request-Id"]


def test_lock_out_is_recorded_with_its_private_reason(agent, post_sign_in, lock):
    lock(agent)

    post_sign_in()

    assert Event.objects.get(action="agent.sign_in").details["why"] == "locked"


def test_events_never_hold_the_password(agent, post_sign_in):
    post_sign_in(WRONG_PASSWORD)

    assert not Event.objects.filter(details__icontains=WRONG_PASSWORD).exists()


@pytest.mark.parametrize(
    "fields", [{}, {"username": "alice"}, {"password": PASSWORD}, {"username": "\x00", "password": "x"}]
)
def test_form_that_is_not_filled_in_is_shown_again(agent, client, group, fields):
    assert client.post(f"/sso/sign-in?group={group.pk}", fields).status_code == 200
    assert not AgentSession.objects.exists()


def test_too_many_tries_from_an_address_are_429(agent, post_sign_in, limit_a_minute):
    limit_a_minute("sign-in address", 0)

    response = post_sign_in()

    assert response.status_code == 429
    assert response["Retry-After"] == "60"
