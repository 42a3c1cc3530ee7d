"""Who a token of the bus stands for."""

import pytest

from groups.models import AgentSession, EndReason
from tests.tokens.circumstances import STOPPED_AGENTS, STOPPED_GROUPS, name_of
from tests.tokens.dialects.bus.conftest import assert_refused
from tokens import signing_keys
from tokens.models import TokenFamily

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask_me(client):
    return lambda authorization: client.get("/bus/me", headers={"Authorization": authorization})


def test_a_server_learns_who_an_id_token_is_of(ask_me, sign_in, agent, group):
    answer = sign_in().json()

    response = ask_me(f"Bearer {answer['credentials']['idToken']}")

    assert response.json() == {"currentUser": answer["currentUser"], "company": answer["company"]}


@pytest.mark.parametrize("stop", STOPPED_AGENTS + STOPPED_GROUPS, ids=name_of)
def test_an_id_token_of_who_was_stopped_is_worth_nothing(ask_me, sign_in, agent, entitlement, stop):
    token = sign_in().json()["credentials"]["idToken"]
    stop.act(agent, entitlement)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")


def test_an_id_token_ends_with_its_session(ask_me, sign_in):
    token = sign_in().json()["credentials"]["idToken"]
    AgentSession.objects.all().end(EndReason.ENDED)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")


def test_an_id_token_ends_when_it_says(ask_me, sign_in):
    token = sign_in().json()["credentials"]["idToken"]
    claims = signing_keys.read(token)

    late = signing_keys.sign(claims | {"exp": claims["iat"] - 1})

    assert_refused(ask_me(f"Bearer {late}"), 401, "unauthorized")


@pytest.mark.parametrize(
    "change", [{"aud": "bus:0"}, {"aud": "rp_x"}, {"jti": "x"}, {"jti": None}, {"iss": "x"}]
)
def test_another_token_of_the_portals_is_worth_nothing(ask_me, sign_in, change):
    claims = signing_keys.read(sign_in().json()["credentials"]["idToken"])

    assert_refused(ask_me(f"Bearer {signing_keys.sign(claims | change)}"), 401, "unauthorized")


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "Bearer at_x", "Bearer é"]
)
def test_without_a_token_nothing_is_told(ask_me, shown):
    response = ask_me(shown.encode().decode("latin-1"))

    assert_refused(response, 401, "unauthorized")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_relying_partys_access_token_is_worth_nothing_here(
    ask_me, sign_in, relying_party, client_company, legacy
):
    token = sign_in().json()["credentials"]["legacy_token"]
    TokenFamily.objects.update(relying_party=relying_party, client=client_company)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")
