"""A shift: launcher, going idle, signing out, being stopped."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import crm_url, enter, launcher_url, pop_url, sign_in

pytestmark = pytest.mark.browser


def test_direct_address_leads_to_the_launcher(page: Page, demo: dict[str, str]) -> None:
    page.goto(launcher_url(demo))
    sign_in(page, demo)

    expect(page).to_have_url(launcher_url(demo))
    expect(page.get_by_role("heading", name="Your clients")).to_be_visible()


def test_launcher_lists_what_the_agent_may_enter_the_recent_first(page: Page, demo: dict[str, str]) -> None:
    enter(page, demo, "sandboxdemo")

    page.goto(launcher_url(demo))

    expect(page.locator(".door__name")).to_have_text(["Sandbox Demo", "Demo AWS"])


def test_launcher_opens_a_client(page: Page, demo: dict[str, str]) -> None:
    page.goto(launcher_url(demo))
    sign_in(page, demo)
    page.get_by_role("link", name="Demo AWS").click()

    expect(page).to_have_url(crm_url(demo, "demoaws"))


def test_idle_session_asks_for_the_password_alone_and_goes_on(
    page: Page, demo: dict[str, str], let_sessions_go_idle: Callable[[str], None]
) -> None:
    enter(page, demo, "demoaws")
    let_sessions_go_idle(demo["AGENT_USERNAME"])

    page.goto(pop_url(demo, "sandboxdemo"))

    expect(page.get_by_text(demo["AGENT_USERNAME"], exact=True)).to_be_visible()
    expect(page.get_by_label("Username")).to_have_count(0)
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(demo["AGENT_PASSWORD"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(crm_url(demo, "sandboxdemo"))


def test_somebody_else_takes_over_at_the_unlock_page_and_keeps_the_call(
    page: Page, demo: dict[str, str], let_sessions_go_idle: Callable[[str], None]
) -> None:
    enter(page, demo, "demoaws")
    let_sessions_go_idle(demo["AGENT_USERNAME"])

    page.goto(pop_url(demo, "sandboxdemo", cid="+13125550177"))
    page.get_by_role("link", name="Switch agent").click()
    sign_in(page, demo, "AGENT2")

    expect(page).to_have_url(crm_url(demo, "sandboxdemo"))
    expect(page.get_by_role("banner")).to_contain_text("Jonas Weber")


def test_signed_out_agent_is_asked_again_at_the_next_call(page: Page, demo: dict[str, str]) -> None:
    enter(page, demo, "demoaws")

    page.goto("/sso/sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()

    page.goto(pop_url(demo, "demoaws"))
    expect(page.get_by_label("Username")).to_be_visible()


def test_disabled_agent_is_out_at_the_next_call(
    page: Page, demo: dict[str, str], manage: Callable[..., str]
) -> None:
    enter(page, demo, "demoaws", "LOCK_AGENT")
    manage("agent", demo["GROUP_ID"], demo["LOCK_AGENT_USERNAME"], "disable")
    try:
        page.goto(pop_url(demo, "demoaws"))
        sign_in(page, demo, "LOCK_AGENT")

        expect(page.get_by_role("alert")).to_contain_text("do not match")
    finally:
        manage("agent", demo["GROUP_ID"], demo["LOCK_AGENT_USERNAME"], "enable")
