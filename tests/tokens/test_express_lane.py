"""What is usual is answered in the express lane; what is not goes the way of all requests, and is done no earlier."""

import pytest
from django.db import OperationalError
from django.http import QueryDict
from django.test import Client

from sso_portal.lib.arrivals import Arrival
from sso_portal.lib.web import usual_query
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.asking import basic
from tokens.functions import Function
from tokens.models import LoginToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def pop(signed_in, group, entitlement):
    """A pop of Alice, who is signed in, which may come in an unusual way."""

    def open_one(query="", **how):
        return signed_in.get(f"/sso/group/demoaws?group={group.pk}{query}", **how)

    return open_one


@pytest.mark.parametrize("host", [PORTAL.upper(), "localhost", "localhost:9"])
def test_pop_at_the_host_name_in_another_spelling_arrives(pop, host):
    assert "?token=lt_" in pop(HTTP_HOST=host).headers["Location"]


@pytest.mark.parametrize(
    ("query", "how", "status"),
    [
        ("", {"HTTP_HOST": "elsewhere.example"}, 421),
        ("", {"HTTP_HOST": "demoaws.localhost"}, 404),
        ("&any=%00", {}, 400),
        ("&did=1&did=2", {}, 400),
        ("", {"REMOTE_ADDR": "nowhere"}, 400),
        ("", {"CONTENT_LENGTH": "many"}, 413),
        ("", {"HTTP_SEC_PURPOSE": "prefetch"}, 204),
        ("", {"HTTP_SEC_FETCH_MODE": "no-cors"}, 204),
        ("", {"HTTP_SEC_FETCH_DEST": "iframe"}, 200),
    ],
)
def test_pop_that_is_to_be_refused_issues_nothing(pop, query, how, status):
    answer = pop(query, **how)

    assert (answer.status_code, LoginToken.objects.count()) == (status, 0)


def test_head_issues_nothing(signed_in, group, entitlement):
    assert signed_in.head(f"/sso/group/demoaws?group={group.pk}").status_code == 204
    assert not LoginToken.objects.exists()


def test_pop_in_clear_is_led_to_https_and_issues_nothing(pop, settings):
    settings.SECURE_SSL_REDIRECT = True

    answer = pop(secure=False)

    assert answer.status_code == 301
    assert not LoginToken.objects.exists()


def stop(monkeypatch, error):
    """Let this stop whatever is done at once."""

    def did(self, *given):
        raise error

    monkeypatch.setattr(Function, "did", did)


@pytest.fixture
def _connection_breaks(monkeypatch):
    """After the statement was sent, before its answer came."""
    stop(monkeypatch, OperationalError("server closed the connection unexpectedly"))


@pytest.mark.usefixtures("_connection_breaks")
def test_redemption_that_may_have_been_done_is_not_tried_again(relying_party, issue_to_alice):
    who = {"Authorization": basic(relying_party.identifier, factories.SECRET)}
    asked = {"token": issue_to_alice().secret}

    answer = Client(HTTP_HOST=PORTAL).post("/api/v1/tokens/redeem", asked, "application/json", headers=who)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.usefixtures("_connection_breaks")
def test_pop_that_may_have_been_done_is_not_tried_again(pop, signed_in):
    signed_in.raise_request_exception = False

    assert pop().status_code == 503
    assert not LoginToken.objects.exists()


def test_portals_host_name_below_the_domain_of_clients_is_no_clients(entitlement, agent, settings):
    settings.PORTAL_HOST, settings.PORTAL_NETLOC = "portal.localhost", "portal.localhost:8000"
    type(entitlement.client).objects.update(subdomain="portal")
    factories.PlatformKeyFactory(group=agent.group)
    factories.AddressRuleFactory(group=agent.group, network="127.0.0.0/8")
    asked = {"username": "alice", "fullname": "Alice Ames", "department_id": 1}
    key = {"Platform-Key": factories.PLATFORM_KEY}

    def status_at(host, path):
        return Client(HTTP_HOST=host).post(path, asked, "application/json", headers=key).status_code

    assert status_at("portal.localhost", "/api/sso") == 404
    assert status_at("portal.localhost", "/api/sso/portal") == 200


@pytest.fixture
def _has_a_bug(monkeypatch):
    """What is done at once has."""
    stop(monkeypatch, ZeroDivisionError("said by a bug"))


@pytest.mark.usefixtures("_has_a_bug")
def test_bug_in_the_express_lane_is_answered_as_any_other(pop, signed_in):
    signed_in.raise_request_exception = False

    answer = pop()

    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] in answer.content.decode()
    assert b"said by a bug" not in answer.content


@pytest.mark.parametrize(
    "body", [b'{"token": "lt_unknown"}', b'{"token": "", "a": 1}', b"[" * 400, b'{"token"']
)
def test_body_that_was_looked_at_is_there_for_the_plain_path(relying_party, body):
    who = {"Authorization": basic(relying_party.identifier, factories.SECRET)}

    answer = Client(HTTP_HOST=PORTAL).post("/api/v1/tokens/redeem", body, "application/json", headers=who)

    is_json = body.endswith(b"}")
    wanted = "missing_field" if b'""' in body else "invalid_token" if is_json else "invalid_json"
    assert answer.json()["code"] == wanted


def test_query_is_read_as_django_reads_it():
    written = (
        "group=7&did=%2B1+555&cid=a%3Db&e=%252B%2b+%2B%2B&f=%2%2B2B%"
        "&call_id=%C3%BC%ff&empty=&bare&&did=2&%67=1&a;b=c"
    )

    read = usual_query(Arrival({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": written}))

    assert read == dict(QueryDict(written).lists())
