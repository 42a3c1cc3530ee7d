"""Pages for what is missing, refused, broken or away."""

import logging

import pytest
from django.test import Client

from accounts.models import Event
from tests.conftest import PORTAL

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.wiring.urls_that_fail")]


@pytest.fixture
def browser() -> Client:
    return Client(HTTP_HOST=PORTAL, raise_request_exception=False)


def test_missing_page_says_so_with_its_reference(browser):
    response = browser.get("/nowhere")

    assert response.status_code == 404
    assert response["X-Request-Id"] in response.content.decode()


def test_bug_is_a_500_page_with_its_reference(browser):
    response = browser.get("/bug")

    assert response.status_code == 500
    assert response["X-Request-Id"] in response.content.decode()


def test_page_of_a_bug_shows_nothing_of_the_inside(browser):
    response = browser.get("/bug").content.decode()

    assert "secret" not in response
    assert "ZeroDivisionError" not in response
    assert "Traceback" not in response


@pytest.mark.parametrize(
    ("path", "status", "code"), [("bug", 500, "internal_error"), ("database-away", 503, "unavailable")]
)
def test_failure_below_api_is_json(browser, path, status, code):
    response = browser.get(f"/api/{path}")

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert (response.json()["code"], response.json()["request_id"]) == (code, response["X-Request-Id"])


def test_bug_is_logged_with_its_reference(browser, caplog):
    with caplog.at_level(logging.ERROR, "django.request"):
        browser.get("/bug")

    assert caplog.records[-1].exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("path", ["/database-away", "/api/database-away"])
def test_database_that_is_away_is_a_line_of_the_log(browser, caplog, path):
    browser.get(path)

    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.msg["heard"] == "server closed the connection unexpectedly"
    assert not record.exc_info
    assert "exception" not in record.msg


@pytest.mark.parametrize("path", ["/database-away", "/connection-gone"])
def test_database_that_is_away_is_a_503_that_says_when_to_come_back(browser, path):
    response = browser.get(path)

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response["X-Request-Id"] in response.content.decode()


def test_failing_pages_keep_the_security_headers(browser):
    for path in ("/bug", "/database-away", "/refused", "/nowhere"):
        response = browser.get(path)
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert response["Cache-Control"] == "no-store"


def test_refusal_is_a_page_with_its_public_half_only(browser):
    response = browser.get("/refused")

    assert (response.status_code, response["Retry-After"]) == (403, "7")
    assert "Closed on Sundays." in response.content.decode()
    assert "private detail" not in response.content.decode()


def test_event_of_a_refusal_has_the_reference_of_its_page(browser):
    response = browser.get("/refused")

    event = Event.objects.get()
    assert event.reference == response["X-Request-Id"]
    assert event.reference in response.content.decode()


@pytest.mark.parametrize(
    "address",
    [
        "/sso/sign-in?group=x",
        "/sso/sign-in?group=999999999",
        "/sso/group/demoaws",
        "/sso/group/demoaws?group=1&group=1",
    ],
)
def test_event_of_a_doors_refusal_has_the_reference_of_its_page(browser, address):
    response = browser.get(address)

    event = Event.objects.get()
    assert (event.outcome, event.details["status"]) == ("refused", response.status_code)
    assert event.reference in response.content.decode()


def test_event_of_a_machines_refusal_has_the_reference_of_its_answer(browser):
    response = browser.post("/api/v1/tokens/redeem", "{}", content_type="application/json")

    assert Event.objects.get().reference == response["X-Request-Id"]


def test_form_that_is_too_large_is_refused(browser):
    response = browser.post("/accounts/login/", {"login": "x" * (1024 * 1024 + 1)})

    assert response.status_code in (400, 413)
    assert response["X-Request-Id"] in response.content.decode()


@pytest.mark.parametrize("query", ["?group=%00", "?group=%ff", "?group=1&to=%00%ff", "?%ff=%ff"])
def test_malformed_address_is_never_our_fault(browser, query):
    assert browser.get(f"/sso/sign-in{query}").status_code < 500


@pytest.mark.parametrize("cookie", ["agent", "administrator", "agent_pending", "csrf", "theme"])
@pytest.mark.parametrize("value", ["", "x" * 4000, "é\x7f", "%00"])
def test_malformed_cookie_is_never_our_fault(browser, group, cookie, value):
    browser.cookies[cookie] = value

    for path in ("/groups/", f"/sso/sign-in?group={group.pk}", f"/sso/password?group={group.pk}"):
        assert browser.get(path).status_code < 500


def test_stale_form_of_the_main_door_says_what_to_do():
    strict = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)

    response = strict.post("/accounts/login/", {"login": "a@b.example", "password": "x"})

    assert response.status_code == 403
    assert "reload it" in response.content.decode()
