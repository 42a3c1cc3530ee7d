"""A real Chromium against what `make run` starts (tests/running_demo.py)."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, WebError, expect

from tests.browser.acts import sign_in_administrator
from tests.running_demo import Manage

PATIENCE = 15_000  # milliseconds, for one step on a busy machine
# A refusal page is meant; Chromium logs its status all the same.
EXPECTED = {
    "Failed to load resource: the server responded with a status of 403 (Forbidden)",
    "Failed to load resource: net::ERR_FAILED",  # an answer that a test loses on the way
}

expect.set_options(timeout=PATIENCE)


# --- The demo's database ---------------------------------------------------------------------------------------------


@pytest.fixture
def execute(demo: dict[str, str], demo_environment: dict[str, str]) -> Callable[..., None]:
    """Change the demo's database from outside: time that passes, what an administrator set."""
    path = demo_environment["DATABASE_URL"].removeprefix("sqlite:///")

    def run(statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            assert connection.execute(statement, values).rowcount, "The statement changed nothing."

    return run


@pytest.fixture
def let_sessions_go_idle(execute: Callable[..., None]) -> Callable[[str], None]:
    """Let the idle time of this agent's sessions be over."""

    def idle(username: str) -> None:
        execute(
            "UPDATE groups_agentsession SET idle_at = '2020-01-01 00:00:00' WHERE agent_id IN "
            "(SELECT id FROM groups_agent WHERE username = ?)",
            username,
        )

    return idle


# --- The browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def base_url(demo: dict[str, str]) -> str:
    """Paths are the portal's. (The plugin's own fixture is a bound method, which pytest 9.2 warns of.)"""
    return demo["PORTAL_URL"]


@pytest.fixture
def new_context(new_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., BrowserContext]]:
    """A new browser profile; whatever its pages complain about in the console fails the test."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and message.text not in EXPECTED:
            complaints.append(f"{message.page.url if message.page else ''}: {message.text}")

    def hear_error(error: WebError) -> None:
        complaints.append(str(error.error))

    def make(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.on("console", hear)
        context.on("weberror", hear_error)
        return context

    yield make
    assert not complaints


@pytest.fixture(scope="session")
def auditor_state(browser: Browser, base_url: str, demo: dict[str, str]) -> Any:
    """The cookies of the auditor, signed in once: a one-time code serves once."""
    context = browser.new_context(base_url=base_url)
    page = context.new_page()
    sign_in_administrator(page, demo, "AUDITOR")
    page.wait_for_url("**/groups/**")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def auditor(new_context: Callable[..., BrowserContext], auditor_state: Any) -> Page:
    """A browser in which the auditor of group 21 is signed in."""
    return new_context(storage_state=auditor_state).new_page()


@pytest.fixture
def authenticator(page: Page) -> CDPSession:
    """The finger on the reader: a passkey device inside the browser of `page` that always says yes."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return device


@pytest.fixture
def newcomer(manage: Manage, demo: dict[str, str]) -> dict[str, str]:
    """A manager of group 21 without a second factor, as the person NEW."""
    email, password = f"new{time.time_ns()}@portal.example", "kettle-harbor-violin"
    manage(
        "shell",
        "--no-imports",
        "-c",
        "from accounts.models import Administrator; from groups.models import Membership; "
        f"a = Administrator.objects.create_user({email!r}, {password!r}, full_name='Nora Newcomer'); "
        "Membership.objects.create(administrator=a, group_id=21, role='manager')",
    )
    return {"NEW_EMAIL": email, "NEW_PASSWORD": password}
