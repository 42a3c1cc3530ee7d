"""Discovery and keys (wire.md, section 6): what is said there is so."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import connection
from django.urls import resolve

from tests import factories
from tests.tokens.dialects.oidc.parties import assert_oauth_error, basic, read_id_token
from tests.tokens.statements import Statements
from tokens import signing_keys
from tokens.issuing import CallContext
from tokens.models import RelyingParty, SigningKey, Use

pytestmark = pytest.mark.django_db
CONFIGURATION, SERVER, KEYS = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
)
PEM = "/.well-known/answers.pem"
ORIGIN = "https://demoaws.crm.example"
PORTAL_URL = "http://localhost:8000"


@pytest.fixture
def told(client) -> dict:
    return client.get(CONFIGURATION).json()


# --- What is told ----------------------------------------------------------------------------------------------------


def test_both_documents_say_the_same(client, told):
    assert client.get(SERVER).json() == told


def test_every_required_field_is_there(told):
    assert told["issuer"] == PORTAL_URL
    assert told.keys() >= {
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
    }


def test_every_address_is_served(told):
    addresses = [value for name, value in told.items() if name.endswith(("_endpoint", "_uri"))]

    assert len(addresses) == 7
    for address in addresses:
        assert "NothingHere" not in str(resolve(address.removeprefix(PORTAL_URL)).func), address


def test_nothing_weak_is_offered(told):
    assert "none" not in told["id_token_signing_alg_values_supported"]
    assert not [alg for alg in told["id_token_signing_alg_values_supported"] if alg.startswith("HS")]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "password" not in told["grant_types_supported"]


def test_every_scope_is_granted(told, exchange, make_code):
    scope = " ".join(told["scopes_supported"])

    assert exchange(make_code(scope=scope)).json()["scope"] == scope


def test_every_claim_is_told_and_no_other(told, exchange, make_code, agent):
    type(agent).objects.update(email="alice@mail.example")
    scope = " ".join(told["scopes_supported"])
    call = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")

    claims = read_id_token(exchange(make_code(scope=scope, call=call)).json()["id_token"]).claims

    assert claims.keys() == set(told["claims_supported"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
def test_every_method_of_authentication_is_as_told(told, post, relying_party, public_party, endpoint, method):
    form = {"token": "x", "grant_type": "x"}
    headers = basic(relying_party.identifier) if method == "client_secret_basic" else {}
    if method == "client_secret_post":
        form |= {"client_id": relying_party.identifier, "client_secret": factories.SECRET}
    elif method == "none":
        form |= {"client_id": public_party.identifier}
    path = told[f"{endpoint}_endpoint"].removeprefix(PORTAL_URL)

    response = post(form, path=path, headers=headers)

    is_told = method in told[f"{endpoint}_endpoint_auth_methods_supported"]
    assert (response.status_code != 401) == is_told


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_every_grant_of_the_token_endpoint_is_offered(told, post, grant):
    assert grant in told["grant_types_supported"]
    assert post({"grant_type": grant}).json()["error"] == "invalid_request"  # the rest is missing


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_every_algorithm_is_signed_with(told, exchange, make_code, algorithm):
    RelyingParty.objects.update(algorithm=algorithm)

    assert algorithm in told["id_token_signing_alg_values_supported"]
    token = read_id_token(exchange(make_code()).json()["id_token"])
    assert token.header["alg"] == algorithm


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_keys_are_published_before_anything_was_signed(client):
    keys = client.get(KEYS).json()["keys"]

    assert sorted(key["alg"] for key in keys) == ["ES256", "RS256", "RS256"]
    for key in keys:
        assert key.keys() >= {"kty", "kid", "use", "alg"}
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}


def test_asking_for_keys_again_makes_no_more(client):
    client.get(KEYS)
    with Statements(connection) as statements:
        client.get(KEYS)

    assert SigningKey.objects.count() == 3
    assert statements.in_order == ["SELECT"]


def test_pem_checks_what_answers_are_signed_with(client):
    response = client.get(PEM)

    signature = signing_keys.signature_of(b'{"a":1}')
    key = load_pem_public_key(response.content)
    key.verify(base64.b64decode(signature), b'{"a":1}', padding.PKCS1v15(), hashes.SHA256())
    assert response.headers["Content-Type"] == "application/x-pem-file"


# --- How it is served ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CONFIGURATION, SERVER, KEYS, PEM])
@pytest.mark.parametrize("slash", ["", "/"])
def test_it_may_be_kept_for_a_while(client, path, slash):
    response = client.get(path + slash)

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert not response.cookies


@pytest.mark.parametrize("path", [CONFIGURATION, SERVER, KEYS, PEM])
def test_head_is_answered_as_get_is(client, path):
    asked, read = client.head(path), client.get(path)

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked["Content-Type"] == read["Content-Type"]


@pytest.mark.parametrize("path", [CONFIGURATION, SERVER, KEYS, PEM])
@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_other_methods_are_refused(client, path, method):
    assert_oauth_error(getattr(client, method)(path), 405, "invalid_request")


@pytest.mark.parametrize("path", ["/.well-known", "/.well-known/", "/.well-known/openid-configuration/x"])
def test_other_addresses_are_not_found(client, path):
    assert_oauth_error(client.get(path), 404, "invalid_request")


@pytest.mark.parametrize("path", [CONFIGURATION, KEYS, "/oauth/token"])
def test_clients_host_names_serve_none_of_it(client, path):
    response = client.get(path, HTTP_HOST="demoaws.localhost:8000")

    assert response.status_code == 404


# --- Scripts of other origins ----------------------------------------------------------------------------------------


@pytest.fixture
def registered(relying_party):
    return relying_party.addresses.create(use=Use.ORIGIN, address=ORIGIN)


@pytest.mark.parametrize("path", [CONFIGURATION, SERVER, KEYS])
@pytest.mark.usefixtures("registered")
def test_script_of_a_registered_origin_may_read(client, path):
    response = client.get(path, headers={"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*", "x" * 5000, "https://\x00"])
@pytest.mark.usefixtures("registered")
def test_script_of_another_origin_reads_nothing(client, origin):
    response = client.get(CONFIGURATION, headers={"Origin": origin})

    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


def test_origin_of_an_inactive_party_counts_for_nothing(client, registered):
    RelyingParty.objects.update(is_active=False)

    assert "Access-Control-Allow-Origin" not in client.get(KEYS, headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (CONFIGURATION, "GET, HEAD"),
        (SERVER, "GET, HEAD"),
        (KEYS, "GET, HEAD"),
        ("/oauth/token", "POST"),
        ("/oauth/userinfo", "GET, POST"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_preflight_of_a_registered_origin_is_answered(client, path, methods):
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    response = client.options(path, headers=asked)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Methods"] == methods
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.usefixtures("registered")
def test_preflight_of_another_origin_allows_nothing(client):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    response = client.options("/oauth/token", headers=asked)

    assert response.status_code == 204
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", ["/oauth/introspect", PEM, "/api/v1/tokens/redeem"])
@pytest.mark.usefixtures("registered")
def test_nothing_else_is_open_to_scripts(client, path):
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    response = client.options(path, headers=asked)

    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("Access-Control-")]
