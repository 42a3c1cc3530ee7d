"""A telephone system that frames the pop: cookies do not reach a frame of another site."""

import threading
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import crm_url, pop_url, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def telephone_system(demo: dict[str, str]) -> Iterator[str]:
    """The address of another site's page that shows a pop in a frame."""
    frame = escape(pop_url(demo, "demoaws", cid="+12125550142"))
    page = f"<!doctype html><link rel=icon href='data:,'><iframe src='{frame}' title='CRM'></iframe>"

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_framed_pop_offers_a_tab_that_leads_into_the_crm(
    page: Page, telephone_system: str, demo: dict[str, str]
) -> None:
    page.goto(telephone_system)
    with page.expect_popup() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Open in a tab").click()
    tab = opened.value
    sign_in(tab, demo)

    expect(tab).to_have_url(crm_url(demo, "demoaws"))
