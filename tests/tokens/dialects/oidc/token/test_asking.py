"""What is asked of the token endpoint, by whom, and how often."""

import json
from base64 import b64encode
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from tests import factories
from tests.tokens.dialects.oidc.parties import (
    REDIRECT_URI,
    assert_oauth_error,
    basic,
)
from tests.tokens.dialects.oidc.token.answers import PATH
from tests.tokens.statements import Statements
from tokens.models import (
    LoginToken,
    RelyingParty,
    RelyingPartySecret,
)

pytestmark = pytest.mark.django_db


# --- What is asked ---------------------------------------------------------------------------------------------------


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
