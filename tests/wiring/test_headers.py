"""Headers: of static files, of pages that are an exception, and the reference of each answer.

What every answer carries is in tests/attacks/answers.py.
"""

import pytest

from tests import factories
from tests.attacks.answers import POLICY, policy_of

pytestmark = pytest.mark.django_db


def test_references_differ(client):
    assert client.get("/healthz")["X-Request-Id"] != client.get("/healthz")["X-Request-Id"]


def test_reference_is_never_the_callers(client):
    response = client.get("/healthz", headers={"X-Request-Id": "AAAA-AAAA-AAAA"})

    assert response["X-Request-Id"] != "AAAA-AAAA-AAAA"


@pytest.fixture
def static_file(client):
    """The answer to the first style sheet of a page."""
    page = client.get("/sso/sign-in").content.decode()
    response = client.get(page.partition('rel="stylesheet" href="')[2].partition('"')[0])
    yield response
    response.close()


def test_static_file_is_kept_by_browsers_for_good(static_file):
    assert static_file.status_code == 200
    assert "immutable" in static_file["Cache-Control"]


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/"])
def test_answer_that_is_no_static_file_is_not_kept(client, path):
    assert client.get(path)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("header", ["X-Content-Type-Options", "Cross-Origin-Resource-Policy", "X-Request-Id"])
def test_static_file_has_the_header(static_file, header):
    assert static_file.headers.get(header)


def test_set_up_page_of_the_authenticator_app_may_show_its_picture(group, visit_as):
    browser = visit_as(factories.MembershipFactory(group=group).administrator)
    browser.post("/accounts/reauthenticate/", {"password": factories.PASSWORD})

    response = browser.get("/accounts/2fa/totp/activate/")

    assert response.status_code == 200
    assert policy_of(response) - POLICY == {"img-src 'self' data:"}


def test_page_speaks_the_browsers_language(client, group):
    page = client.get(f"/sso/sign-in?group={group.pk}", headers={"Accept-Language": "es-MX,es;q=0.9"})

    assert page["Content-Language"] == "es"
    assert '<html lang="es"' in page.content.decode()


def test_software_is_answered_in_english_whatever_was_asked_before(client, group):
    client.get(f"/sso/sign-in?group={group.pk}", headers={"Accept-Language": "es"})

    answer = client.post("/api/v1/tokens/redeem", headers={"Accept-Language": "es"})

    assert "Content-Language" not in answer
    assert answer.json()["title"].isascii()
