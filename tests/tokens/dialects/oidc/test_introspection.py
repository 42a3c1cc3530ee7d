"""Introspection (wire.md, section 6; RFC 7662)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from groups.models import AgentSession, EndReason
from tests.tokens.circumstances import STOPS, name_of
from tests.tokens.dialects.oidc.parties import SCOPE, assert_oauth_error, basic
from tests.tokens.statements import Statements
from tokens.models import RelyingPartySecret, TokenFamily

pytestmark = pytest.mark.django_db
PATH = "/oauth/introspect"
NOT_ACTIVE = {"active": False}


@pytest.fixture
def introspect(post):
    def introspect_one(token, *, path=PATH, headers=None, **more):
        return post({"token": token, **more}, path=path, headers=headers)

    return introspect_one


def test_access_token_is_told_with_all_that_it_is(introspect, given, agent, session, relying_party):
    session.refresh_from_db()

    response = introspect(given["access_token"])

    told, now = response.json(), timezone.now().timestamp()
    assert response.status_code == 200
    assert abs(told.pop("iat") - now) < 5
    assert abs(told.pop("exp") - now - 900) < 5
    assert told == {
        "active": True,
        "iss": "http://localhost:8000",
        "sub": agent.subject,
        "username": "alice",
        "client_id": relying_party.identifier,
        "scope": SCOPE,
        "token_type": "Bearer",
        "auth_time": int(session.started_at.timestamp()),
        "sid": session.sid,
    }


def test_refresh_token_is_told_with_its_familys_end(introspect, given):
    told = introspect(given["refresh_token"]).json()

    assert told["active"]
    assert told["exp"] == int(TokenFamily.objects.get().ends_at.timestamp())
    assert "token_type" not in told


def test_introspection_spends_nothing(introspect, refresh, given):
    introspect(given["refresh_token"])

    assert refresh(given["refresh_token"]).status_code == 200


def test_narrowed_token_is_told_with_its_own_scope(introspect, refresh, given):
    narrowed = refresh(given["refresh_token"], scope="openid").json()

    assert introspect(narrowed["access_token"]).json()["scope"] == "openid"
    assert introspect(narrowed["refresh_token"]).json()["scope"] == SCOPE


def test_no_token_is_told_to_last_longer_than_its_family(introspect, given):
    TokenFamily.objects.update(ends_at=timezone.now() + timedelta(minutes=1))

    assert introspect(given["access_token"]).json()["exp"] <= timezone.now().timestamp() + 60


@pytest.mark.parametrize("token", ["x", "at_nothing", "rt_nothing", "at_\x00", "é", "lt_x"])
def test_token_that_nobody_knows_is_not_active(introspect, token):
    assert introspect(token).json() == NOT_ACTIVE


def test_another_partys_token_is_not_active(introspect, given, other_party):
    headers = basic(other_party.identifier, "rs_other")

    assert introspect(given["access_token"], headers=headers).json() == NOT_ACTIVE
    assert introspect(given["refresh_token"], headers=headers).json() == NOT_ACTIVE


def test_spent_and_revoked_tokens_are_not_active(introspect, refresh, post, given):
    renewed = refresh(given["refresh_token"]).json()
    post({"token": given["access_token"]}, path="/oauth/revoke")

    assert introspect(given["refresh_token"]).json() == NOT_ACTIVE
    assert introspect(given["access_token"]).json() == NOT_ACTIVE
    assert introspect(renewed["access_token"]).json()["active"]


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_tokens_of_who_may_not_enter_any_more_are_not_active(introspect, given, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert introspect(given["access_token"]).json() == NOT_ACTIVE
    assert introspect(given["refresh_token"]).json() == NOT_ACTIVE


def test_tokens_of_a_session_that_ended_are_not_active(introspect, given):
    AgentSession.objects.all().end(EndReason.SIGNED_OUT)

    assert introspect(given["access_token"]).json() == NOT_ACTIVE


def test_public_party_may_not_ask(introspect, exchange, make_code, public_party):
    named = {"headers": {}, "client_id": public_party.identifier}
    tokens = exchange(make_code(issued_to=public_party), **named).json()

    assert_oauth_error(introspect(tokens["access_token"], **named), 401, "invalid_client")


def test_wrong_secret_learns_nothing(introspect, given, relying_party):
    response = introspect(given["access_token"], headers=basic(relying_party.identifier, "rs_wrong"))

    assert_oauth_error(response, 401, "invalid_client")


def test_token_that_is_missing_is_named(introspect):
    assert_oauth_error(introspect(""), 400, "invalid_request")


def test_trailing_slash_is_tolerated_and_get_is_not(client, introspect):
    assert introspect("x", path=f"{PATH}/").status_code == 200
    assert_oauth_error(client.get(PATH), 405, "invalid_request")


def test_introspection_is_two_selects(introspect, given, relying_party):
    RelyingPartySecret.objects.touch(relying_party.secrets.get())

    with Statements(connection) as statements:
        introspect(given["access_token"])

    assert statements.in_order == ["SELECT", "SELECT"]
