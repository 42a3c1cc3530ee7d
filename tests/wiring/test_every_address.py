"""A guard over the whole: every address of the URL configuration, asked for by everybody who should not see it."""

import itertools
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from sso_portal.lib.secrets import new_secret
from tests import factories

pytestmark = pytest.mark.django_db

# What an address's variable parts are filled with; `group_id` by each test's own group.
FILLINGS = {
    "subdomain": "demoaws",
    "reference": "K7QF-3M2P-X8TA",
    "uidb36": "1",
    "key": "x-y",
    "object_id": "1",
    "pk": "1",
    "app_label": "groups",
    "content_type_id": "1",
    "url": "x",
}


def every_address(group_id: int) -> Iterator[str]:
    """Every address that the URL configuration knows, its variable parts filled in."""
    for pattern in _patterns(get_resolver().url_patterns):
        for form, names in normalize("".join(pattern))[:2]:
            values = {name: FILLINGS.get(name, "1") for name in names} | {"group_id": group_id}
            yield "/" + form % values


def _patterns(patterns, above=()) -> Iterator[tuple[str, ...]]:
    for pattern in patterns:
        here = (*above, pattern.pattern.regex.pattern.lstrip("^").removesuffix(r"\Z").removesuffix("$"))
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern):
            yield here


@pytest.fixture
def northwind(group, entitlement, agent):
    """A group whose name nobody below may come to read."""
    group.name = "Northwind Unmistakable"
    group.save()
    return group


@pytest.fixture
def browsers(northwind, other_group, stranger, visit_as):
    """Everybody who has no business in the console of northwind."""
    nobody, as_agent = Browser(HTTP_HOST="localhost"), Browser(HTTP_HOST="localhost")
    secret = new_secret()
    factories.AgentSessionFactory(secret=secret, agent=factories.AgentFactory(group=other_group))
    as_agent.cookies[settings.AGENT_COOKIE_NAME] = secret
    return {"nobody": nobody, "agent": as_agent, "owner of another group": visit_as(stranger)}


def test_walk_finds_the_addresses_of_every_app(northwind):
    addresses = set(every_address(northwind.pk))

    assert {f"/groups/{northwind.pk}/", "/sso/group/demoaws", "/sso/sign-in", "/accounts/login/"} <= addresses
    assert "/backoffice/groups/agent/" in addresses


def test_no_address_breaks_or_tells_of_a_foreign_group(northwind, browsers):
    told_anyway = {"/sso/sign-in", "/sso/group"}  # a door says whose it is

    for (who, browser), address in itertools.product(browsers.items(), every_address(northwind.pk)):
        for method in (browser.get, browser.post):
            answer = method(address)
            assert answer.status_code < 500, (who, address)
            body = b"" if answer.streaming else answer.content
            assert b"Unmistakable" not in body or address in told_anyway, (who, address)


def test_no_address_of_the_console_opens_for_them(northwind, browsers):
    console = [
        address for address in every_address(northwind.pk) if address.startswith(("/groups/", "/backoffice/"))
    ]

    for (who, browser), address in itertools.product(browsers.items(), console):
        if address not in ("/groups/", "/backoffice/login/") or who != "owner of another group":
            assert browser.get(address).status_code in (302, 403, 404), (who, address)
