"""The signed SSO URL (wire.md, section 3), over HTTP."""

import base64
import json
import time
from collections import Counter
from datetime import timedelta
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from groups.models import Client as Company
from groups.models import Entitlement, Group
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.statements import Statements
from tokens.dialects.sso_url import signature_for
from tokens.models import RegisteredAddress, RelyingParty, SigningPair
from tokens.signing_keys import public_pem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "pair")]

PATH = "/api/v4/sso_url"
GOOD = {"product": "demoaws", "customer_account_code": "northwind"}
FIRST, SECOND = "https://demoaws.crm.example/oidc/callback", "https://demoaws.crm.example/second?x=1&y=2"
WRONG_METHODS = ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
SPELLINGS = {
    "node": 'algorithm="{algorithm}",headers="{headers}",signature="{signature}",apiKey="{key}"',
    "python": 'algorithm="{algorithm}",headers="{headers}",signature="{signature}",apikey="{key}"',
    "spaces": 'algorithm="{algorithm}", headers="{headers}", signature="{signature}", apikey="{key}"',
    "upper case": 'ALGORITHM="{algorithm}",Headers="{headers}",SIGNATURE="{signature}",APIKEY="{key}"',
    "another order": ' apikey="{key}" , signature="{signature}" ,headers="{headers}",algorithm="{algorithm}", ',
    "without quotes": "algorithm={algorithm},headers={headers},signature={signature},apikey={key}",
}


@pytest.fixture
def pair(client_company) -> SigningPair:
    """demoaws' pair; two addresses are registered with its relying party."""
    party = factories.RelyingPartyFactory(client=client_company, needs_pkce=False)
    for address in (FIRST, SECOND):
        factories.RegisteredAddressFactory(relying_party=party, address=address)
    return factories.SigningPairFactory(relying_party=party)


