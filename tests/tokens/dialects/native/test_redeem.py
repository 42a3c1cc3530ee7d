"""Redeeming over HTTP (wire.md, sections 1 and 7): Basic in, problem details out."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from groups.models import Agent
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.asking import basic
from tests.tokens.circumstances import STOPS, age, name_of
from tokens.issuing import CallContext
from tokens.models import Kind, LoginToken, RelyingPartySecret

pytestmark = pytest.mark.django_db

PATH = "/api/v1/tokens/redeem"
PROBLEM = {"type", "title", "status", "code", "detail", "request_id"}


@pytest.fixture
def send(relying_party):
    """Send one request as demoaws' CRM, where the test says nothing else. No answer may be a 5xx."""
    right = basic(relying_party.identifier, factories.SECRET)

    def send_one(
        body, *, method="post", path=PATH, authorization=right, content_type="application/json", **extra
    ):
        if authorization is not None:
            extra["HTTP_AUTHORIZATION"] = authorization
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Client(HTTP_HOST=PORTAL).generic(method.upper(), path, data, content_type, **extra)

    return send_one


@pytest.fixture
def redeem(send):
    return lambda secret, **changed: send({"token": secret}, **changed)


def assert_problem(response, status: int, code: str) -> None:
    """RFC 9457, with the portal's own members."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem.keys() >= PROBLEM
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert problem["detail"]
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


# --- Redeemed --------------------------------------------------------------------------------------------------------


def test_redeem_answers_exactly_what_was_promised(
    redeem, issue_to_alice, session, agent, group, relying_party
):
    call = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")
    issued = issue_to_alice(session=session, call=call)
    session.refresh_from_db()
    issued.token.refresh_from_db()

    response = redeem(issued.secret)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "iss": "http://localhost:8000",
        "sub": agent.subject,
        "aud": relying_party.identifier,
        "username": "alice",
        "fullname": "Alice Ames",
        "email": None,
        "group": {"id": group.pk, "code": "northwind", "name": "Northwind"},
        "client": "demoaws",
        "departments": [1],
        "campaigns": "all",
        "call": {"did": "+15550100", "cid": "+15550199", "call_id": "c-7", "campaign_id": "2"},
        "destination": "crm:home",
        "amr": ["pwd"],
        "auth_time": int(session.started_at.timestamp()),
        "issued_at": int(issued.token.issued_at.timestamp()),
        "sid": session.sid,
    }


def test_redeem_of_a_login_that_software_asked_for_has_the_same_keys(redeem, issue_to_alice):
    issued = issue_to_alice(call=CallContext(), departments=[1], campaigns=[2, 1])

    answer = redeem(issued.secret).json()

    assert len(answer) == 16
    assert (answer["amr"], answer["auth_time"], answer["sid"]) == ([], None, None)
    assert (answer["departments"], answer["campaigns"], answer["destination"]) == ([1], [1, 2], None)
    assert answer["call"] == {"did": None, "cid": None, "call_id": None, "campaign_id": None}


def test_redeem_tells_the_email_where_there_is_one(redeem, issued):
    Agent.objects.update(email="alice@mail.example")

    assert redeem(issued.secret).json()["email"] == "alice@mail.example"


def test_redeem_tells_no_primary_key_of_the_agent(redeem, issued, agent):
    answer = redeem(issued.secret).json()

    assert "id" not in answer
    assert answer["sub"] not in (agent.pk, str(agent.pk))


def test_redeem_is_never_stored_sets_no_cookie_and_opens_to_no_origin(redeem, issued):
    response = redeem(issued.secret, HTTP_ORIGIN="https://evil.example")

    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_redeem_with_a_trailing_slash_works(redeem, issued):
    assert redeem(issued.secret, path=f"{PATH}/").status_code == 200


def test_redeem_with_a_charset_in_the_content_type_works(redeem, issued):
    assert redeem(issued.secret, content_type="application/json; charset=utf-8").status_code == 200


def test_redeem_with_spaces_around_the_token_works(redeem, issued):
    assert redeem(f" {issued.secret}\n").status_code == 200


def test_redeem_with_unknown_fields_ignores_them(send, issued):
    assert send({"token": issued.secret, "client": "acme"}).status_code == 200


def test_redeem_records_the_address(redeem, issued):
    redeem(issued.secret, REMOTE_ADDR="203.0.113.77", HTTP_X_FORWARDED_FOR="127.0.0.1")

    assert Event.objects.get(action="login.redeem").address == "203.0.113.77"
    assert LoginToken.objects.get().redeemed_from == "203.0.113.77"


# --- Refused ---------------------------------------------------------------------------------------------------------


def test_redeem_twice_is_refused(redeem, issued):
    redeem(issued.secret)

    assert_problem(redeem(issued.secret), 400, "invalid_token")


def anonymous(response) -> dict[str, object]:
    """The answer without its reference number."""
    return response.json() | {"request_id": ""}


@pytest.fixture
def unknown(redeem) -> dict[str, object]:
    """The answer to a token that never was."""
    response = redeem("lt_nothing")
    assert_problem(response, 400, "invalid_token")
    return anonymous(response)


def test_redeem_of_a_spent_token_is_answered_as_an_unknown_one(redeem, issued, unknown):
    redeem(issued.secret)

    assert anonymous(redeem(issued.secret)) == unknown


def test_redeem_of_an_expired_token_is_answered_as_an_unknown_one(redeem, issued, unknown):
    age(issued.token, timedelta(seconds=61))

    assert anonymous(redeem(issued.secret)) == unknown


def test_redeem_of_an_entrance_is_answered_as_an_unknown_one(redeem, issue_to_alice, unknown):
    assert anonymous(redeem(issue_to_alice(kind=Kind.ENTRANCE).secret)) == unknown


def test_redeem_by_another_client_is_answered_as_an_unknown_one(redeem, issued, unknown):
    stranger = factories.RelyingPartyFactory(secret="rs_stranger")

    refused = redeem(issued.secret, authorization=basic(stranger.identifier, "rs_stranger"))

    assert anonymous(refused) == unknown
    assert redeem(issued.secret).status_code == 200


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_redeem_for_somebody_who_may_not_enter_is_answered_as_an_unknown_one(
    redeem, issued, agent, entitlement, unknown, stop
):
    stop.act(agent, entitlement)

    assert anonymous(redeem(issued.secret)) == unknown


def test_redeem_refused_is_recorded_once_with_its_reference(redeem, issued):
    redeem(issued.secret)
    response = redeem(issued.secret)

    event = Event.objects.get(action="login.redeem", outcome=Outcome.REFUSED)
    assert event.reference == response.json()["request_id"]


# --- Credentials -----------------------------------------------------------------------------------------------------


def encoded(raw: bytes) -> str:
    return "Basic " + base64.b64encode(raw).decode()


MALFORMED = {
    "none": None,
    "empty": "",
    "scheme-only": "Basic",
    "scheme-and-space": "Basic ",
    "not-base64": "Basic !!!",
    "bad-padding": "Basic YTpi=",
    "no-colon": encoded(b"rp_1"),
    "empty-name-and-secret": encoded(b":"),
    "not-utf-8": encoded(b"rp\xff:\xfe"),
    "nul": encoded(b"rp\x00:rs\x00"),
    "very-long": encoded(b"a" * 5000 + b":b"),
    "non-ascii-header": "Basic \xe9\xff",
    "bearer": f"Bearer {factories.SECRET}",
    "bearer-of-basic": "Bearer cnA6cnM=",
    "digest": 'Digest username="rp"',
    "url-safe-base64": "Basic -_-_",
    "two": f"{encoded(b'a:b')}, {encoded(b'c:d')}",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_redeem_with_malformed_credentials_is_refused(redeem, issued, name):
    response = redeem(issued.secret, authorization=MALFORMED[name])

    assert_problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize("which", ["id", "secret", "both", "empty-secret", "swapped", "case"])
def test_redeem_with_wrong_credentials_is_refused(redeem, issued, relying_party, which):
    name, secret = relying_party.identifier, factories.SECRET
    wrong = {
        "id": ("rp_wrong", secret),
        "secret": (name, "rs_wrong"),
        "both": ("rp_wrong", "rs_wrong"),
        "empty-secret": (name, ""),
        "swapped": (secret, name),
        "case": (name.upper(), secret),
    }[which]

    response = redeem(issued.secret, authorization=basic(*wrong))

    assert_problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_redeem_with_wrong_credentials_gets_one_answer(redeem, relying_party):
    tries = [
        None,
        basic("rp_wrong", factories.SECRET),
        basic(relying_party.identifier, "rs_wrong"),
        "Basic !",
    ]

    answers = [anonymous(redeem("lt_nothing", authorization=value)) for value in tries]

    assert all(answer == answers[0] for answer in answers)


def test_redeem_with_the_id_of_another_party_and_this_ones_secret_is_refused(redeem, issued):
    other = factories.RelyingPartyFactory(secret="rs_other")

    assert_problem(
        redeem(issued.secret, authorization=basic(other.identifier, factories.SECRET)), 401, "unauthorized"
    )


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_redeem_with_credentials_that_ended_is_refused(redeem, issued, field):
    RelyingPartySecret.objects.update(**{field: timezone.now()})

    assert_problem(redeem(issued.secret), 401, "unauthorized")


@pytest.mark.parametrize("scheme", ["basic", "BASIC", " Basic", "Basic  "])
def test_redeem_with_another_spelling_of_the_scheme_works(redeem, issued, relying_party, scheme):
    value = basic(relying_party.identifier, factories.SECRET).removeprefix("Basic ")

    assert redeem(issued.secret, authorization=f"{scheme} {value} ").status_code == 200


def test_redeem_with_a_colon_in_the_secret_works(redeem, issued, client_company):
    party = factories.RelyingPartyFactory(client=client_company, secret="rs:with:colons")

    assert redeem(issued.secret, authorization=basic(party.identifier, "rs:with:colons")).status_code == 200


def test_redeem_with_wrong_credentials_records_the_id_and_no_secret(redeem, issued):
    redeem(issued.secret, authorization=basic("rp_somebody", "rs_a-secret-of-theirs"))

    event = Event.objects.exclude(action="login.issue").get()
    assert (event.action, event.outcome, event.reason) == ("login.redeem", Outcome.REFUSED, "unauthorized")
    assert event.details["identifier"] == "rp_somebody"
    assert "rs_a-secret" not in str(vars(event))


def test_redeem_with_the_secret_in_the_place_of_the_id_records_neither(redeem, issued, relying_party):
    redeem(issued.secret, authorization=basic(factories.SECRET, relying_party.identifier))

    event = Event.objects.exclude(action="login.issue").get()
    assert (event.reason, event.details) == ("unauthorized", {"status": 401})


@pytest.fixture
def sixty_refused() -> None:
    """Sixty refused credentials of this address, in this minute and in the one that may begin meanwhile."""
    minute = timezone.now().replace(second=0, microsecond=0)
    for later in (0, 1):
        Tally.objects.create(
            limit="refused credentials", who="127.0.0.1", minute=minute + timedelta(minutes=later), times=60
        )


@pytest.mark.usefixtures("sixty_refused")
def test_redeem_with_the_sixty_first_wrong_secret_is_asked_to_wait(redeem):
    response = redeem("lt_nothing", authorization=basic("rp_wrong", "rs_wrong"))

    assert_problem(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60


@pytest.mark.usefixtures("sixty_refused")
def test_redeem_from_another_address_is_not_asked_to_wait(redeem):
    response = redeem("lt_nothing", authorization=basic("rp_wrong", "rs_wrong"), REMOTE_ADDR="127.0.0.2")

    assert response.status_code == 401


def test_redeem_with_wrong_secrets_sixty_times_is_then_asked_to_wait(redeem):
    statuses = [redeem("lt_x", authorization="Basic !").status_code for _ in range(125)]

    assert set(statuses) == {401, 429}
    assert 60 <= statuses.count(401) <= 120  # a minute may begin on the way


# --- Bodies, methods, addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "  "}, {"token": None}])
def test_redeem_without_a_token_is_refused_by_name(send, body):
    response = send(body)

    assert_problem(response, 400, "missing_field")
    assert "token" in response.json()["detail"]


@pytest.mark.parametrize("token", [7, ["lt_x"], {"a": 1}, True, "x" * 257, "lt\x00", "lt\u202e", "\ud800"])
def test_redeem_of_what_is_no_token_is_refused_by_name(send, token):
    response = send({"token": token})

    assert_problem(response, 400, "invalid_field")
    assert "token" in response.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"token": 7}])
def test_redeem_refused_for_a_field_lists_it_under_errors(send, body):
    assert send(body).json()["errors"].keys() == {"token"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"token": NaN}', b'{"token": "a", "token": "b"}', b"\xff"]
)
def test_redeem_whose_body_is_no_strict_json_object_is_refused(send, body):
    assert_problem(send(body), 400, "invalid_json")


def test_redeem_whose_body_is_refused_does_not_spend_the_token(send, issued):
    send(json.dumps({"token": issued.secret})[:-1].encode() + b', "x": NaN}')

    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_redeem_with_another_content_type_is_refused(redeem, issued, content_type):
    assert_problem(redeem(issued.secret, content_type=content_type), 415, "unsupported_media_type")


def test_redeem_of_more_than_one_mebibyte_is_refused(send):
    assert_problem(send(b'{"token": "' + b"x" * 1024 * 1024 + b'"}'), 413, "too_large")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head"])
def test_redeem_by_another_method_is_refused(redeem, issued, method):
    response = redeem(issued.secret, method=method)

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/tokens", f"{PATH}/more", "/api/v1/x%00y"]
)
@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_address_that_is_none_is_not_found(send, path, method):
    assert_problem(send({}, path=path, method=method), 404, "not_found")


def test_redeem_with_the_token_in_the_query_is_refused(send, issued):
    assert_problem(send({}, path=f"{PATH}?token={issued.secret}"), 400, "missing_field")
    assert LoginToken.objects.get().redeemed_at is None
