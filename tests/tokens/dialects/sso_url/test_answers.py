"""The signed SSO URL (wire.md, section 3), over HTTP: what is answered to a good call."""

import base64
import json
import time
from datetime import timedelta
from email.utils import formatdate

import pytest
import time_machine
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests import factories
from tests.tokens.dialects.sso_url.signed import (
    FIRST,
    GOOD,
    PATH,
    SECOND,
    SPELLINGS,
    assert_refused,
    query_of,
)
from tokens.dialects.sso_url import signature_for
from tokens.models import RegisteredAddress, RelyingParty, SigningPair
from tokens.signing_keys import public_pem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "pair")]


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


# --- Which relying parties -------------------------------------------------------------------------------------------


def test_pair_of_a_relying_party_that_uses_pkce_is_refused(client_company):
    party = factories.RelyingPartyFactory(client=client_company, secret="")
    pair = SigningPair(relying_party=party, name="Signed")

    with pytest.raises(ValidationError, match="PKCE"):
        pair.clean()
