"""A code, for those who are signed in (wire.md, section 6)."""

import pytest
from django.db import connection

from accounts.models import Event, Outcome
from sso_portal.lib.secrets import digest_of
from tests.tokens.dialects.oidc.authorize.asking import ISSUER, PATH, told, usual, without
from tests.tokens.dialects.oidc.parties import (
    CHALLENGE,
    REDIRECT_URI,
    SCOPE,
    VERIFIER,
)
from tests.tokens.statements import Statements
from tokens.dialects.oidc.exchanging import exchange
from tokens.models import Kind, LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- The code --------------------------------------------------------------------------------------------------------


def test_signed_in_agent_goes_back_with_a_code(authorize):
    answer = told(authorize())

    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("a state", ISSUER)
    assert LoginToken.objects.get().digest == digest_of(answer["code"])


def test_code_is_bound_to_session_party_and_request(authorize, session, party, agent):
    authorize()

    token = LoginToken.objects.get()
    assert (token.kind, token.session, token.issued_to) == (Kind.CODE, session, party)
    assert (token.agent, token.client) == (agent, party.client)
    assert token.terms == {
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "nonce": "a nonce",
        "challenge": CHALLENGE,
    }


def test_code_is_exchanged_for_tokens(authorize, party, caller):
    code = told(authorize())["code"]

    exchanged = exchange(
        code, relying_party=party, redirect_uri=REDIRECT_URI, verifier=VERIFIER, caller=caller
    )
    assert exchanged.login.who.username == "alice"


def test_code_is_written_down(authorize, agent, group):
    response = authorize()

    event = Event.objects.get()
    assert (event.action, event.outcome, event.door) == ("login.issue", Outcome.OK, "oidc")
    assert (event.actor, event.group_id, event.client) == (f"agent:{agent.subject}", group.pk, "demoaws")
    assert event.reference == response.headers["X-Request-Id"]
    assert event.details["kind"] == "code"


def test_answer_is_never_stored_and_tells_no_referrer(authorize):
    response = authorize()

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not response.cookies


def test_trailing_slash_is_tolerated(signed_in, party):
    assert "code" in told(signed_in.get(f"{PATH}/", usual(party)))


def test_answer_without_state_has_none(authorize):
    assert told(authorize(state=None)).keys() == {"code", "iss"}


def test_scope_is_cut_to_what_means_something_here(authorize):
    authorize(scope="openid offline_access crm.write openid call")

    assert LoginToken.objects.get().terms["scope"] == "openid offline_access call"


@pytest.mark.parametrize("scope", [None, "", "profile"])
def test_plain_oauth_without_openid_is_accepted(authorize, scope):
    assert "code" in told(authorize(scope=scope))


def test_party_with_pkce_needs_no_nonce(authorize):
    assert "code" in told(authorize(nonce=None))


def test_party_registered_without_pkce_goes_by_nonce(signed_in, old_party):
    asked = without(usual(old_party), "code_challenge", "code_challenge_method")

    assert "code" in told(signed_in.get(PATH, asked))
    assert LoginToken.objects.get().terms["challenge"] == ""


@pytest.mark.parametrize("unknown", ["display", "ui_locales", "acr_values", "claims", "resource", "x"])
def test_other_parameters_are_ignored(authorize, unknown):
    assert "code" in told(authorize(**{unknown: "1"}))


def test_parameter_without_a_value_counts_as_absent(authorize):
    assert "code" in told(
        authorize(request="", prompt="", max_age="", group="", response_mode="", login_hint="")
    )


@pytest.mark.parametrize("prompt", ["none", "consent"])
def test_signed_in_agent_is_asked_nothing(authorize, prompt):
    assert "code" in told(authorize(prompt=prompt))


# --- Statements ------------------------------------------------------------------------------------------------------


@pytest.fixture
def statements(authorize):

    def count(**changed) -> Statements:
        with Statements(connection) as sent:
            authorize(**changed)
        return sent

    return count


@pytest.mark.django_db(transaction=True)
def test_signed_in_agent_costs_two_selects_and_one_transaction_of_two_inserts(statements):
    sent = statements()

    assert sent.by_kind == {"SELECT": 2, "INSERT": 2}
    assert sent.in_order == ["SELECT", "SELECT", "BEGIN", "INSERT", "INSERT", "COMMIT"]


@pytest.mark.django_db(transaction=True)
def test_launch_costs_one_select_and_its_claim_more(statements, launch):
    sent = statements(login_hint=launch.secret)

    assert sent.by_kind == {"SELECT": 3, "UPDATE": 1, "INSERT": 3}
    assert sent.in_order.count("BEGIN") == 1


@pytest.mark.django_db(transaction=True)
def test_load_that_is_no_navigation_costs_nothing(statements):
    assert statements(headers={"Sec-Purpose": "prefetch"}).in_order == []
