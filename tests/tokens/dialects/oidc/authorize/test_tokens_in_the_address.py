"""Tokens instead of a code, for relying parties that may have them so."""

import pytest

from accounts.models import Event, Outcome
from sso_portal.lib.secrets import digest_of
from tests.tokens.dialects.oidc.authorize.asking import assert_sent_back, told
from tests.tokens.dialects.oidc.parties import (
    SCOPE,
    read_id_token,
)
from tokens.id_tokens import half_hash
from tokens.models import AccessToken, RelyingParty

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def test_token_grant_answers_in_the_fragment(by_token):
    answer = told(by_token(), by="fragment")

    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "id_token", "state", "iss"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", "900", SCOPE)


def test_token_grant_binds_the_id_token_to_nonce_and_access_token(by_token, old_party, agent, session):
    answer = told(by_token(), by="fragment")

    claims = read_id_token(answer["id_token"]).claims
    assert (claims["aud"], claims["sub"], claims["sid"]) == (
        old_party.identifier,
        agent.subject,
        session.sid,
    )
    assert claims["nonce"] == "a nonce"
    assert claims["at_hash"] == half_hash(answer["access_token"])


def test_token_grant_begins_a_family_without_refresh_tokens(by_token, old_party):
    answer = told(by_token(), by="fragment")

    token = AccessToken.objects.get(digest=digest_of(answer["access_token"]))
    assert (token.family.relying_party, token.family.nonce) == (old_party, "a nonce")
    assert not token.family.refresh_tokens.exists()


def test_token_grant_writes_both_acts_down(by_token):
    by_token()

    assert list(Event.objects.values_list("action", "outcome")) == [
        ("login.issue", Outcome.OK),
        ("login.redeem", Outcome.OK),
    ]


def test_token_grant_in_the_other_order_is_the_same(by_token):
    assert "id_token" in told(by_token(response_type="token id_token"), by="fragment")


def test_token_grant_by_form_post(by_token):
    assert 'name="id_token"' in by_token(response_mode="form_post").content.decode()


def test_token_grant_never_answers_in_the_query(by_token):
    assert_sent_back(by_token(response_mode="query"), "invalid_request", by="fragment")


def test_token_grant_without_nonce_is_refused(by_token):
    assert_sent_back(by_token(nonce=None), "invalid_request", by="fragment")


def test_token_grant_without_openid_is_refused(by_token):
    assert_sent_back(by_token(scope="profile"), "invalid_scope", by="fragment")


def test_token_grant_that_is_not_allowed_is_refused(by_token):
    RelyingParty.objects.update(allows_token_grant=False)

    assert_sent_back(by_token(), "unauthorized_client", by="fragment")
    assert not AccessToken.objects.exists()
