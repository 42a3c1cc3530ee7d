"""A call for a client that the agent may not enter: one plain page, and somebody who can look it up."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import crm_url, pop_url, sign_in

pytestmark = pytest.mark.browser


def be_refused(page: Page, demo: dict[str, str]) -> None:
    page.goto(pop_url(demo, demo["CLIENT_UNLINKED"], cid="+12125550142"))
    sign_in(page, demo)


def test_refusal_says_as_whom_which_group_and_which_client(page: Page, demo: dict[str, str]) -> None:
    be_refused(page, demo)

    for told in ("Amara Chen", "Northwind Collections", "acme"):
        expect(page.get_by_role("main")).to_contain_text(told)


def test_refusal_has_a_reference_number(page: Page, demo: dict[str, str]) -> None:
    be_refused(page, demo)

    expect(page.locator(".ticket__number")).to_have_text(
        re.compile(r"^\s*[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\s*$")
    )


def test_administrator_finds_the_refusal_by_its_reference(
    page: Page, auditor: Page, demo: dict[str, str]
) -> None:
    be_refused(page, demo)
    reference = page.locator(".ticket__number").inner_text()

    auditor.goto(f"/refused/{reference}/")

    expect(auditor.locator(".ladder__step--refused")).to_contain_text("acme")


@pytest.fixture
def narrowed_agent(execute: Callable[..., None]) -> Iterator[str]:
    """An agent to whom his group gave none of its clients."""
    change = "UPDATE groups_agent SET all_clients = ? WHERE username = 'jonas.weber'"
    execute(change, False)
    yield "AGENT2"
    execute(change, True)


@pytest.fixture
def refused(page: Page, demo: dict[str, str], narrowed_agent: str) -> Page:
    """The page of a call that this agent was refused, though another of the group may take it."""
    page.goto(pop_url(demo, "demoaws", cid="+12125550142"))
    sign_in(page, demo, narrowed_agent)
    page.locator(".ticket__number").wait_for()
    return page


def test_switch_of_agent_on_the_refusal_page_says_who_still_waits(refused: Page) -> None:
    refused.get_by_role("link", name="Sign in as somebody else").click()

    expect(refused.locator(".waiting")).to_contain_text("Next: Demo AWS")
    expect(refused.locator(".waiting")).to_contain_text("…42")


def test_switch_of_agent_on_the_refusal_page_keeps_the_call(refused: Page, demo: dict[str, str]) -> None:
    refused.get_by_role("link", name="Sign in as somebody else").click()
    sign_in(refused, demo)

    expect(refused).to_have_url(crm_url(demo, "demoaws"))
    expect(refused.get_by_role("heading", level=1)).to_contain_text("+12125550142")
