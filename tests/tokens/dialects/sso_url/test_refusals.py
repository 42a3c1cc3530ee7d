"""The signed SSO URL (wire.md, section 3): every refusal, each once at least."""

import time
from email.utils import formatdate

import pytest
from django.utils import timezone

from groups.models import Client as Company
from groups.models import Entitlement, Group
from tests import factories
from tests.tokens.dialects.sso_url.signed import (
    FIRST,
    GOOD,
    PATH,
    SECOND,
    SPELLINGS,
    WRONG_METHODS,
    assert_refused,
)
from tokens.dialects.sso_url import signature_for
from tokens.models import RegisteredAddress, RelyingParty, SigningPair

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "pair")]


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
