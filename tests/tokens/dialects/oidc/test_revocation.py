"""Revocation (wire.md, section 6; RFC 7009)."""

import pytest
from django.db import connection

from accounts.models import Event
from tests.tokens.dialects.oidc.parties import assert_oauth_error, basic
from tests.tokens.statements import Statements
from tokens.models import RelyingPartySecret, TokenFamily

pytestmark = pytest.mark.django_db
PATH = "/oauth/revoke"
ORIGIN = "https://demoaws.crm.example"


@pytest.fixture
def revoke(post):
    def revoke_one(token, *, path=PATH, headers=None, **more):
        return post({"token": token, **more}, path=path, headers=headers)

    return revoke_one


@pytest.fixture
def is_worth_something(client):
    """Whether userinfo takes this access token."""

    def asked(access: str) -> bool:
        response = client.get("/oauth/userinfo", headers={"Authorization": f"Bearer {access}"})
        return response.status_code == 200

    return asked


def test_refresh_token_takes_its_family_along(revoke, refresh, given, is_worth_something):
    response = revoke(given["refresh_token"])

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert_oauth_error(refresh(given["refresh_token"]), 400, "invalid_grant")
    assert not is_worth_something(given["access_token"])


def test_refresh_token_that_was_spent_takes_its_family_along(revoke, refresh, given, is_worth_something):
    renewed = refresh(given["refresh_token"]).json()

    revoke(given["refresh_token"])

    assert not is_worth_something(renewed["access_token"])
    assert TokenFamily.objects.get().end_reason == "revoked"


def test_access_token_ends_alone(revoke, refresh, given, is_worth_something):
    assert revoke(given["access_token"]).status_code == 200

    assert not is_worth_something(given["access_token"])
    assert refresh(given["refresh_token"]).status_code == 200


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "x", ""])
def test_hint_that_is_wrong_changes_nothing(revoke, given, is_worth_something, hint):
    assert revoke(given["refresh_token"], token_type_hint=hint).status_code == 200
    assert not is_worth_something(given["access_token"])


@pytest.mark.parametrize("token", ["x", "rt_nothing", "at_nothing", "lt_x", "rt_\x00", "é"])
def test_token_that_nobody_knows_is_revoked_already(revoke, token):
    assert revoke(token).status_code == 200


def test_id_token_is_none_that_could_be_revoked(revoke, given, is_worth_something):
    assert revoke(given["id_token"][:256]).status_code == 200
    assert is_worth_something(given["access_token"])


def test_anothers_token_is_left_alone_and_nothing_is_said(revoke, given, other_party, is_worth_something):
    headers = basic(other_party.identifier, "rs_other")

    answers = [revoke(given[name], headers=headers) for name in ("access_token", "refresh_token")]

    assert {(answer.status_code, answer.content) for answer in answers} == {(200, revoke("x").content)}
    assert is_worth_something(given["access_token"])
    assert TokenFamily.objects.get().revoked_at is None


def test_public_party_gives_its_token_back(revoke, exchange, make_code, public_party, is_worth_something):
    named = {"headers": {}, "client_id": public_party.identifier}
    tokens = exchange(make_code(issued_to=public_party), **named).json()

    assert revoke(tokens["refresh_token"], **named).status_code == 200
    assert not is_worth_something(tokens["access_token"])


def test_token_that_is_missing_is_named(revoke):
    response = revoke("")

    assert_oauth_error(response, 400, "invalid_request")
    assert "token" in response.json()["error_description"]


def test_wrong_secret_revokes_nothing(revoke, given, relying_party, is_worth_something):
    response = revoke(given["refresh_token"], headers=basic(relying_party.identifier, "rs_wrong"))

    assert_oauth_error(response, 401, "invalid_client")
    assert is_worth_something(given["access_token"])


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revocation_is_recorded_once(revoke, given, relying_party, agent, which):
    for _ in range(2):
        revoke(given[which])

    event = Event.objects.get(action="login.revoke")
    assert (event.actor, event.agent, event.door) == (relying_party.named, agent.subject, "oidc")


def test_trailing_slash_is_tolerated_and_get_is_not(client, revoke):
    assert revoke("x", path=f"{PATH}/").status_code == 200
    assert_oauth_error(client.get(PATH), 405, "invalid_request")


def test_script_of_a_registered_origin_may_revoke(revoke, relying_party, client):
    relying_party.addresses.create(use="origin", address=ORIGIN)
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    assert client.options(PATH, headers=asked).headers["Access-Control-Allow-Methods"] == "POST"
    answered = revoke("x", headers=basic(relying_party.identifier) | {"Origin": ORIGIN})
    assert answered.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in answered.headers


def test_script_of_another_origin_may_not_read(revoke, relying_party, client):
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    assert "Access-Control-Allow-Methods" not in client.options(PATH, headers=asked).headers
    answered = revoke("x", headers=basic(relying_party.identifier) | {"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answered.headers


def test_revocation_asks_little_of_the_database(revoke, given, relying_party):
    RelyingPartySecret.objects.touch(relying_party.secrets.get())

    with Statements(connection) as statements:
        revoke(given["refresh_token"])

    assert statements.by_kind == {"SELECT": 2, "UPDATE": 1, "INSERT": 1}
