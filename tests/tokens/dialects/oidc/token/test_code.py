"""A code, exchanged for tokens (wire.md, section 6)."""

import hashlib
from base64 import urlsafe_b64encode

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Agent, AgentSession
from tests.tokens.dialects.oidc.parties import (
    SCOPE,
    read_id_token,
)
from tests.tokens.dialects.oidc.token.answers import PATH
from tests.tokens.statements import Statements
from tokens import signing_keys
from tokens.issuing import CallContext
from tokens.models import (
    AccessToken,
    LoginToken,
    RefreshToken,
    RelyingParty,
    RelyingPartySecret,
)

pytestmark = pytest.mark.django_db


# --- A code ----------------------------------------------------------------------------------------------------------


def test_code_is_exchanged_for_tokens(exchange, code):
    response = exchange(code)

    answer = response.json()
    assert response.status_code == 200, answer
    assert answer.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "id_token",
    }
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 900, SCOPE)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert not response.cookies


def test_id_token_says_what_was_promised(exchange, make_code, agent, group, session, relying_party):
    session.refresh_from_db()
    call = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")

    answer = exchange(make_code(call=call)).json()

    token = read_id_token(answer["id_token"])
    claims = token.claims
    now = timezone.now().timestamp()
    half = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert token.header.keys() == {"alg", "kid", "typ"}
    assert (token.header["alg"], token.header["typ"]) == ("RS256", "JWT")
    assert abs(claims.pop("iat") - now) < 5
    assert abs(claims.pop("exp") - now - 900) < 5
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": "http://localhost:8000",
        "sub": agent.subject,
        "aud": relying_party.identifier,
        "nonce": "n-1",
        "at_hash": urlsafe_b64encode(half).decode().rstrip("="),
        "auth_time": int(session.started_at.timestamp()),
        "amr": ["pwd"],
        "acr": "urn:portal:acr:1",
        "sid": session.sid,
        "preferred_username": "alice",
        "name": "Alice Ames",
        "group": {"id": group.pk, "code": "northwind", "name": "Northwind"},
        "departments": [1],
        "campaigns": "all",
        "call": {"did": "+15550100", "cid": "+15550199", "call_id": "c-7", "campaign_id": "2"},
        "destination": "crm:home",
    }


def test_id_token_is_signed_as_the_party_registered(exchange, code):
    RelyingParty.objects.update(algorithm="ES256")

    assert read_id_token(exchange(code).json()["id_token"]).header["alg"] == "ES256"


def test_id_token_tells_a_second_factor(exchange, code):
    AgentSession.objects.update(methods=["pwd", "mfa"])

    claims = read_id_token(exchange(code).json()["id_token"]).claims

    assert (claims["amr"], claims["acr"]) == (["pwd", "mfa"], "urn:portal:acr:2")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("openid", set()),
        ("openid profile", {"preferred_username", "name"}),
        ("openid email", {"email"}),
        ("openid groups", {"group", "departments", "campaigns"}),
        ("openid call", {"call"}),
        ("openid offline_access", set()),
    ],
)
def test_scopes_decide_what_is_told(exchange, make_code, scope, told):
    Agent.objects.update(email="alice@mail.example")
    every = {"preferred_username", "name", "email", "group", "departments", "campaigns", "call"}

    answer = exchange(make_code(scope=scope)).json()

    assert answer["scope"] == scope
    assert read_id_token(answer["id_token"]).claims.keys() & every == told


def test_code_without_openid_gives_no_id_token(exchange, make_code):
    assert "id_token" not in exchange(make_code(scope="profile")).json()


def test_code_without_any_scope_names_none(exchange, make_code):
    assert exchange(make_code(scope="")).json().keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
    }


def test_code_without_a_nonce_gives_an_id_token_without(exchange, make_code):
    assert "nonce" not in read_id_token(exchange(make_code(nonce="")).json()["id_token"]).claims


def test_party_registered_without_refresh_tokens_gets_none(exchange, code):
    RelyingParty.objects.update(gives_refresh_tokens=False)

    assert "refresh_token" not in exchange(code).json()


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_code_is_exchanged_with_and_without_a_trailing_slash(exchange, code, path):
    assert exchange(code, path=path).status_code == 200


def test_unknown_and_blank_parameters_are_ignored(exchange, code):
    assert exchange(code, resource="x", client_secret="", scope="").status_code == 200


def test_code_is_recorded_with_who_got_it(exchange, code, relying_party, agent):
    exchange(code)

    event = Event.objects.get(action="login.redeem")
    assert (event.outcome, event.door, event.actor) == (Outcome.OK, "oidc", relying_party.named)
    assert event.agent == agent.subject


# --- Queries ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def _noted(relying_party, settings):
    """The secret was noted as used just now, a key is there to sign with, and calls are not counted."""
    settings.RATE_LIMITS = False  # one UPDATE; the first of a minute is an INSERT
    RelyingPartySecret.objects.touch(relying_party.secrets.get())
    signing_keys.jwks()


@pytest.mark.usefixtures("_noted")
def test_code_asks_little_of_the_database(exchange, code):
    with Statements(connection) as statements:
        exchange(code)

    # Who calls, the code with all that decides, the key; the claim; event, family, two tokens.
    assert statements.by_kind == {"SELECT": 3, "UPDATE": 1, "INSERT": 4}


@pytest.mark.usefixtures("_noted")
def test_refresh_asks_little_of_the_database(refresh, given):
    with Statements(connection) as statements:
        refresh(given["refresh_token"])

    assert statements.by_kind == {"SELECT": 3, "UPDATE": 1, "INSERT": 3}


def test_access_tokens_are_kept_as_digests_alone(given):
    kept = str([*AccessToken.objects.values(), *RefreshToken.objects.values(), *LoginToken.objects.values()])

    assert given["access_token"] not in kept
    assert given["refresh_token"] not in kept
