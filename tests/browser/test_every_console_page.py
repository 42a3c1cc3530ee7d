"""Every page of the console that links lead to, light and dark, wide and narrow: good to everybody."""

from urllib.parse import urlsplit
from zlib import crc32

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Page

from tests.browser.acts import sign_in_administrator
from tests.browser.test_every_page import assert_good_to_everybody

pytestmark = pytest.mark.browser

DOWNLOADS = {
    "agents_export",
    "activity_export",
    "agent_import_template",
    "export_numbers",
    "agent_import_report",
    "number_import_faults",
    "mfa_download_recovery_codes",
}
SHARES = 3  # of the pages: each is judged in one of so many walks, which run beside each other
START = ["/groups/", "/groups/21/", "/profile/"]
# The pages that the issue names, whatever links there may be.
WANTED = {
    "groups", "group", "agents", "agent", "agent_new", "agent_edit", "agent_import", "agent_roster", "group_clients",
    "group_client", "dialled_numbers", "integration", "simulate", "keys", "key_new", "address_new", "activity",
    "administrators", "invite_administrator", "group_settings", "profile", "reference",
}  # fmt: skip


def links_of(page: Page) -> list[str]:
    """The addresses of this portal that the page leads to."""
    found: list[str] = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    here = urlsplit(page.url)
    return [url for url in found if urlsplit(url).netloc == here.netloc]


def name_of(url: str) -> str:
    """The name of this address in the URL configuration, with what makes the page another one."""
    try:
        match = resolve(urlsplit(url).path)
    except Resolver404:
        return ""
    variants = {key: value for key, value in match.kwargs.items() if key in ("act", "section")}
    return ":".join([match.url_name or "", *variants.values()])


@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_that_links_lead_to(page: Page, demo: dict[str, str], share: int) -> None:
    sign_in_administrator(page, demo, "ADMIN")
    page.wait_for_url("**/groups/**")
    waiting, seen = [demo["PORTAL_URL"] + path for path in START], set()
    while waiting:
        url = waiting.pop(0)
        name = name_of(url)
        if (
            name in seen
            or name.partition(":")[0] in DOWNLOADS
            or not urlsplit(url).path.startswith(("/groups", "/profile", "/refused"))
        ):
            continue
        seen.add(name)
        page.goto(url)
        assert page.title(), url
        waiting += links_of(page)
        if crc32(name.encode()) % SHARES == share:
            assert_good_to_everybody(page)

    walked = {name.partition(":")[0] for name in seen}
    assert walked >= WANTED, WANTED - walked
