"""A code that is worth nothing here, or nothing any more."""

from datetime import timedelta

import pytest

from accounts.models import Event
from groups.models import Agent, AgentSession, EndReason
from tests import factories
from tests.tokens.circumstances import STOPS, age, name_of
from tests.tokens.dialects.oidc.parties import (
    CHALLENGE,
    REDIRECT_URI,
    assert_oauth_error,
    basic,
)
from tests.tokens.dialects.oidc.token.answers import why_of_last
from tokens.models import (
    Kind,
    LoginToken,
    RelyingParty,
    TokenFamily,
)

pytestmark = pytest.mark.django_db


def refused_code(exchange, code, why: str, **changed) -> None:
    assert_oauth_error(exchange(code, **changed), 400, "invalid_grant")
    assert why_of_last("login.redeem") == why
    assert not TokenFamily.objects.exists()


def test_code_with_another_redirect_uri_is_refused(exchange, code):
    refused_code(exchange, code, "another redirect_uri", redirect_uri=f"{REDIRECT_URI}/")


def test_code_with_a_wrong_verifier_is_refused(exchange, code):
    refused_code(exchange, code, "wrong verifier", code_verifier="w" * 43)


@pytest.mark.parametrize("verifier", [None, "", "v" * 42, "v" * 129, "v" * 42 + "+", CHALLENGE + "\x00"])
def test_code_with_what_is_no_verifier_is_refused(exchange, code, verifier):
    refused_code(exchange, code, "no verifier", code_verifier=verifier)


def test_code_with_the_challenge_itself_as_verifier_is_refused(exchange, code):
    refused_code(exchange, code, "wrong verifier", code_verifier=CHALLENGE)


def test_code_with_a_verifier_that_no_challenge_asked_for_is_refused(exchange, make_code):
    RelyingParty.objects.update(needs_pkce=False)

    refused_code(exchange, make_code(challenge=""), "verifier without challenge")


def test_code_without_pkce_works_where_the_party_is_registered_so(exchange, make_code):
    RelyingParty.objects.update(needs_pkce=False)

    assert exchange(make_code(challenge=""), code_verifier=None).status_code == 200


def test_code_without_challenge_is_refused_where_the_party_needs_pkce(exchange, make_code):
    refused_code(exchange, make_code(challenge=""), "verifier without challenge", code_verifier=None)


def test_code_of_another_party_of_the_same_client_is_refused_and_stays_good(exchange, code, other_party):

    refused_code(exchange, code, "another relying party's", headers=basic(other_party.identifier, "rs_other"))
    assert exchange(code).status_code == 200


def test_code_of_another_client_is_refused_and_stays_good(exchange, code):
    other_party = factories.RelyingPartyFactory(secret="rs_other")

    refused_code(exchange, code, "another client's", headers=basic(other_party.identifier, "rs_other"))
    assert exchange(code).status_code == 200


def test_code_that_expired_is_refused(exchange, code):
    age(LoginToken.objects.get(), timedelta(seconds=61))

    refused_code(exchange, code, "expired")


def test_code_that_nobody_issued_is_refused(exchange):
    refused_code(exchange, "lt_nothing", "unknown")


@pytest.mark.parametrize("kind", [Kind.HAND_OFF, Kind.ENTRANCE, Kind.LAUNCH, Kind.SIGNED])
def test_login_token_of_another_kind_is_no_code(exchange, issue_to_alice, session, relying_party, kind):
    refused_code(exchange, issue_to_alice(kind=kind, session=session).secret, "unknown")


def test_code_is_refused_alike_whatever_is_wrong(exchange, make_code):
    answers = [
        exchange("lt_nothing"),
        exchange(make_code(), redirect_uri="https://elsewhere.example/"),
        exchange(make_code(), code_verifier="w" * 43),
    ]

    assert len({answer.content for answer in answers}) == 1


def test_code_used_twice_is_refused_and_revokes_what_it_gave(exchange, code, post, given):
    refused = exchange(code)

    assert_oauth_error(refused, 400, "invalid_grant")
    assert why_of_last("login.redeem") == "already used"
    assert TokenFamily.objects.get().end_reason == "reused"
    again = post({"grant_type": "refresh_token", "refresh_token": given["refresh_token"]})
    assert_oauth_error(again, 400, "invalid_grant")


def test_code_used_twice_is_written_down_as_a_revocation_once(exchange, code, given):
    for _ in range(3):
        exchange(code)

    assert Event.objects.filter(action="login.revoke").count() == 1


def test_log_names_no_public_party_as_the_one_who_acted(exchange, refresh, make_code, public_party):
    """Whoever calls himself that has proved nothing, at any step of it."""
    said = {"headers": {}, "client_id": public_party.identifier}
    code = make_code(issued_to=public_party)
    given = exchange(code, **said).json()
    refresh(given["refresh_token"], **said)
    exchange(code, **said)  # the second time
    exchange(None, **said)

    events = Event.objects.exclude(action="login.issue").order_by("pk")

    assert list(events.values_list("action", "actor")) == [
        ("login.redeem", "anonymous"),
        ("login.refresh", "anonymous"),
        ("login.redeem", "anonymous"),
        ("login.revoke", "anonymous"),
        ("login.redeem", "anonymous"),
    ]
    assert {event.details["relying_party"] for event in events} == {public_party.identifier}


def test_code_shown_again_by_another_party_revokes_nothing(exchange, code, given, other_party):

    exchange(code, headers=basic(other_party.identifier, "rs_other"))

    assert TokenFamily.objects.get().revoked_at is None


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_code_of_who_may_not_enter_any_more_is_refused(exchange, code, agent, entitlement, stop):
    stop.act(agent, entitlement)

    refused_code(exchange, code, stop.why)


@pytest.mark.parametrize("reason", [EndReason.SIGNED_OUT, EndReason.STOPPED, EndReason.SWITCHED])
def test_code_of_a_session_that_ended_is_refused(exchange, code, reason):
    AgentSession.objects.all().end(reason)

    refused_code(exchange, code, "session ended")


def test_code_of_a_session_that_is_gone_is_refused(exchange, code):
    AgentSession.objects.all().delete()

    refused_code(exchange, code, "session ended")


def test_code_of_who_moved_to_another_group_is_refused(exchange, code, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    Agent.objects.update(group=other_group)

    refused_code(exchange, code, "agent moved")