@pytest.fixture
def ask():
    """Send one signed call, good where the test says nothing else. A header that is None is left out."""

    def ask_one(
        asked=GOOD,
        *,
        path=PATH,
        method="GET",
        date=None,
        spelling=SPELLINGS["node"],
        shared_key=factories.SHARED_KEY,
        headers=None,
        extra=None,
        **changed,
    ):
        date = date or formatdate(time.time(), usegmt=True)
        parts = {
            "algorithm": "hmac-sha256",
            "headers": "date",
            "signature": signature_for(date, shared_key=shared_key),
            "key": factories.SIGNING_API_KEY,
        }
        sent = {"Date": date, "Authorization": spelling.format(**parts | changed)} | (headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        return Client(HTTP_HOST=PORTAL).generic(
            method, path, query_params=asked, headers=sent, content_type="application/json", **extra or {}
        )

    return ask_one


def assert_refused(response, status: int, code: str, *, naming: str = "") -> None:
    """Exactly status, code and message."""
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    assert answer.keys() == {"status", "code", "message"}, answer
    assert (response.status_code, answer["status"], answer["code"]) == (status, status, code), answer
    assert naming in answer["message"]
    assert not response.cookies
    assert "LicenseSignature" not in response.headers


def query_of(response) -> dict[str, str]:
    """What the address that was given out asks for."""
    assert response.status_code == 200, response.content
    query = parse_qs(urlsplit(response.json()["url"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}


# --- The answer ------------------------------------------------------------------------------------------------------


def test_signature_is_the_one_of_the_published_vector():
    date = "Tue, 07 Jun 2011 20:51:35 GMT"

    signature = signature_for(date, shared_key="kw4qSnpSwXzgiv5yxYpZZmFEd9QAeiKTQ6OuyMja")

    assert signature == "UDysfR6MndUZReo07Y9r+vErn8vSxrnQ5ulit18iJ/Q="


def test_answer_is_an_address_and_the_endpoints(ask, pair, group):
    response = ask()
    answer = response.json()

    assert answer.keys() == {"url", "openid_configuration"}
    assert answer["openid_configuration"] == {
        "issuer": "http://localhost:8000",
        "token_endpoint": "http://localhost:8000/oauth/token",
        "end_session_endpoint": "http://localhost:8000/oauth/logout",
        "introspection_endpoint": "http://localhost:8000/oauth/introspect",
    }
    assert answer["url"].startswith("http://localhost:8000/oauth/authorize?")
    asked = query_of(response)
    assert len(asked.pop("nonce")) >= 32
    assert asked == {
        "client_id": pair.relying_party.identifier,
        "response_type": "code",
        "scope": "openid profile email groups",
        "redirect_uri": FIRST,
        "group": str(group.pk),
    }


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_authorization_in_every_spelling_is_read(ask, spelling):
    assert ask(spelling=spelling).status_code == 200


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
@pytest.mark.parametrize("response_type", ["code", "", " ", None])
def test_code_is_what_is_asked_for_unless_said(ask, path, response_type):
    asked = GOOD if response_type is None else GOOD | {"response_type": response_type}

    assert query_of(ask(asked, path=path))["response_type"] == "code"


def test_token_is_asked_for_where_it_is_allowed(ask):
    RelyingParty.objects.update(allows_token_grant=True)

    assert query_of(ask(GOOD | {"response_type": "token"}))["response_type"] == "id_token token"


def test_registered_address_is_taken_as_it_was_registered(ask):
    assert query_of(ask(GOOD | {"redirect_uri": SECOND}))["redirect_uri"] == SECOND


@pytest.mark.parametrize("product", ["demoaws", "DemoAWS", " demoaws "])
def test_product_is_read_like_a_host_name(ask, product):
    assert ask(GOOD | {"product": product}).status_code == 200


def test_two_calls_with_the_same_headers_get_two_addresses(ask):
    date = formatdate(time.time(), usegmt=True)

    first, second = query_of(ask(date=date)), query_of(ask(date=date))

    assert first.pop("nonce") != second.pop("nonce")
    assert first == second


def test_answer_is_signed_to_the_byte(ask):
    response = ask()

    signature = base64.b64decode(response.headers["LicenseSignature"], validate=True)
    key = load_pem_public_key(public_pem().encode())
    key.verify(signature, response.content, padding.PKCS1v15(), hashes.SHA256())


def test_answer_is_what_javascript_would_make_of_it_again(ask, pair):
    RegisteredAddress.objects.filter(relying_party=pair.relying_party).delete()
    factories.RegisteredAddressFactory(relying_party=pair.relying_party, address="https://crm.example/~a/é")

    body = ask().content

    again = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    assert body == again
    assert b"\\/" not in body


def test_answer_is_never_stored_sets_no_cookie_and_opens_to_no_origin(ask):
    response = ask(headers={"Origin": "https://evil.example"})

    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("seconds", [-899, 899])
def test_date_may_be_a_quarter_of_an_hour_off(ask, seconds):
    with time_machine.travel(timezone.now(), tick=False):
        response = ask(date=formatdate(time.time() + seconds, usegmt=True))

    assert response.status_code == 200


def test_another_first_word_is_signed_where_one_is_set(ask, settings):
    settings.SIGNED_URL_WORD = "portal"
    date = formatdate(time.time(), usegmt=True)
    signature = signature_for(date, shared_key=factories.SHARED_KEY)
    assert ask(date=date, signature=signature).status_code == 200

    settings.SIGNED_URL_WORD = "licenseSpring"
    assert_refused(ask(date=date, signature=signature), 400, "signature_mismatch")


def test_unknown_parameters_are_ignored(ask):
    assert ask(GOOD | {"hardware_id": "x", "app_ver": ""}).status_code == 200


def test_pair_that_ends_later_is_good_until_then(ask, pair):
    SigningPair.objects.update(expires_at=timezone.now() + timedelta(minutes=1))

    assert ask().status_code == 200


# --- Refusals, each once at least ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "naming"),
    [
        ({"Date": None}, "Date"),
        ({"Authorization": None}, "Authorization"),
        ({"Authorization": "  "}, "Authorization"),
        ({"Date": None, "Authorization": None}, "Date, Authorization"),
    ],
)
def test_header_that_is_missing_is_named(ask, headers, naming):
    assert_refused(ask(headers=headers), 400, "missing_headers", naming=naming)


@pytest.mark.parametrize(
    ("authorization", "naming"),
    [
        ('algorithm="hmac-sha256",headers="date"', "signature, apikey"),
        ('algorithm="hmac-sha256",headers="date",signature="",apikey="x"', "signature"),
        ('algorithm="hmac-sha256",headers="date",signature="x",apikey="x",apiKey="y"', "apikey"),
        ("Bearer abc.def", "algorithm, headers, signature, apikey"),
        ("Basic YTpi", "algorithm"),
        ('algorithm="hmac-sha256" headers="date" signature="x" apikey="x"', "algorithm"),
        ('algorithm="hmac-sha256",headers="date",signature="x",apikey="x', "apikey"),
        (",,,", "algorithm"),
        ("=" * 4000, "algorithm"),
        ("a=" * 4000, "algorithm"),
        ('\xe9="x"', "algorithm"),
    ],
)
def test_part_of_authorization_that_is_missing_is_named(ask, authorization, naming):
    response = ask(headers={"Authorization": authorization})

    assert_refused(response, 400, "authorization_missing_params", naming=naming)


@pytest.mark.parametrize("headers", ["date host", "(request-target)", "digest"])
def test_other_headers_cannot_be_signed(ask, headers):
    assert_refused(ask(spelling=SPELLINGS["node"].replace("{headers}", headers)), 400,
                   "authorization_invalid_headers")  # fmt: skip


@pytest.mark.parametrize("algorithm", ["hmac-sha1", "rsa-sha256", "none", "hs256"])
def test_another_algorithm_is_refused(ask, algorithm):
    assert_refused(ask(algorithm=algorithm), 400, "hmac_required")


@pytest.mark.parametrize("seconds", [-902, 902, -86400 * 365, 86400 * 365])
def test_date_that_is_further_off_is_refused(ask, seconds):
    response = ask(date=formatdate(time.time() + seconds, usegmt=True))

    assert_refused(response, 400, "date_header_diff")


@pytest.mark.parametrize(
    "date",
    [
        "now",
        "2026-11-22T06:00:00Z",
        "1795327200",
        "Sun, 99 Nov 2026 06:00:00 GMT",
        "Sun, 22 Nov 0000 06:00:00 GMT",
        "Sun, 22 Nov 2026 06:00:00 +0200",
        "٢٢ Nov",
    ],
)
def test_date_that_is_none_is_refused(ask, date):
    response = ask(date=date, signature="x") if date.isascii() else ask(headers={"Date": date})

    assert_refused(response, 400, "date_header_diff")


@pytest.mark.parametrize("key", ["sp_unknown", "x", "\xe9", "x" * 4000])
def test_unknown_key_is_refused(ask, key):
    assert_refused(ask(key=key), 400, "invalid_api_key")


@pytest.mark.parametrize("signature", ["x", "AAAA", "\xe9", "x" * 4000])
def test_wrong_signature_is_refused(ask, signature):
    assert_refused(ask(signature=signature), 400, "signature_mismatch")


def test_signature_with_another_shared_key_is_refused(ask):
    assert_refused(ask(shared_key="another"), 400, "signature_mismatch")


def test_signature_of_another_date_is_refused(ask):
    signature = signature_for(formatdate(time.time() - 60, usegmt=True), shared_key=factories.SHARED_KEY)

    assert_refused(ask(signature=signature), 400, "signature_mismatch")


def _revoke(pair: SigningPair) -> object:
    return SigningPair.objects.update(revoked_at=timezone.now())


def _end(pair: SigningPair) -> object:
    return SigningPair.objects.update(expires_at=timezone.now())


def _stop_party(pair: SigningPair) -> object:
    return RelyingParty.objects.update(is_active=False)


@pytest.mark.parametrize("stop", [_revoke, _end, _stop_party])
def test_key_that_is_over_is_told_as_revoked(ask, pair, stop):
    stop(pair)

    assert_refused(ask(), 400, "revoked_api_key")
    # To nobody else, though.
    assert_refused(ask(shared_key="another"), 400, "signature_mismatch")


@pytest.mark.parametrize(
    ("asked", "naming"),
    [
        ({}, "product, customer_account_code"),
        ({"product": "demoaws"}, "customer_account_code"),
        ({"product": " ", "customer_account_code": "northwind"}, "product"),
    ],
)
def test_parameter_that_is_missing_is_named(ask, asked, naming):
    assert_refused(ask(asked), 400, "missing_parameters", naming=naming)


@pytest.mark.parametrize(
    ("changed", "naming"),
    [
        ({"response_type": "id_token"}, "response_type"),
        ({"response_type": "token"}, "response_type"),  # not allowed unless an operator says so
        ({"response_type": "c" * 5000}, "response_type"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"redirect_uri": FIRST + "/"}, "redirect_uri"),
        ({"redirect_uri": FIRST.upper()}, "redirect_uri"),
        ({"redirect_uri": "https://demoaws.crm.example/\u202e"}, "redirect_uri"),
        ({"product": ["demoaws", "demoaws"]}, "product"),
        ({"customer_account_code": ["northwind", "southgate"]}, "customer_account_code"),
        ({"customer_account_code": "north\x00wind"}, "customer_account_code"),
        ({"customer_account_code": "n" * 65}, "customer_account_code"),
        ({"product": "demo\raws"}, "product"),
    ],
)
def test_parameter_that_cannot_be_is_named(ask, changed, naming):
    assert_refused(ask(GOOD | changed), 400, "validation_error", naming=naming)


def test_address_of_another_relying_party_is_refused(ask, client_company):
    other = factories.RelyingPartyFactory(client=client_company, secret="rs_other", needs_pkce=False)
    factories.RegisteredAddressFactory(relying_party=other, address="https://other.example/")

    response = ask(GOOD | {"redirect_uri": "https://other.example/"})

    assert_refused(response, 400, "validation_error", naming="redirect_uri")


def test_address_that_is_registered_for_something_else_is_refused(ask, pair):
    RegisteredAddress.objects.filter(address=SECOND).update(use="logged_out")

    assert_refused(ask(GOOD | {"redirect_uri": SECOND}), 400, "validation_error", naming="redirect_uri")


def test_pair_without_any_address_is_refused(ask):
    RegisteredAddress.objects.all().delete()

    assert_refused(ask(), 400, "validation_error", naming="redirect_uri")


def test_relying_party_that_came_to_use_pkce_is_refused(ask):
    RelyingParty.objects.update(needs_pkce=True)

    assert_refused(ask(), 400, "validation_error", naming="PKCE")


@pytest.mark.parametrize("product", ["acme", "nobody", "demoaws.localhost", "<b>"])
def test_product_of_somebody_else_is_unknown(ask, product):
    factories.ClientFactory(subdomain="acme")

    assert_refused(ask(GOOD | {"product": product}), 400, "unknown_product")


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_paused": True}])
def test_product_that_lets_nobody_in_is_unknown(ask, change):
    Company.objects.filter(subdomain="demoaws").update(**change)

    assert_refused(ask(), 400, "unknown_product")


@pytest.mark.parametrize("code", ["southgate", "nobody", "Northwind", "21"])
def test_account_without_access_is_unknown(ask, other_group, code):
    factories.EntitlementFactory(group=other_group)

    assert_refused(ask(GOOD | {"customer_account_code": code}), 400, "unknown_customer_account")


@pytest.mark.parametrize(
    "stop", [lambda: Group.objects.update(is_active=False), lambda: Entitlement.objects.all().delete()]
)
def test_account_that_lost_its_access_is_unknown(ask, stop):
    stop()

    assert_refused(ask(), 400, "unknown_customer_account")


@pytest.mark.parametrize("path", ["/api/v4", "/api/v4/", "/api/v4/license", f"{PATH}/x", f"{PATH}//"])
def test_other_addresses_below_it_are_not_found(ask, path):
    assert_refused(ask(path=path), 404, "not_found")


@pytest.mark.parametrize("method", WRONG_METHODS)
def test_other_methods_are_refused(ask, method):
    response = ask(method=method)

    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    if method != "HEAD":
        assert_refused(response, 405, "method_not_allowed")


@pytest.mark.parametrize("length", ["1048577", "x", "-1"])
def test_body_that_is_too_large_is_refused(ask, length):
    assert_refused(ask(extra={"CONTENT_LENGTH": length}), 413, "too_large")


def test_body_is_ignored(ask):
    assert ask(extra={"data": b"{not json"}).status_code == 200


# --- Limits, traces --------------------------------------------------------------------------------------------------


def test_more_calls_a_minute_than_allowed_are_refused(ask, limit_a_minute):
    limit_a_minute("signed url", 2)

    statuses = [ask().status_code, ask().status_code]
    response = ask()

    assert statuses == [200, 200]
    assert_refused(response, 429, "too_many_requests")
    assert response.headers["Retry-After"] == "60"


@pytest.mark.parametrize("wrong", [{"key": "sp_unknown"}, {"shared_key": "another"}])
def test_guesses_of_one_address_are_slowed_down_but_never_the_right_key(ask, limit_a_minute, wrong):
    limit_a_minute("refused credentials", 2)

    assert [ask(**wrong).status_code for _ in range(3)] == [400, 400, 429]
    assert ask().status_code == 200


def test_calls_that_are_badly_put_are_no_guesses(ask):
    ask(headers={"Date": None})

    assert not Tally.objects.filter(limit="refused credentials").exists()


def test_use_is_noted_and_written_down(ask, pair, group):
    ask()

    pair.refresh_from_db()
    event = Event.objects.get(action="login.sign_url")
    assert pair.last_used_at is not None
    assert (event.outcome, event.actor, event.door) == (Outcome.OK, pair.named, "signed url")
    assert (event.group_id, event.client) == (group.pk, "demoaws")


def test_refusal_is_written_down_with_the_client_that_was_asked_for(ask, pair):
    ask(GOOD | {"customer_account_code": "southgate"})

    event = Event.objects.get(action="login.sign_url", outcome=Outcome.REFUSED)
    assert (event.reason, event.actor, event.client) == ("unknown_customer_account", pair.named, "demoaws")
    assert event.details["account"] == "southgate"


def test_no_event_holds_a_key_or_signature(ask):
    signature = "c2VjcmV0LXNpZ25hdHVyZQ=="
    ask()
    ask(signature=signature)
    ask(key="sp_unknown-and-long")

    told = str(list(Event.objects.values()))
    assert not [
        secret
        for secret in (signature, factories.SHARED_KEY, factories.SIGNING_API_KEY, "unknown-and")
        if secret in told
    ]


def test_call_is_one_round_of_selects_and_one_transaction(ask):
    ask()  # makes the key that answers are signed with, and notes the use

    with Statements(connection) as statements:
        ask()

    assert statements.by_kind == {"SELECT": 2, "UPDATE": 1, "INSERT": 1}  # the update counts the call


def test_unknown_key_and_wrong_signature_ask_the_same_of_the_database(ask):
    ask(key="sp_unknown")

    sent = []
    for wrong in ({"key": "sp_unknown"}, {"shared_key": "another"}):
        with Statements(connection) as statements:
            ask(**wrong)
        sent.append(Counter(statements.in_order))

    assert sent[0] == sent[1]


def test_unknown_key_and_wrong_signature_both_compute_one_signature(ask, monkeypatch):
    computed = []
    monkeypatch.setattr("tokens.dialects.sso_url.hmac.digest", lambda *args: computed.append(args) or b"")

    ask(key="sp_unknown", signature="x")
    ask(signature="x")

    of_doors = [key for key, _, _ in computed if key != factories.SHARED_KEY.encode()]
    assert len(computed) == 4  # of which two by the test itself
    assert len(of_doors) == 1


# --- Which relying parties -------------------------------------------------------------------------------------------


def test_pair_of_a_relying_party_that_uses_pkce_is_refused(client_company):
    party = factories.RelyingPartyFactory(client=client_company, secret="")
    pair = SigningPair(relying_party=party, name="Signed")

    with pytest.raises(ValidationError, match="PKCE"):
        pair.clean()
