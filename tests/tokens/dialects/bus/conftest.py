"""What the tests of the message bus share: a registered host, and the calls of the page's own script."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests import factories
from tests.conftest import PORTAL
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusAddress, BusUse

HOST = "https://host.example"
REDIRECT = "https://host.example/signed-in"
OWN = {"Origin": f"http://{PORTAL}", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def host(group) -> BusAddress:
    """An origin whose pages may talk to the group's bus; codes may go there, too."""
    factories.BusAddressFactory(group=group, use=BusUse.REDIRECT, address=REDIRECT)
    return factories.BusAddressFactory(group=group, address=HOST)


@pytest.fixture
def sealed(group, host) -> str:
    """What the script of a registered page sends along."""
    return seal(Page(group.pk, HOST, "Dialer 1.2"))


@pytest.fixture
def call(sealed) -> Callable[..., Any]:
    """One call of the page's script, with what a browser sends along by itself. No answer may be a 5xx."""

    def send(
        what: str, body: Any = None, *, cookie: str = "", method: str = "POST", headers: Any = None
    ) -> Any:
        browser = Client(HTTP_HOST=PORTAL)
        if cookie:
            browser.cookies[settings.AGENT_COOKIE_NAME] = cookie
        usual = OWN | {"X-Bus-Page": sealed} | (headers or {})
        sent = {name: value for name, value in usual.items() if value is not None}
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return browser.generic(method, f"/bus/api/{what}", data, "application/json", headers=sent)

    return send


@pytest.fixture
def sign_in(call, agent, entitlement) -> Callable[..., Any]:
    """Alice signs in over the bus, unless the test says otherwise."""

    def send(email: str = "alice", password: str = factories.PASSWORD, **more: Any) -> Any:
        return call("sign-in", {"email": email, "password": password} | more)

    return send


def assert_refused(response: Any, status: int, code: str) -> None:
    """The bus's own shape, and what every answer to software has."""
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert error.keys() == {"code", "message"}
    assert error["code"] == code, error
    assert error["message"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
