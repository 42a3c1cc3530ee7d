"""Registering a host."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from groups.models import AgentSession
from tests import factories
from tests.tokens.dialects.bus.conftest import HOST, assert_refused
from tokens.models import TokenFamily

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "origin", ["", "https://evil.example", "https://host.example/", HOST.upper(), "*", "null"]
)
def test_an_unregistered_origin_is_refused(call, origin):
    assert_refused(call("register", {"origin": origin}), 403, "origin_not_registered")


@pytest.mark.parametrize(
    "body", [{"origin": 7}, {"origin": HOST, "appName": "a\0"}, {"origin": HOST, "release": []}]
)
def test_a_registration_that_cannot_be_read_is_refused(call, body):
    assert_refused(call("register", body), 400, "invalid_field")


def test_registering_without_a_session_tells_of_nobody(call):
    response = call("register", {"origin": HOST, "appName": "Dialer", "release": "1.2"})

    assert response.status_code == 200
    assert response.json()["currentUser"] is None


def test_registering_where_the_cookie_arrives_tells_who_is_signed_in(
    call, session, alices_secret, agent, entitlement
):
    response = call("register", {"origin": HOST}, cookie=alices_secret)

    assert response.json()["currentUser"]["id"] == agent.subject
    assert not TokenFamily.objects.exists()


def test_an_idle_session_is_not_restored(call, session, alices_secret):
    AgentSession.objects.update(idle_at=timezone.now() - timedelta(seconds=1))

    assert call("register", {"origin": HOST}, cookie=alices_secret).json()["currentUser"] is None
    assert_refused(call("session", cookie=alices_secret), 403, "login_required")


def test_a_session_of_another_group_is_not_restored(call, other_group):
    factories.AgentSessionFactory(agent=factories.AgentFactory(group=other_group), secret="as_other")

    assert call("register", {"origin": HOST}, cookie="as_other").json()["currentUser"] is None
    assert_refused(call("session", cookie="as_other"), 403, "login_required")


def test_a_restored_session_goes_on_over_the_bus(call, session, alices_secret, agent):
    answer = call("session", cookie=alices_secret)

    assert answer.status_code == 200
    assert answer.json()["currentUser"]["username"] == "alice"
    assert TokenFamily.objects.get().session == session
    event = Event.objects.get(action="bus.connect")
    assert (event.agent, event.object, event.details["app"]) == (agent.subject, session.sid, "Dialer 1.2")


def test_restoring_again_and_again_is_stopped(call, session, alices_secret, limit_a_minute):
    limit_a_minute("bus", 2)
    answers = [call("session", cookie=alices_secret) for _ in range(3)]

    assert_refused(answers[-1], 429, "too_many_requests")
    assert answers[-1]["Retry-After"] == "60"
