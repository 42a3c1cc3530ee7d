"""An agent's passkey, in a browser that makes and shows a real one."""

import time

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.acts import sign_in
from tests.running_demo import Manage

pytestmark = pytest.mark.browser


@pytest.fixture
def demanding(manage: Manage) -> dict[str, str]:
    """A group that demands a second factor, and its agent NEW, who has none."""
    group, name, password = str(10_000 + time.time_ns() % 1_000_000), "nora", "kettle-harbor-violin"
    manage(
        "shell",
        "--no-imports",
        "-c",
        "from django.contrib.auth.hashers import make_password; from groups.models import Agent, Group; "
        f"g = Group.objects.create(pk={group}, code='g{group}', name='Demanding', needs_second_factor=True); "
        f"Agent.objects.create(group=g, username={name!r}, full_name='Nora New', password=make_password({password!r}))",
    )
    return {"GROUP_ID": group, "NEW_USERNAME": name, "NEW_PASSWORD": password}


def test_passkey_is_set_up_and_signs_in_beside_the_password(
    page: Page, demanding: dict[str, str], authenticator: CDPSession
) -> None:
    launcher = f"/sso/group?group={demanding['GROUP_ID']}"
    page.goto(launcher)
    sign_in(page, demanding, "NEW")
    page.get_by_label("What to call it").fill("Blue key")
    page.get_by_role("button", name="Set up a passkey").click()
    expect(page).to_have_url(launcher)
    page.context.clear_cookies()

    page.goto(launcher)
    sign_in(page, demanding, "NEW")
    page.get_by_role("button", name="Use your passkey").click()

    expect(page).to_have_url(launcher)
    page.get_by_role("link", name="Your second factors").click()
    expect(page.get_by_role("listitem")).to_contain_text("Blue key")
    page.get_by_role("button", name="Set up a passkey").click()
    expect(page.get_by_text("This one is set up already")).to_be_visible()
