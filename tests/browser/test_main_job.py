"""The main job: a call pops, the agent signs in once, and each client's CRM knows who came and why."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.acts import choose_password, crm_url, enter, pop_url, sign_in

pytestmark = pytest.mark.browser

CALL = {"did": "+18005550101", "cid": "+12125550142", "call_id": "c-4711"}


def test_sign_in_page_says_who_waits(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))

    expect(page.locator(".waiting")).to_contain_text("Next: Demo AWS")
    expect(page.locator(".waiting")).to_contain_text("…42")


def test_first_call_asks_to_sign_in_once_then_is_in_the_crm(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo)

    expect(page).to_have_url(crm_url(demo, "demoaws"))


def test_crm_knows_agent_group_and_call(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo)

    desk = page.locator("body")
    for told in ("Amara Chen", "amara.chen", "Northwind Collections", *CALL.values()):
        expect(desk).to_contain_text(told)


def test_next_call_goes_straight_into_the_next_crm(page: Page, demo: dict[str, str]) -> None:
    enter(page, demo, "demoaws")
    seen: list[str] = []
    page.on("domcontentloaded", lambda loaded: seen.append(loaded.url))

    page.goto(pop_url(demo, "sandboxdemo", cid="+13125550177"))

    expect(page.get_by_role("heading", level=1)).to_contain_text("+13125550177")
    assert seen == [crm_url(demo, "sandboxdemo")]


def test_reload_of_the_crm_stays_signed_in(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo)
    page.wait_for_url(crm_url(demo, "demoaws"))

    page.reload()

    expect(page.get_by_role("banner")).to_contain_text("Amara Chen")
    expect(page.get_by_role("heading", level=1)).to_contain_text(CALL["cid"])


def test_keyboard_alone_reaches_the_crm(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws"))
    page.keyboard.type(demo["AGENT_USERNAME"])
    page.keyboard.press("Tab")
    page.keyboard.type(demo["AGENT_PASSWORD"])
    page.keyboard.press("Enter")

    expect(page).to_have_url(crm_url(demo, "demoaws"))


def test_wrong_password_keeps_username_and_target(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo, password="not-her-password")

    expect(page.get_by_role("alert")).to_contain_text("do not match")
    expect(page.get_by_label("Username")).to_have_value(demo["AGENT_USERNAME"])
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(demo["AGENT_PASSWORD"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(crm_url(demo, "demoaws"))


def test_page_that_was_open_for_too_long_keeps_the_target(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    page.context.clear_cookies()
    sign_in(page, demo)
    expect(page.get_by_role("alert")).to_contain_text("open for a long time")

    page.get_by_label("Password").fill(demo["AGENT_PASSWORD"])
    page.keyboard.press("Enter")

    expect(page).to_have_url(crm_url(demo, "demoaws"))


def test_activation_code_leads_to_a_password_then_into_the_crm(
    page: Page, demo: dict[str, str], manage: Callable[..., str]
) -> None:
    newcomer = {"NEW_USERNAME": "n.adeyemi019", "NEW_PASSWORD": ""}
    code = manage("agent", demo["GROUP_ID"], newcomer["NEW_USERNAME"], "activation-code")

    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, newcomer, "NEW", password=code)
    expect(page.locator(".waiting")).to_contain_text("Next: Demo AWS")
    choose_password(page)

    expect(page).to_have_url(crm_url(demo, "demoaws"))
    expect(page.get_by_role("banner")).to_contain_text("Nils Adeyemi")


def test_two_tabs_at_the_sign_in_page_end_at_their_own_client(
    context: BrowserContext, demo: dict[str, str]
) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(pop_url(demo, "demoaws"))
    second.goto(pop_url(demo, "sandboxdemo"))

    sign_in(second, demo)
    sign_in(first, demo)

    expect(second).to_have_url(crm_url(demo, "sandboxdemo"))
    expect(first).to_have_url(crm_url(demo, "demoaws"))


def test_form_post_hand_off_presses_its_own_button(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "acme", group=demo["OTHER_GROUP_ID"]))
    sign_in(page, demo, "OTHER_GROUP_AGENT")

    expect(page).to_have_url(crm_url(demo, "acme"))
    expect(page.get_by_role("banner")).to_contain_text("Sara Lind")


def test_form_post_hand_off_has_a_button_without_script(
    new_context: Callable[..., BrowserContext], demo: dict[str, str]
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(pop_url(demo, "acme", group=demo["OTHER_GROUP_ID"]))
    sign_in(page, demo, "OTHER_GROUP_AGENT")
    page.get_by_role("button", name="Continue to Acme Industries").click()

    expect(page).to_have_url(crm_url(demo, "acme"))
    expect(page.get_by_role("banner")).to_contain_text("Sara Lind")
