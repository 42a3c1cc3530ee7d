"""The framed page (wire.md, section 5): who may frame it, and what it allows."""

import re
from html import unescape

import pytest

from tests import factories
from tests.tokens.dialects.bus.conftest import HOST
from tokens.dialects.bus.page import Page, seal, unseal

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_bus(client, group):
    return lambda query=f"?group={group.pk}": client.get(f"/bus/{query}")


def policy_of(response) -> dict[str, str]:
    parts = (directive.strip().partition(" ") for directive in response["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_registered_origins_alone_may_frame_it(open_bus, group, host, other_group):
    factories.BusAddressFactory(group=group, address="http://127.0.0.1:18099")
    factories.BusAddressFactory(group=other_group, address="https://elsewhere.example")

    assert policy_of(open_bus())["frame-ancestors"] == f"http://127.0.0.1:18099 {HOST}"


def test_nobody_may_frame_it_without_a_registered_origin(open_bus):
    assert policy_of(open_bus())["frame-ancestors"] == "'none'"


def test_an_address_for_codes_is_no_origin(open_bus, group):
    factories.BusAddressFactory(group=group, use="redirect", address="https://host.example/back")

    assert policy_of(open_bus())["frame-ancestors"] == "'none'"


def test_its_policy_is_strict_but_for_the_frame(open_bus, host):
    policy = policy_of(open_bus())

    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == (
        "'none'",
        "'self'",
        "'self'",
    )
    assert "X-Frame-Options" not in open_bus()


def test_it_holds_nothing_inline(open_bus, host):
    html = open_bus().content.decode()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == [""]


def test_it_tells_its_script_the_origins_and_for_which_group_it_was_made(open_bus, host, group):
    html = open_bus().content.decode()
    told = dict(re.findall(r'data-(\w+)="([^"]*)"', html))

    assert unescape(told["origins"]) == f'["{HOST}"]'
    assert unseal(unescape(told["page"])) == Page(group.pk)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("?group=999999", 404),
        ("?group=x", 400),
        ("?group=1&group=1", 400),
        ("?group=1234567890", 400),
    ],
)
def test_group_that_is_not_there_has_no_page(open_bus, query, status):
    response = open_bus(query)

    assert response.status_code == status
    assert policy_of(response)["frame-ancestors"] == "'none'"


def test_inactive_group_has_no_page(open_bus, group):
    type(group).objects.update(is_active=False)

    assert open_bus().status_code == 404


def test_it_is_not_posted_to(client, group):
    assert client.post(f"/bus/?group={group.pk}").status_code in (403, 405)


def test_a_value_that_was_tampered_with_says_nothing(group):
    assert unseal(seal(Page(group.pk)) + "x") is None
    assert unseal("") is None
