"""The sign-in form's own protection: one that went stale is shown again."""

import pytest
from django.test import Client

from groups.models import AgentSession
from tests.conftest import PORTAL
from tests.factories import PASSWORD
from tests.groups.door.opening import action_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict() -> Client:
    """A browser that is asked for a CSRF token."""
    return Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)


def test_stale_form_is_shown_again_with_the_target(agent, strict, post_sign_in, to, entitlement, target):
    response = post_sign_in(query=to, browser=strict)

    assert response.status_code == 403
    assert "Next: Demo AWS" in response.content.decode()
    token = strict.cookies["csrf"].value
    fields = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert strict.post(action_of(response), fields)["Location"] == target


def test_stale_form_signs_nobody_in(agent, strict, post_sign_in):
    post_sign_in(browser=strict)

    assert not AgentSession.objects.exists()


def test_stale_form_keeps_the_name(agent, strict, post_sign_in):
    assert b'value="alice"' in post_sign_in(browser=strict).content


def test_stale_form_of_an_unknown_group_is_404(strict):
    response = strict.post("/sso/sign-in?group=999999999", {"username": "alice", "password": PASSWORD})

    assert response.status_code == 404


def test_stale_sign_out_says_what_to_do_and_ends_nothing(agent, session, client):
    strict = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)
    strict.cookies["agent"] = client.cookies["agent"].value

    response = strict.post("/sso/sign-out")

    assert response.status_code == 403
    assert b"reload it" in response.content
    assert AgentSession.objects.live().exists()
