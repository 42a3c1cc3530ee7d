"""Host names: the portal's serves the portal, a client's the API alone, any other nothing."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
PORTAL, CLIENT_HOST = "localhost:8000", "demoaws.localhost:8000"
UNKNOWN_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "10.0.0.1",
    "demoaws.localhost@evil.example",
    "demo_aws..",
    "[::1]",
]


@pytest.mark.parametrize("host", UNKNOWN_HOSTS)
def test_unknown_host_gets_a_page_that_says_so(host):
    response = Client(HTTP_HOST=host).get("/sso/sign-in")

    assert response.status_code == 421
    assert "Nothing is served under this host name." in response.content.decode()


def test_refusal_before_any_view_speaks_the_language_of_its_own_browser():
    Client(HTTP_HOST=PORTAL).get("/sso/sign-in", headers={"Accept-Language": "es"})

    response = Client(HTTP_HOST="evil.example").get("/sso/sign-in")

    assert '<html lang="en"' in response.content.decode()


def test_page_for_an_unknown_host_does_not_repeat_it():
    response = Client(HTTP_HOST="evil.example").get("/sso/sign-in")

    assert b"evil.example" not in response.content


def test_page_for_an_unknown_host_has_its_reference():
    response = Client(HTTP_HOST="evil.example").get("/")

    assert response["X-Request-Id"] in response.content.decode()


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "LOCALHOST:8000", "localhost.:8000"])
def test_portals_host_is_read_in_any_spelling(host):
    assert Client(HTTP_HOST=host).get("/sso/sign-in").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sso/sign-in",
        "/sso/group/demoaws",
        "/accounts/login/",
        "/groups/",
        "/backoffice/",
        "/api/v1/tokens/redeem",
    ],
)
def test_clients_host_serves_no_page(path):
    assert Client(HTTP_HOST=CLIENT_HOST).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/sso", "/api/sso/"])
def test_clients_host_serves_the_api(path):
    response = Client(HTTP_HOST=CLIENT_HOST).post(path, "{}", content_type="application/json")

    assert response.status_code == 401
    assert response["Content-Type"] == "application/json"


def test_portals_host_is_no_clients(client_company):
    response = Client(HTTP_HOST=PORTAL).post("/api/sso", "{}", content_type="application/json")

    assert response.json()["code"] == 404


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "10.0.0.7:8000", "[::1]:8000", "evil.example", PORTAL, CLIENT_HOST]
)
def test_health_is_told_to_whoever_asks(host):
    response = Client(HTTP_HOST=host).get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


def test_readiness_is_told_to_whoever_asks():
    response = Client(HTTP_HOST="10.0.0.7").get("/readyz")

    assert (response.status_code, response.json()) == (200, {"database": "ok"})
