"""Signing out at the group's door."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts.models import Event
from groups.models import AgentSession

pytestmark = pytest.mark.django_db


def test_sign_out_page_shows_a_button_and_ends_nothing(session, client):
    response = client.get("/sso/sign-out")

    assert b'<form class="form" method="post">' in response.content
    assert AgentSession.objects.live().exists()


def test_sign_out_ends_the_session(session, client):
    response = client.post("/sso/sign-out")

    session.refresh_from_db()
    assert session.end_reason == "signed_out"
    assert response.cookies["agent"].value == ""


def test_sign_out_ends_a_session_past_its_longest(session, client):
    AgentSession.objects.update(started_at=Now() - timedelta(hours=13), ends_at=Now() - timedelta(seconds=1))

    client.post("/sso/sign-out")

    session.refresh_from_db()
    assert session.end_reason == "signed_out"


def test_sign_out_with_the_cookie_of_before_ends_what_renewed_it(session, client, post_sign_in):
    secret = client.cookies["agent"].value
    post_sign_in()
    client.cookies["agent"] = secret

    client.post("/sso/sign-out")

    assert not AgentSession.objects.filter(ended_at=None).exists()


def test_sign_out_is_recorded_once(session, client):
    secret = client.cookies["agent"].value
    client.post("/sso/sign-out")
    client.cookies["agent"] = secret
    client.post("/sso/sign-out")

    assert Event.objects.filter(action="agent.sign_out").count() == 1


def test_sign_out_of_nobody_is_a_page(client):
    assert client.post("/sso/sign-out").status_code == 200
