"""ID tokens and signed hand-offs: what they say."""

from datetime import timedelta

import pytest
from django.utils import timezone

from groups.entering import Entry
from tests.tokens.dialects.oidc.parties import read_id_token
from tokens import signing_keys
from tokens.id_tokens import granted_scope, id_token, is_within, signed_login
from tokens.issuing import CallContext
from tokens.logins import Login, told_of, who_is

pytestmark = pytest.mark.django_db


@pytest.fixture
def login(entry: Entry) -> Login:
    """Alice at demoaws, whom software vouched for."""
    who, group = who_is(entry.agent), told_of(entry.agent.group)
    call = CallContext("+15550100", destination="crm:home")
    return Login(who, group, "demoaws", [1], [2], call, methods=[], authenticated_at=None, sid="")


def test_what_is_not_known_is_left_out(login, relying_party):
    claims = read_id_token(id_token(login, relying_party=relying_party, scope="openid")).claims

    assert not claims.keys() & {"auth_time", "sid", "nonce", "at_hash", "name", "email"}
    assert (claims["amr"], claims["acr"]) == ([], "urn:portal:acr:1")


def test_signed_hand_off_tells_everything_for_a_minute(login, relying_party, agent):
    token = read_id_token(signed_login(login, relying_party=relying_party, trace="0123456789ab"))

    claims, now = token.claims, timezone.now().timestamp()
    assert (claims["sub"], claims["aud"]) == (agent.subject, relying_party.identifier)
    assert (claims["jti"], claims["preferred_username"]) == ("0123456789ab", "alice")
    assert (claims["campaigns"], claims["call"]["did"]) == ([2], "+15550100")
    assert abs(claims["exp"] - now - 60) < 5


def test_signed_hand_off_is_no_id_token(login, relying_party):
    token = signed_login(login, relying_party=relying_party, trace="x")

    assert signing_keys.read(token) is None
    assert read_id_token(token).header["typ"] == "login+jwt"


def test_lifetime_is_a_quarter_of_an_hour_unless_said_otherwise(login, relying_party):
    usual = read_id_token(id_token(login, relying_party=relying_party, scope="openid")).claims
    short = read_id_token(
        id_token(login, relying_party=relying_party, scope="openid", lifetime=timedelta(seconds=60))
    ).claims

    assert (usual["exp"] - usual["iat"], short["exp"] - short["iat"]) == (900, 60)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("openid profile", "openid profile"),
        ("profile openid profile", "profile openid"),
        ("openid admin address", "openid"),
        ("OPENID", ""),
        ("", ""),
        ("  openid  ", "openid"),
        ("openid\tprofile", ""),
    ],
)
def test_scope_that_means_nothing_is_not_granted(asked, granted):
    assert granted_scope(asked) == granted


def test_scope_is_within_what_was_granted():
    assert is_within("openid", "openid profile")
    assert not is_within("openid email", "openid profile")
    assert not is_within("open", "openid")
