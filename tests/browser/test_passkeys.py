"""An agent's passkey, in a browser that makes and shows a real one."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.acts import sign_in
from tests.running_demo import Manage

pytestmark = pytest.mark.browser


@pytest.fixture
def demanding(manage: Manage, demo: dict[str, str]) -> Iterator[dict[str, str]]:
    """A group of the demo that demands a second factor meanwhile, and its agent NEW, who has none."""
    group, name, password = demo["API_GROUP_ID"], f"nora{time.time_ns()}", "kettle-harbor-violin"

    def demand(is_wanted: bool) -> None:
        change(f"Group.objects.filter(pk={group}).update(needs_second_factor={is_wanted})")

    def change(what: str) -> None:
        modules = (
            "from django.contrib.auth.hashers import make_password; from groups.models import Agent, Group"
        )
        manage("shell", "--no-imports", "-c", f"{modules}; {what}")

    demand(True)
    change(
        f"Agent.objects.create(group_id={group}, username={name!r}, full_name='Nora New', "
        f"password=make_password({password!r}))"
    )
    yield {"GROUP_ID": group, "NEW_USERNAME": name, "NEW_PASSWORD": password}
    demand(False)


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
