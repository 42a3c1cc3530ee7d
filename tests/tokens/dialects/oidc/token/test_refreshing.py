"""A refresh token, exchanged for the next."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.tokens.circumstances import STOPS, name_of
from tests.tokens.dialects.oidc.parties import (
    SCOPE,
    assert_oauth_error,
    basic,
    read_id_token,
)
from tests.tokens.dialects.oidc.token.answers import why_of_last
from tokens.models import (
    RefreshToken,
    RelyingParty,
    TokenFamily,
)

pytestmark = pytest.mark.django_db


def test_refresh_token_is_exchanged_for_the_next_tokens(refresh, given):
    response = refresh(given["refresh_token"])

    answer = response.json()
    assert response.status_code == 200, answer
    assert answer.keys() == given.keys()
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 900, SCOPE)
    assert not {answer["access_token"], answer["refresh_token"]} & set(given.values())


def test_renewed_id_token_keeps_the_sign_in_and_answers_no_nonce(refresh, given):
    first = read_id_token(given["id_token"]).claims

    renewed = refresh(given["refresh_token"]).json()

    claims = read_id_token(renewed["id_token"]).claims
    assert "nonce" not in claims
    for name in ("iss", "sub", "aud", "auth_time", "sid", "amr", "acr", "call"):
        assert claims[name] == first[name], name
    assert claims["at_hash"] != first["at_hash"]
    assert claims["jti"] != first["jti"]


def test_refresh_token_used_twice_is_refused_and_ends_the_family(refresh, given):
    renewed = refresh(given["refresh_token"]).json()

    assert_oauth_error(refresh(given["refresh_token"]), 400, "invalid_grant")
    assert_oauth_error(refresh(renewed["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("scope", ["openid", "profile openid", SCOPE, " openid  profile "])
def test_scope_may_be_narrowed(refresh, given, scope):
    answer = refresh(given["refresh_token"], scope=scope).json()

    assert answer["scope"] == " ".join(scope.split())
    assert ("name" in read_id_token(answer["id_token"]).claims) == ("profile" in scope)


def test_scope_narrowed_once_is_whole_the_next_time(refresh, given):
    narrowed = refresh(given["refresh_token"], scope="openid").json()

    assert refresh(narrowed["refresh_token"]).json()["scope"] == SCOPE


@pytest.mark.parametrize("scope", ["openid admin", "x", "openid offline_access"])
def test_scope_is_never_widened_and_asking_spends_nothing(refresh, given, scope):
    assert_oauth_error(refresh(given["refresh_token"], scope=scope), 400, "invalid_scope")
    assert refresh(given["refresh_token"]).status_code == 200


def test_scope_of_an_unknown_token_says_nothing(refresh):
    assert_oauth_error(refresh("rt_nothing", scope="openid admin"), 400, "invalid_grant")


def test_refresh_token_that_is_missing_is_named(refresh):
    response = refresh("")

    assert_oauth_error(response, 400, "invalid_request")
    assert "refresh_token" in response.json()["error_description"]


@pytest.mark.parametrize("which", ["access_token", "id_token"])
def test_other_tokens_do_not_refresh(refresh, given, which):
    assert refresh(given[which]).status_code == 400
    assert refresh(given["refresh_token"]).status_code == 200


def test_refresh_token_of_another_party_is_refused_and_stays_good(refresh, given, other_party):

    refused = refresh(given["refresh_token"], headers=basic(other_party.identifier, "rs_other"))

    assert_oauth_error(refused, 400, "invalid_grant")
    assert refresh(given["refresh_token"]).status_code == 200


def test_party_that_no_longer_gets_refresh_tokens_is_told_so(refresh, given):
    RelyingParty.objects.update(gives_refresh_tokens=False)

    assert_oauth_error(refresh(given["refresh_token"]), 400, "unauthorized_client")


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_refresh_for_who_may_not_enter_any_more_is_refused(refresh, given, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_oauth_error(refresh(given["refresh_token"]), 400, "invalid_grant")
    assert why_of_last("login.refresh") == stop.why


def test_refresh_after_the_end_of_the_family_is_refused(refresh, given):
    past = timezone.now() - timedelta(seconds=1)
    TokenFamily.objects.update(ends_at=past)
    RefreshToken.objects.update(expires_at=past)

    assert_oauth_error(refresh(given["refresh_token"]), 400, "invalid_grant")
