"""oidc-client-ts, unchanged, in a page of its own origin in a real Chromium: it calls the portal by CORS."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.acts import sign_in
from tests.clients.conversing import HERE, INSTALLED, Row

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.node]

PATIENCE = 15_000  # milliseconds
LIBRARY = INSTALLED / "node" / "node_modules" / "oidc-client-ts"


@pytest.fixture
def application(site_port: int, said: dict[str, str]) -> Iterator[str]:
    """The address of the application; of the portal's site, as far as cookies go."""
    settings = {"authority": said["OIDC_ISSUER"], "client_id": said["OIDC_PUBLIC_CLIENT_ID"]}
    page = (HERE / "browser" / "page.html").read_bytes()
    script = "text/javascript"
    served = {
        "/application.js": (script, (HERE / "browser" / "application.js").read_bytes()),
        "/oidc-client-ts.js": (script, (LIBRARY / "dist" / "browser" / "oidc-client-ts.min.js").read_bytes()),
        "/settings.json": ("application/json", json.dumps(settings).encode()),
    }

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = served.get(self.path, ("text/html", page))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", site_port), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{site_port}"
        server.shutdown()


def call(page: Page, method: str, *arguments: Any) -> Any:
    """Call the library in the page; what it returns, as far as JSON goes."""
    program = "async ([method, given]) => JSON.stringify(await (await manager)[method](...given)) ?? 'null'"
    return json.loads(page.evaluate(program, [method, arguments]))


def leave(page: Page, method: str, *, to: str) -> None:
    """Call what leaves the page, and wait until the browser is there."""
    page.evaluate("async (method) => { (await manager)[method](); }", method)
    page.wait_for_url(re.compile(re.escape(to)))


def test_oidc_client_ts(application: str, page: Page, demo: dict[str, str], row: Row) -> None:
    row.client = "oidc-client-ts, in Chromium"
    row.version = json.loads((LIBRARY / "package.json").read_text())["version"]
    page.set_default_timeout(PATIENCE)
    page.goto(f"{application}/")
    leave(page, "signinRedirect", to=f"{demo['PORTAL_URL']}/sso/sign-in")
    row.did.append("discovery")

    sign_in(page, demo)
    page.wait_for_url(f"{application}/oidc/callback/**")
    user = call(page, "signinRedirectCallback")
    assert user["profile"]["preferred_username"] == demo["AGENT_USERNAME"]
    assert user["profile"]["email"] == demo["AGENT_EMAIL"]
    row.did += ["code + PKCE", "userinfo"]

    renewed = call(page, "signinSilent")
    assert renewed["refresh_token"] != user["refresh_token"]
    row.did.append("refresh")

    call(page, "revokeTokens", ["refresh_token"])
    row.did.append("revoke")

    silent = call(page, "signinSilent")
    assert silent["profile"]["sub"] == user["profile"]["sub"]
    row.did.append("renewal in a frame, with prompt=none")

    leave(page, "signoutRedirect", to=f"{demo['PORTAL_URL']}/oauth/logout")
    page.get_by_role("button", name="Sign out and go back").click()
    page.wait_for_url(f"{application}/logged-out/**")
    call(page, "signoutRedirectCallback")
    row.did.append("log-out")

    leave(page, "signinRedirect", to=f"{demo['PORTAL_URL']}/sso/sign-in")
    row.did.append("after it, the portal asks for the password")
    row.result = "works"
