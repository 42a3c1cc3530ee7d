"""A guard over the whole: every address of the URL configuration, asked for by everybody who should not see it."""

import itertools

import pytest
from django.conf import settings
from django.test import Client as Browser

from sso_portal.lib.secrets import new_secret
from tests import factories
from tests.wiring.addresses import every_address

pytestmark = pytest.mark.django_db


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
    addresses = set(every_address(group_id=northwind.pk))

    assert {f"/groups/{northwind.pk}/", "/sso/group/demoaws", "/sso/sign-in", "/accounts/login/"} <= addresses
    assert "/backoffice/groups/agent/" in addresses


def test_no_address_breaks_or_tells_of_a_foreign_group_or_opens_its_console(northwind, browsers):
    told_anyway = {"/sso/sign-in", "/sso/group"}  # a door says whose it is
    his_own = {("owner of another group", "/groups/"), ("owner of another group", "/backoffice/login/")}

    addresses = list(every_address(group_id=northwind.pk))
    # Every GET before any POST: one of those signs out.
    for (who, browser), method, address in itertools.product(browsers.items(), ("get", "post"), addresses):
        answer = getattr(browser, method)(address)
        assert answer.status_code < 500, (who, method, address)
        body = b"" if answer.streaming else answer.content
        assert b"Unmistakable" not in body or address in told_anyway, (who, method, address)
        if (
            method == "get"
            and address.startswith(("/groups/", "/backoffice/"))
            and (who, address) not in his_own
        ):
            assert answer.status_code in (302, 403, 404), (who, address)
