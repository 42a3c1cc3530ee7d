"""Every page, light and dark, wide and narrow: nothing that axe objects to, and no sideways scroll."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.acts import confirm, enter, launcher_url, pop_url, sign_in, type_administrator

pytestmark = pytest.mark.browser

CALL = {"did": "+18005550101", "cid": "+12125550142"}
WIDE, NARROW = 1280, 390  # pixels
EVERY_RULE = {"resultTypes": ["violations"]}
RULES_OF_COLOUR = EVERY_RULE | {"runOnly": ["color-contrast", "link-in-text-block"]}


def assert_good_to_everybody(page: Page) -> None:
    """Judge the open page by all four looks at once; the message names each complaint."""
    complaints = []
    axe = Axe()
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            complaints.append(f"{width}: scrolls sideways by {over} px")
        # In the dark, colours are what changes, and nothing else.
        for scheme, rules in (("light", EVERY_RULE), ("dark", RULES_OF_COLOUR)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = axe.run(page, options=rules)
            axe = Axe(axe_script="null")  # it is in the page now; to evaluate it again sends all of it back
            if found.violations_count:
                complaints.append(f"{width} {scheme}: {found.generate_report()}")
    assert not complaints, "\n".join([page.url, *complaints])


# --- Agents ----------------------------------------------------------------------------------------------------------


def test_choice_of_group(page: Page, demo: dict[str, str]) -> None:
    page.goto("/sso/group")
    assert_good_to_everybody(page)


def test_sign_in(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    assert_good_to_everybody(page)


def test_sign_in_after_a_wrong_password(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo, password="not-her-password")
    page.get_by_role("alert").wait_for()
    assert_good_to_everybody(page)


def test_unlock(page: Page, demo: dict[str, str], let_sessions_go_idle: Callable[[str], None]) -> None:
    enter(page, demo, "demoaws")
    let_sessions_go_idle(demo["AGENT_USERNAME"])
    page.goto(pop_url(demo, "demoaws", **CALL))
    page.get_by_role("button", name="Unlock").wait_for()
    assert_good_to_everybody(page)


def test_choice_of_a_password(page: Page, demo: dict[str, str], manage: Callable[..., str]) -> None:
    newcomer = {"NEW_USERNAME": "n.bauer039"}
    code = manage("agent", demo["GROUP_ID"], newcomer["NEW_USERNAME"], "activation-code")
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, newcomer, "NEW", password=code)
    page.get_by_label("New password again").wait_for()
    assert_good_to_everybody(page)


def test_launcher(page: Page, demo: dict[str, str]) -> None:
    enter(page, demo, "demoaws")
    page.goto(launcher_url(demo))
    assert_good_to_everybody(page)


def test_refusal(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "acme", **CALL))
    sign_in(page, demo)
    page.locator(".ticket__number").wait_for()
    assert_good_to_everybody(page)


def test_hand_off(page: Page, demo: dict[str, str]) -> None:
    # It sends itself on at once, unless its script does not arrive.
    page.route("**/hand_off*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(pop_url(demo, "acme", group=demo["OTHER_GROUP_ID"]))
    sign_in(page, demo, "OTHER_GROUP_AGENT")
    page.get_by_role("button", name="Continue").wait_for()
    assert_good_to_everybody(page)


def test_sign_out(page: Page, demo: dict[str, str]) -> None:
    enter(page, demo, "demoaws")
    page.goto("/sso/sign-out")
    assert_good_to_everybody(page)


def test_signed_out(page: Page, demo: dict[str, str]) -> None:
    page.goto("/sso/sign-out")
    assert_good_to_everybody(page)


def test_crm_desk(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "demoaws", **CALL))
    sign_in(page, demo)
    page.get_by_role("heading", name="Customer on the line").wait_for()
    assert_good_to_everybody(page)


# --- Administrators --------------------------------------------------------------------------------------------------


def test_main_door(page: Page, demo: dict[str, str]) -> None:
    page.goto("/accounts/login/")
    assert_good_to_everybody(page)


def test_second_factor(page: Page, demo: dict[str, str]) -> None:
    type_administrator(page, demo, "ADMIN")
    page.get_by_label("Code").wait_for()
    assert_good_to_everybody(page)


def test_set_up_of_an_authenticator_app(page: Page, newcomer: dict[str, str]) -> None:
    type_administrator(page, newcomer, "NEW")
    page.get_by_role("link", name="Set up").click()
    page.get_by_role("heading", name="Is it still you?").wait_for()
    assert_good_to_everybody(page)
    confirm(page, newcomer["NEW_PASSWORD"])
    page.get_by_role("img", name="QR code").wait_for()
    assert_good_to_everybody(page)


@pytest.mark.parametrize("path", ["/groups/", "/groups/21/", "/profile/", "/accounts/2fa/webauthn/"])
def test_console(auditor: Page, demo: dict[str, str], path: str) -> None:
    auditor.goto(path)
    expect(auditor).to_have_url(path)
    assert_good_to_everybody(auditor)


def test_reference(page: Page, auditor: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, "acme", **CALL))
    sign_in(page, demo)
    reference = page.locator(".ticket__number").inner_text()
    auditor.goto(f"/refused/{reference}/")
    auditor.locator(".ladder").wait_for()
    assert_good_to_everybody(auditor)
