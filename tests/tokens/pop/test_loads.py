"""How a pop is loaded: by POST, in a frame, or by no navigation at all."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import Event
from tests.conftest import PORTAL
from tests.reading import directives, words_of
from tests.tokens.loads import FRAMED, NO_NAVIGATION
from tests.tokens.pop.popping import nothing_minted
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- POST ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def telephone_system() -> Client:
    """Software that knows no CSRF token."""
    return Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)


def test_pop_by_post_goes_to_the_same_address_by_get(telephone_system, group):
    response = telephone_system.post(f"/sso/group/demoaws?group={group.pk}", {"did": "+1", "cid": "2"})

    address = urlsplit(response.headers["Location"])
    assert (response.status_code, address.netloc, address.path) == (303, "", "/sso/group/demoaws")
    assert parse_qs(address.query) == {"group": [str(group.pk)], "did": ["+1"], "cid": ["2"]}


def test_pop_by_post_with_the_group_in_the_body_works(telephone_system, group):
    response = telephone_system.post("/sso/group/demoaws", {"group": group.pk})

    assert response.headers["Location"] == f"/sso/group/demoaws?group={group.pk}"


@pytest.mark.parametrize(
    ("query", "body"), [("did=1", "did=2"), ("did=1", "did=1"), ("", "did=1&did=2"), ("did=1&did=2", "")]
)
def test_pop_by_post_with_a_name_twice_is_refused(telephone_system, group, query, body):
    response = telephone_system.post(
        f"/sso/group/demoaws?group={group.pk}&{query}", body, content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code == 400
    assert "did" in words_of(response)


def test_pop_by_post_mints_nothing_even_when_signed_in(signed_in, group):
    signed_in.post("/sso/group/demoaws", {"group": group.pk})

    assert nothing_minted()
    assert not Event.objects.exists()


def test_pop_by_post_then_get_enters(signed_in, group):
    response = signed_in.post("/sso/group/demoaws/", {"group": group.pk, "did": "7"}, follow=False)

    assert signed_in.get(response.headers["Location"]).status_code == 303
    assert LoginToken.objects.get().did == "7"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_pop_by_another_method_is_refused(signed_in, group, method):
    response = getattr(signed_in, method)(f"/sso/group/demoaws?group={group.pk}")

    assert response.status_code == 405
    assert nothing_minted()


# --- No navigation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=lambda headers: ",".join(headers.values()))
def test_pop_that_is_no_navigation_answers_nothing(pop, headers):
    response = pop(headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert nothing_minted()
    assert not Event.objects.exists()


def test_pop_by_head_answers_nothing(signed_in, group):
    response = signed_in.head("/sso/group/demoaws", {"group": group.pk})

    assert response.status_code == 204
    assert "Location" not in response.headers
    assert nothing_minted()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Dest": "document"},
    ],
)
def test_pop_that_is_a_navigation_enters(pop, headers):
    assert "?token=" in pop(headers=headers).headers["Location"]


# --- In a frame ------------------------------------------------------------------------------------------------------


def test_framed_pop_offers_the_same_address_in_a_tab(pop, group):
    response = pop(headers=FRAMED, did="+15550100")

    (link,) = re.findall(r"<a class=\"button[^>]*>", response.content.decode())
    assert response.status_code == 200
    assert f'href="/sso/group/demoaws?group={group.pk}&amp;did=%2B15550100"' in link
    assert 'target="_blank"' in link


def test_framed_pop_may_be_framed_by_any_site(pop):
    response = pop(headers=FRAMED)

    assert "X-Frame-Options" not in response.headers
    assert directives(response)["frame-ancestors"] == ["http:", "https:"]


def test_framed_pop_mints_nothing(pop):
    pop(headers=FRAMED)

    assert nothing_minted()


def test_framed_pop_looks_alike_for_every_client(pop):
    known, unknown = words_of(pop(headers=FRAMED)), words_of(pop("nosuch", headers=FRAMED))

    assert known.replace("demoaws", "") == unknown.replace("nosuch", "")


def test_framed_pop_that_cannot_be_read_is_refused(pop):
    assert pop(headers=FRAMED, did="\x00").status_code == 400


def test_framed_pop_escapes_its_address(signed_in, group):
    response = signed_in.get(f'/sso/group/demoaws?group={group.pk}&x="><script>', headers=FRAMED)

    assert b'"><script>' not in response.content


def test_pop_outside_a_frame_may_not_be_framed(pop):
    assert directives(pop("nosuch"))["frame-ancestors"] == ["'none'"]
