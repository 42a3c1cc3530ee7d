"""The token endpoint (wire.md, section 6): codes and refresh tokens in, tokens out."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from groups.models import Agent, AgentSession, EndReason
from tests import factories
from tests.tokens.circumstances import STOPS, age, name_of
from tests.tokens.dialects.oidc.parties import (
    CHALLENGE,
    REDIRECT_URI,
    SCOPE,
    assert_oauth_error,
    basic,
    read_id_token,
)
from tests.tokens.test_queries import Statements
from tokens import signing_keys
from tokens.issuing import CallContext
from tokens.models import (
    AccessToken,
    Kind,
    LoginToken,
    RefreshToken,
    RelyingParty,
    RelyingPartySecret,
    TokenFamily,
    Use,
)

pytestmark = pytest.mark.django_db
PATH = "/oauth/token"
ORIGIN = "https://demoaws.crm.example"


def why_of_last(action: str) -> str:
    event = Event.objects.filter(action=action, outcome=Outcome.REFUSED).latest("pk")
    return event.details["why"]


# --- A code --------------------------------------------------------------------------------------------------------


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


# --- A code that is refused ------------------------------------------------------------------------------------------


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


# --- What is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grant_type", "code", "redirect_uri"])
@pytest.mark.parametrize("value", [None, ""])
def test_parameter_that_is_missing_is_named_and_spends_nothing(exchange, code, name, value):
    changed = {"code": code} | {name: value}

    response = exchange(changed.pop("code"), **changed)

    assert_oauth_error(response, 400, "invalid_request")
    assert name in response.json()["error_description"]
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize("name", ["code", "redirect_uri", "grant_type"])
def test_parameter_that_is_too_long_is_named(exchange, code, name):
    changed = {"code": code} | {name: "x" * 600}

    response = exchange(changed.pop("code"), **changed)

    assert_oauth_error(response, 400, "invalid_request")
    assert name in response.json()["error_description"]


@pytest.mark.parametrize(
    "grant",
    [
        *("password", "client_credentials", "implicit", "x", "authorization_code "),
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
)
def test_grant_that_is_not_offered_is_refused(post, grant):
    response = post({"grant_type": grant, "username": "alice", "password": factories.PASSWORD})

    assert_oauth_error(response, 400, "unsupported_grant_type")


def test_parameter_given_twice_is_refused_and_spends_nothing(post, code):
    form = [("grant_type", "authorization_code"), ("code", code), ("code", code)]

    assert_oauth_error(post([*form, ("redirect_uri", REDIRECT_URI)]), 400, "invalid_request")
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize(
    "form",
    [
        b"\xff=\xfe",
        b"grant_type=%ff%fe",
        b"&&&",
        b"=",
        b"grant_type=authorization_code&code=%00&redirect_uri=%00",
        b"grant_type=refresh_token&refresh_token=%00",
        b"grant_type=refresh_token&refresh_token=rt_x&scope=%00",
        b"client_id=%00&grant_type=authorization_code",
        b"&".join(b"a%d=1" % i for i in range(500)),
    ],
)
def test_form_of_anything_is_refused_in_oauths_words(post, form):
    response = post(form)

    assert response.status_code == 400
    assert response.json().keys() == {"error", "error_description"}


def test_what_is_in_the_query_counts_for_nothing(post, code, relying_party):
    query = f"?grant_type=authorization_code&code={code}&client_secret={factories.SECRET}"

    assert_oauth_error(post({}, path=PATH + query), 400, "invalid_request")
    named = f"?client_id={relying_party.identifier}&client_secret={factories.SECRET}"
    assert_oauth_error(post({}, path=PATH + named, headers={}), 401, "invalid_client")


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"]
)
def test_body_that_is_no_form_is_refused(client, relying_party, content_type):
    response = client.post(
        PATH, json.dumps({"grant_type": "x"}), content_type, headers=basic(relying_party.identifier)
    )

    assert_oauth_error(response, 415, "invalid_request")
    assert "application/x-www-form-urlencoded" in response.json()["error_description"]


def test_body_of_more_than_one_mebibyte_is_refused(post):
    assert_oauth_error(post(b"a=" + b"x" * 1024 * 1024), 413, "invalid_request")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_are_refused(client, method):
    response = getattr(client, method)(PATH)

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert method == "head" or response.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/oauth/token/x", "/oauth/tokens", "/oauth/introspect/x", "/.well-known/x"])
def test_address_beside_is_not_found_in_oauths_words(post, path):
    assert_oauth_error(post({}, path=path), 404, "invalid_request")


# --- Who asks --------------------------------------------------------------------------------------------------------


def test_client_secret_post_works(exchange, code, relying_party):
    named = {"client_id": relying_party.identifier, "client_secret": factories.SECRET}

    assert exchange(code, headers={}, **named).status_code == 200


def test_client_secret_basic_with_the_client_id_in_the_body_too_works(exchange, code, relying_party):
    assert exchange(code, client_id=relying_party.identifier).status_code == 200


def test_client_secret_basic_that_encodes_every_character_works(exchange, code, relying_party):
    def encode(text: str) -> str:
        return "".join(f"%{ord(c):02X}" for c in text)

    pair = f"{encode(relying_party.identifier)}:{encode(factories.SECRET)}".encode()
    header = {"Authorization": "Basic " + b64encode(pair).decode()}

    assert exchange(code, headers=header).status_code == 200


def test_client_secret_basic_with_signs_that_are_encoded_works(exchange, make_code, client_company):
    party = factories.RelyingPartyFactory(client=client_company, secret="rs:a +/%=é")

    response = exchange(make_code(issued_to=party), headers=basic(party.identifier, "rs:a +/%=é"))

    assert response.status_code == 200


def test_two_methods_at_once_are_refused(exchange, code):
    response = exchange(code, client_secret=factories.SECRET)

    assert_oauth_error(response, 400, "invalid_request")
    assert LoginToken.objects.get().redeemed_at is None


def test_another_client_id_in_the_body_is_refused(exchange, code):
    assert_oauth_error(exchange(code, client_id="rp_other"), 400, "invalid_request")


def test_public_party_says_its_id(exchange, make_code, public_party):
    code = make_code(issued_to=public_party)

    assert exchange(code, headers={}, client_id=public_party.identifier).status_code == 200


def test_public_party_may_say_its_id_by_basic_without_a_secret(exchange, make_code, public_party):
    code = make_code(issued_to=public_party)

    assert exchange(code, headers=basic(public_party.identifier, "")).status_code == 200


def test_confidential_party_without_its_secret_is_refused(exchange, code, relying_party):
    assert_oauth_error(exchange(code, headers={}, client_id=relying_party.identifier), 401, "invalid_client")
    assert_oauth_error(exchange(code, headers=basic(relying_party.identifier, "")), 401, "invalid_client")


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic ", "Basic !!!", "Basic YTpi=", "Bearer at_x", "Digest x", "", "Basic OmE="),
        "Basic AAA6AAA=",
        "Basic /////w==",
    ],
)
def test_header_that_says_nobody_is_refused_with_a_challenge(exchange, code, header):
    response = exchange(code, headers={"Authorization": header})

    assert_oauth_error(response, 401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_unknown_id_and_wrong_secret_get_one_answer(exchange, code, relying_party, public_party):
    RelyingParty.objects.filter(pk=public_party.pk).update(is_active=False)
    name = relying_party.identifier
    answers = [
        exchange(code, headers=basic("rp_unknown")),
        exchange(code, headers=basic(name, "rs_wrong")),
        exchange(code, headers={}),
        exchange(code, headers={}, client_id=name),
        exchange(code, headers={}, client_id="rp_unknown"),
        exchange(code, headers={}, client_id=public_party.identifier),
        exchange(code, headers={}, client_id=name, client_secret="rs_wrong"),
    ]

    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize("headers", [basic("rp_unknown"), basic("rp_unknown", "")])
def test_unknown_id_costs_what_a_wrong_secret_costs(exchange, code, relying_party, headers):
    exchange(code, headers=headers)  # the first of a minute makes the tallies
    with Statements(connection) as unknown:
        exchange(code, headers=headers)
    with Statements(connection) as wrong:
        exchange(code, headers=basic(relying_party.identifier, "rs_wrong"))

    assert unknown.by_kind == wrong.by_kind


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_secret_that_ended_is_refused(exchange, code, field):
    RelyingPartySecret.objects.update(**{field: timezone.now()})

    assert_oauth_error(exchange(code), 401, "invalid_client")


def test_inactive_party_is_refused(exchange, code):
    RelyingParty.objects.update(is_active=False)

    assert_oauth_error(exchange(code), 401, "invalid_client")


def test_wrong_secret_is_recorded_with_the_id_and_no_secret(exchange, code, relying_party):
    exchange(code, headers=basic(relying_party.identifier, "rs_a-secret-of-theirs"))

    event = Event.objects.get(action="login.redeem")
    assert (event.outcome, event.reason) == (Outcome.REFUSED, "invalid_client")
    assert event.details["identifier"] == relying_party.identifier
    assert "rs_a-secret" not in str(vars(event))


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
def test_refused_credentials_are_found_in_the_log_by_the_reference_of_the_answer(
    exchange, relying_party, path
):
    response = exchange("x", path=path, headers=basic(relying_party.identifier, "rs_wrong"))

    assert_oauth_error(response, 401, "invalid_client")
    event = Event.objects.get(reference=response.headers["X-Request-Id"])
    assert (event.reason, event.details["identifier"]) == ("invalid_client", relying_party.identifier)


def test_secret_is_noted_as_used(exchange, code, relying_party):
    exchange(code)

    assert relying_party.secrets.get().last_used_at is not None


# --- How often -------------------------------------------------------------------------------------------------------


def use_up(who: str) -> None:
    minute = timezone.now().replace(second=0, microsecond=0)
    for later in (0, 1):
        Tally.objects.create(
            limit="token endpoint", who=who, minute=minute + timedelta(minutes=later), times=300
        )


def test_three_hundred_and_first_call_of_a_party_has_to_wait(exchange, code, relying_party):
    use_up(relying_party.identifier)

    response = exchange(code)

    assert_oauth_error(response, 429, "temporarily_unavailable")
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert LoginToken.objects.get().redeemed_at is None


def test_public_party_is_counted_by_address_so_that_nobody_uses_it_up(exchange, make_code, public_party):
    use_up(f"{public_party.identifier} 203.0.113.9")
    named = {"headers": {}, "client_id": public_party.identifier}

    there = exchange(make_code(issued_to=public_party), **named, extra={"REMOTE_ADDR": "203.0.113.9"})
    here = exchange(make_code(issued_to=public_party), **named)

    assert (there.status_code, here.status_code) == (429, 200)


def test_wrong_secrets_of_another_address_shut_nobody_out(exchange, code, limit_a_minute):
    limit_a_minute("refused credentials", 3)
    elsewhere = {"headers": basic("rp_x"), "extra": {"REMOTE_ADDR": "203.0.113.9"}}

    assert [exchange(code, **elsewhere).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert exchange(code).status_code == 200


# --- A refresh token -------------------------------------------------------------------------------------------------


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


# --- Scripts of other origins ----------------------------------------------------------------------------------------


@pytest.fixture
def registered_origin(relying_party):
    return relying_party.addresses.create(use=Use.ORIGIN, address=ORIGIN)


@pytest.mark.usefixtures("registered_origin")
def test_script_of_a_registered_origin_may_read_the_answer(exchange, code):
    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers["Vary"] == "Origin"


@pytest.mark.usefixtures("registered_origin")
def test_script_of_a_registered_origin_may_read_a_refusal(exchange):
    for headers in (None, {}):
        response = exchange("lt_x", headers=headers, extra={"HTTP_ORIGIN": ORIGIN})
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"{ORIGIN}:443", f"{ORIGIN}.evil.example", "http://demoaws.crm.example"],
)
@pytest.mark.usefixtures("registered_origin")
def test_script_of_another_origin_reads_nothing(exchange, code, origin):
    response = exchange(code, extra={"HTTP_ORIGIN": origin})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_script_of_an_origin_that_another_party_registered_reads_nothing(exchange, code):
    factories.RelyingPartyFactory(secret="rs_o").addresses.create(use=Use.ORIGIN, address=ORIGIN)

    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_redirect_address_is_no_origin(exchange, code, relying_party):
    relying_party.addresses.create(use=Use.REDIRECT, address=ORIGIN)

    response = exchange(code, extra={"HTTP_ORIGIN": ORIGIN})

    assert "Access-Control-Allow-Origin" not in response.headers


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
