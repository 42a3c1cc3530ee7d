"""Fixation and cookies: a planted session is worthless, a new one begins at each sign-in, and no script reads it."""

import os
import runpy
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client, override_settings

from sso_portal.lib.secrets import new_secret
from tests import factories
from tests.accounts.conftest import code_of
from tests.attacks.answers import POLICY
from tests.attacks.world import World
from tests.conftest import PORTAL
from tests.environment import ROOT

pytestmark = pytest.mark.django_db
SignIn = Callable[[World, Client], None]


def as_agent(world: World, browser: Client) -> None:
    typed = {"username": "alice", "password": factories.PASSWORD}
    browser.post(f"/sso/sign-in?group={world.group.pk}", typed)


def as_person(world: World, browser: Client) -> None:
    browser.get(f"/oauth/singlesignon.php?access_token={world.entrance_of_person()}")


def as_administrator(world: World, browser: Client) -> None:
    browser.post("/accounts/login/", {"login": world.owner.email, "password": factories.PASSWORD})
    browser.post("/accounts/2fa/authenticate/", {"code": code_of()})


DOORS: dict[str, tuple[str, SignIn]] = {
    "agent": ("AGENT_COOKIE_NAME", as_agent),
    "person": ("CLIENT_COOKIE_NAME", as_person),
    "administrator": ("SESSION_COOKIE_NAME", as_administrator),
}
HOME = {"agent": "/sso/group?group={}", "person": "/client/demoaws/", "administrator": "/groups/"}


def is_in(world: World, browser: Client, who: str) -> bool:
    return bool(browser.get(HOME[who].format(world.group.pk)).status_code == 200)


@pytest.mark.parametrize("who", DOORS)
def test_session_that_was_planted_is_worth_nothing_afterwards(world, who):
    """Somebody else's browser carries the same cookie, and waits for the sign-in."""
    name, sign_in = getattr(configured, DOORS[who][0]), DOORS[who][1]
    planted, victim, thief = new_secret(), Client(HTTP_HOST=PORTAL), Client(HTTP_HOST=PORTAL)
    victim.cookies[name] = thief.cookies[name] = planted

    sign_in(world, victim)

    assert victim.cookies[name].value != planted
    assert is_in(world, victim, who)
    assert not is_in(world, thief, who)


@pytest.mark.parametrize("who", DOORS)
def test_each_sign_in_begins_a_session_of_its_own(world, still_clock, who):
    name, sign_in = getattr(configured, DOORS[who][0]), DOORS[who][1]
    browser = Client(HTTP_HOST=PORTAL)
    sign_in(world, browser)
    first = browser.cookies[name].value
    still_clock.shift(60)  # a code of the app serves once

    sign_in(world, browser)

    thief = Client(HTTP_HOST=PORTAL)
    thief.cookies[name] = first
    assert who == "administrator" or browser.cookies[name].value != first
    assert who == "administrator" or not is_in(world, thief, who)


@pytest.mark.parametrize("who", DOORS)
@pytest.mark.parametrize("other", DOORS)
def test_cookie_of_one_door_opens_no_other(world, who, other):
    browser, stranger = Client(HTTP_HOST=PORTAL), Client(HTTP_HOST=PORTAL)
    DOORS[who][1](world, browser)
    stranger.cookies[getattr(configured, DOORS[other][0])] = browser.cookies[
        getattr(configured, DOORS[who][0])
    ].value

    assert is_in(world, stranger, other) == (who == other)


# --- Under https -----------------------------------------------------------------------------------------------------


def settings_of(**environment: str) -> dict[str, Any]:
    """The portal's settings as they would be in this environment."""
    before = dict(os.environ)
    try:
        os.environ.update(environment)
        return {
            name: value
            for name, value in runpy.run_path(str(ROOT / "sso_portal/settings.py")).items()
            if name.isupper()
        }
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def https():
    """The portal as it is outside the demo. What of its settings is not about that stays as under test."""
    kept = (
        "DATABASES",
        "CACHES",
        "LOGGING",
        "EMAIL",
        "STATIC",
        "STORAGES",
        "PASSWORD",
        "WHITENOISE",
        "BASE",
        "RATE",
    )
    found = settings_of(DEMO="off", PORTAL_URL="https://portal.example", CLIENT_DOMAIN="crm.example")
    with override_settings(**{name: value for name, value in found.items() if not name.startswith(kept)}):
        yield


class Encrypted(Client):
    """A browser that comes by https."""

    def generic(self, *args: Any, **kwargs: Any) -> Any:
        return super().generic(*args, **kwargs | {"secure": True})


@pytest.mark.parametrize("who", DOORS)
def test_cookies_are_bound_to_this_host_and_hidden_from_scripts(world, https, who):
    browser = Encrypted(HTTP_HOST="portal.example")

    DOORS[who][1](world, browser)

    name = getattr(configured, DOORS[who][0])
    cookie = browser.cookies[name]
    assert name.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert (cookie["samesite"], cookie["max-age"], cookie["expires"]) == ("Lax", "", "")


@pytest.mark.parametrize("path", ["/sso/sign-in", "/accounts/login/", "/nowhere", "/api/nowhere", "/groups/"])
def test_https_is_for_good(https, path):
    answer = Encrypted(HTTP_HOST="portal.example").get(path)

    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert {rule.strip() for rule in answer["Content-Security-Policy"].split(";")} >= POLICY - {
        "form-action 'self'"
    }


@pytest.mark.parametrize("told", [{}, {"X-Forwarded-Proto": "https"}, {"Forwarded": "proto=https"}])
def test_plain_http_goes_on_under_https_whatever_it_says_it_is(https, told):
    answer = Client(HTTP_HOST="portal.example").get("/sso/sign-in?group=1", headers=told)

    assert (answer.status_code, answer["Location"]) == (301, "https://portal.example/sso/sign-in?group=1")
