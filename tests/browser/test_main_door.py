"""The main door: administrators sign in by e-mail and a second factor, and look after their groups."""

import re

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.acts import set_up_authenticator_app, sign_in_administrator, type_administrator

pytestmark = pytest.mark.browser


def test_administrator_sees_his_groups_in_the_top_menu(page: Page, demo: dict[str, str]) -> None:
    sign_in_administrator(page, demo, "ADMIN")

    menu = page.get_by_role("navigation", name="Groups")
    expect(menu.get_by_role("link")).to_have_text(
        ["All groups", "Northwind Collections", "Southgate Services"]
    )
    menu.get_by_role("link", name="Northwind Collections").click()
    expect(page.locator(".head__group")).to_have_text("Northwind Collections")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.goto(page.url + "?q=amara")
    expect(page.get_by_role("table", name="Agents")).to_contain_text("amara.chen")


def test_administrator_without_second_factor_gets_no_further(page: Page, newcomer: dict[str, str]) -> None:
    type_administrator(page, newcomer, "NEW")
    page.goto("/groups/")

    expect(page).to_have_url("/accounts/2fa/")


def test_authenticator_app_set_up_opens_the_groups(page: Page, newcomer: dict[str, str]) -> None:
    set_up_authenticator_app(page, newcomer, "NEW")

    page.goto("/")
    expect(page.locator(".head__group")).to_have_text("Northwind Collections")


def test_passkey_signs_in_without_password(
    page: Page, newcomer: dict[str, str], authenticator: CDPSession
) -> None:
    set_up_authenticator_app(page, newcomer, "NEW")
    page.goto("/accounts/2fa/webauthn/add/")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add this key").click()
    page.wait_for_url(lambda url: "/webauthn/add/" not in url)
    page.context.clear_cookies()

    page.goto("/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.locator(".head__group")).to_have_text("Northwind Collections")


def test_signed_out_administrator_is_asked_again(page: Page, newcomer: dict[str, str]) -> None:
    type_administrator(page, newcomer, "NEW")
    page.wait_for_url("**/accounts/2fa/")
    page.locator(".topbar__user summary").click()
    page.get_by_role("button", name="Sign out").click()

    page.goto("/groups/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
