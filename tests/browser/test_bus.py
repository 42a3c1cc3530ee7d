"""The message bus in a frame of a host page of another origin: what the host may ask, and who gets nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Frame, Page, Route, expect

from tests.browser.acts import launcher_url, sign_in

pytestmark = pytest.mark.browser

TALK = """
window.heard = [];      // whatever arrived from the bus
window.overheard = [];  // whatever arrived from anybody
const frame = document.getElementById("bus");
const bus = new URL(frame.src).origin;
addEventListener("message", (event) => {
  overheard.push(event.data);
  if (event.source === frame.contentWindow && event.origin === bus) heard.push(event.data);
});
window.send = (type, payload) => frame.contentWindow.postMessage({ type, payload }, bus);
"""
SIBLING = """
window.heard = [];
addEventListener("message", (event) => heard.push(event.data));
window.attack = (messages) => messages.forEach((message) => parent.frames[0].postMessage(message, "*"));
"""


class Hosts:
    """Pages of other sites: one whose origin is registered, and one whose origin is not."""

    def __init__(self, bus_url: str) -> None:
        self.bus_url = bus_url
        self.ports: list[int] = []

    def page(self, path: str) -> str:
        if path == "/sibling":
            return f"<!doctype html><script>{SIBLING}</script>"
        sibling = f"http://localhost:{self.ports[1]}/sibling"
        frames = f"<iframe id=bus src='{escape(self.bus_url)}' title=Bus></iframe>"
        if path == "/with-sibling":
            frames += f"<iframe id=sibling src='{sibling}' title=Sibling></iframe>"
        return (
            f"<!doctype html><link rel=icon href='data:,'><title>Host</title>{frames}<script>{TALK}</script>"
        )

    def serve(self) -> ThreadingHTTPServer:
        hosts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(hosts.page(urlsplit(self.path).path).encode())

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.ports.append(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@pytest.fixture
def hosts(demo: dict[str, str], execute: Callable[..., None]) -> Iterator[Hosts]:
    """A registered host, at a name of the portal's own site and at one of another; and one that is not registered."""
    made = Hosts(demo["BUS_URL"])
    with ExitStack() as running:
        for _ in range(2):
            running.callback(running.enter_context(made.serve()).shutdown)
        for name in ("localhost", "127.0.0.1"):
            for use, path in (("origin", ""), ("redirect", "/signed-in?from=portal")):
                execute(
                    "INSERT INTO tokens_busaddress (group_id, use, address, created_at) "
                    "VALUES (?, ?, ?, '2026-01-01 00:00:00')",
                    demo["GROUP_ID"],
                    use,
                    f"http://{name}:{made.ports[0]}{path}",
                )
        yield made
        execute("DELETE FROM tokens_busaddress WHERE address LIKE ?", f"%:{made.ports[0]}%")


@pytest.fixture
def elsewhere(hosts: Hosts) -> str:
    """The registered host, of another site than the portal."""
    return f"http://127.0.0.1:{hosts.ports[0]}"


@pytest.fixture
def nearby(hosts: Hosts) -> str:
    """The registered host, of the portal's own site: the agent's cookie arrives."""
    return f"http://localhost:{hosts.ports[0]}"


def send(page: Page, type_: str, payload: Any = None) -> None:
    page.evaluate("([type, payload]) => send(type, payload)", [type_, payload])


def wait_for(page: Page, type_: str) -> Any:
    """The payload of the next message of this type, which is then forgotten."""
    page.wait_for_function("type => heard.some((message) => message.type === type)", arg=type_)
    take = "type => heard.splice(heard.findIndex((message) => message.type === type), 1)[0].payload"
    return page.evaluate(take, type_)


def register(page: Page, origin: str, path: str = "/") -> Any:
    """Open the host's page and register it; what the bus answers."""
    page.goto(f"{origin}{path}")
    send(page, "BUS.REGISTER", {"origin": origin, "appName": "Dialer", "release": "1.2"})
    return wait_for(page, "BUS.REGISTER_FULFILLED")


def connect(page: Page, demo: dict[str, str]) -> Any:
    """Sign the agent in over the bus; what the host is told."""
    credentials = {"email": demo["AGENT_USERNAME"], "password": demo["AGENT_PASSWORD"]}
    send(page, "AUTH.EMAIL_AND_PASSWORD", credentials)
    return wait_for(page, "AUTH.EMAIL_AND_PASSWORD_FULFILLED")


def bus_frame(page: Page) -> Frame:
    return next(frame for frame in page.frames if "/bus/" in frame.url)


def hear_nothing(page: Page) -> None:
    """Whatever was sent has been seen by the bus by now: it answers the host's own message, and nothing else."""
    send(page, "BUS.INIT", {"services": ["USER"]})
    wait_for(page, "BUS.INIT_FULFILLED")
    assert page.evaluate("heard") == []


def me_of(page: Page, demo: dict[str, str], token: str) -> int:
    """What the portal answers the host's server about this token."""
    answer = page.request.get(f"{demo['PORTAL_URL']}/bus/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status


# --- What the host may ask -------------------------------------------------------------------------------------------


def test_host_registers_signs_its_agent_in_and_out(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    assert register(page, elsewhere) == {}
    send(page, "BUS.INIT", {"services": ["AUTH", "USER"]})
    wait_for(page, "BUS.INIT_FULFILLED")

    told = connect(page, demo)

    assert told.keys() == {"credentials", "currentUser", "company"}
    assert told["credentials"].keys() == {"idToken", "refreshToken"}
    assert told["currentUser"]["username"] == demo["AGENT_USERNAME"]
    assert "demoaws" in told["currentUser"]["clients"]
    assert told["company"] == {"id": 21, "code": "northwind", "name": "Northwind Collections"}
    assert me_of(page, demo, told["credentials"]["idToken"]) == 200

    send(page, "AUTH.LOGOUT")
    wait_for(page, "AUTH.LOGOUT_FULFILLED")
    assert me_of(page, demo, told["credentials"]["idToken"]) == 401
    assert page.evaluate("heard") == []


def test_email_signs_in_too(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    register(page, elsewhere)

    send(page, "AUTH.EMAIL_AND_PASSWORD", {"email": demo["AGENT_EMAIL"], "password": demo["AGENT_PASSWORD"]})

    told = wait_for(page, "AUTH.EMAIL_AND_PASSWORD_FULFILLED")
    assert told["currentUser"]["email"] == demo["AGENT_EMAIL"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"email": "nobody", "password": "wrong"}, "wrong_credentials"),
        ({"email": "nobody"}, "invalid_payload"),
        ({"email": 7, "password": "x"}, "invalid_payload"),
        ("nobody", "invalid_payload"),
    ],
)
def test_sign_in_that_fails_is_rejected(page: Page, elsewhere: str, payload: Any, code: str) -> None:
    register(page, elsewhere)

    send(page, "AUTH.EMAIL_AND_PASSWORD", payload)

    error = wait_for(page, "AUTH.EMAIL_AND_PASSWORD_REJECTED")["error"]
    assert error.keys() == {"code", "message"}
    assert error["code"] == code


def test_bus_renews_what_it_gave_before_it_ends(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    page.clock.install()
    register(page, elsewhere)
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    given = connect(page, demo)["credentials"]

    page.clock.fast_forward("14:01")
    renewed = wait_for(page, "AUTH.TOKEN_REFRESHED")
    page.clock.fast_forward("14:01")
    again = wait_for(page, "AUTH.TOKEN_REFRESHED")

    assert renewed.keys() == {"idToken", "refreshToken"}
    assert len({given["refreshToken"], renewed["refreshToken"], again["refreshToken"]}) == 3
    assert me_of(page, demo, again["idToken"]) == 200


def test_bus_says_when_it_cannot_renew_any_more(
    page: Page, elsewhere: str, demo: dict[str, str], execute: Callable[..., None]
) -> None:
    page.clock.install()
    register(page, elsewhere)
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    connect(page, demo)
    execute("UPDATE tokens_tokenfamily SET ends_at = datetime('now', '+5 minutes') WHERE revoked_at IS NULL")
    page.clock.fast_forward("14:01")
    wait_for(page, "AUTH.TOKEN_REFRESHED")

    page.clock.fast_forward("05:01")

    wait_for(page, "AUTH.REFRESH_TOKEN_EXPIRED")


def lose_answers(page: Page) -> list[str]:
    """The portal renews, and its answer is lost on the way; how often it was asked."""
    asked: list[str] = []

    def lose(route: Route) -> None:
        asked.append(route.request.url)
        route.fetch()
        route.abort()

    page.route("**/bus/api/refresh", lose)
    return asked


def test_token_whose_answer_was_lost_is_not_shown_again(
    page: Page, elsewhere: str, demo: dict[str, str]
) -> None:
    page.clock.install()
    register(page, elsewhere)
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    connect(page, demo)
    asked = lose_answers(page)

    page.clock.fast_forward("14:01")

    wait_for(page, "AUTH.REFRESH_TOKEN_EXPIRED")
    assert len(asked) == 1


def test_session_is_restored_after_an_answer_was_lost(page: Page, nearby: str, demo: dict[str, str]) -> None:
    page.clock.install()
    page.goto(launcher_url(demo))
    sign_in(page, demo)
    register(page, nearby)
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    wait_for(page, "AUTH.TOKEN_REFRESHED")
    lose_answers(page)

    page.clock.fast_forward("14:01")

    given = wait_for(page, "AUTH.TOKEN_REFRESHED")
    assert me_of(page, demo, given["idToken"]) == 200


def test_without_init_the_host_hears_of_no_renewal(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    page.clock.install()
    register(page, elsewhere)
    connect(page, demo)

    page.clock.fast_forward("14:30")

    hear_nothing(page)


def test_agent_signs_in_on_the_portals_page_and_comes_back_with_a_code(
    page: Page, elsewhere: str, demo: dict[str, str]
) -> None:
    back = f"{elsewhere}/signed-in?from=portal"
    page.goto(demo["BUS_SSO_START_URL"].replace("{redirectUrl}", quote(back, safe="")) + "&state=s%2Fx")
    sign_in(page, demo)
    page.wait_for_url(f"{elsewhere}/signed-in?*")
    query = parse_qs(urlsplit(page.url).query)
    assert (query["from"], query["state"]) == (["portal"], ["s/x"])

    register(page, elsewhere, "/signed-in")
    send(page, "AUTH.SSO", {"code": query["code"][0], "redirectUrl": back})

    assert wait_for(page, "AUTH.SSO_FULFILLED")["currentUser"]["username"] == demo["AGENT_USERNAME"]


def test_session_is_restored_where_the_bus_is_same_site(
    page: Page, nearby: str, demo: dict[str, str]
) -> None:
    page.goto(launcher_url(demo))
    sign_in(page, demo)

    user = register(page, nearby)["user"]
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    wait_for(page, "BUS.INIT_FULFILLED")
    given = wait_for(page, "AUTH.TOKEN_REFRESHED")

    assert user["username"] == demo["AGENT_USERNAME"]
    assert me_of(page, demo, given["idToken"]) == 200
    send(page, "AUTH.LOGOUT")
    wait_for(page, "AUTH.LOGOUT_FULFILLED")
    page.goto(launcher_url(demo))
    expect(page.get_by_label("Password")).to_be_visible()


def test_session_is_not_restored_across_sites(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    page.goto(launcher_url(demo))
    sign_in(page, demo)

    assert register(page, elsewhere) == {}


def test_nothing_is_left_in_the_browser(page: Page, nearby: str, demo: dict[str, str]) -> None:
    register(page, nearby)
    connect(page, demo)

    kept = bus_frame(page).evaluate("[localStorage.length, sessionStorage.length, document.cookie]")

    assert kept == [0, 0, ""]
    assert page.context.cookies() == []


# --- Who gets nothing ------------------------------------------------------------------------------------------------


def test_nothing_is_answered_before_the_host_registered(
    page: Page, elsewhere: str, demo: dict[str, str]
) -> None:
    page.goto(elsewhere)
    send(page, "BUS.INIT", {"services": ["AUTH"]})
    send(
        page, "AUTH.EMAIL_AND_PASSWORD", {"email": demo["AGENT_USERNAME"], "password": demo["AGENT_PASSWORD"]}
    )
    send(page, "AUTH.LOGOUT")

    send(page, "BUS.REGISTER", {"origin": elsewhere})

    wait_for(page, "BUS.REGISTER_FULFILLED")
    hear_nothing(page)


@pytest.mark.parametrize("payload", [None, {}, {"origin": "https://crm.example"}, {"origin": "*"}, [], "x"])
def test_host_that_says_it_is_another_is_not_registered(page: Page, elsewhere: str, payload: Any) -> None:
    page.goto(elsewhere)
    send(page, "BUS.REGISTER", payload)
    send(page, "BUS.INIT", {"services": ["AUTH"]})

    send(page, "BUS.REGISTER", {"origin": elsewhere})

    wait_for(page, "BUS.REGISTER_FULFILLED")
    hear_nothing(page)


@pytest.mark.parametrize(
    "message",
    [None, 7, "x", [], {}, {"type": 7}, {"type": "BUS.NOTHING"}, {"type": "__proto__"}, {"type": "BUS.INIT"}],
)
def test_message_that_is_none_is_ignored(page: Page, elsewhere: str, message: Any) -> None:
    register(page, elsewhere)

    page.evaluate(
        "message => document.getElementById('bus').contentWindow.postMessage(message, '*')", message
    )

    hear_nothing(page)


def test_hostile_sibling_gets_nothing_and_changes_nothing(
    page: Page, hosts: Hosts, elsewhere: str, demo: dict[str, str]
) -> None:
    hostile = f"http://localhost:{hosts.ports[1]}"
    messages = [
        {"type": "BUS.REGISTER", "payload": {"origin": hostile}},
        {"type": "BUS.REGISTER", "payload": {"origin": elsewhere}},
        {"type": "BUS.INIT", "payload": {"services": ["AUTH"]}},
        {"type": "AUTH.EMAIL_AND_PASSWORD", "payload": {"email": "nobody", "password": "x"}},
        {"type": "AUTH.LOGOUT"},
    ]
    page.goto(f"{elsewhere}/with-sibling")
    sibling = next(frame for frame in page.frames if "/sibling" in frame.url)
    attack = f"attack({json.dumps(messages)})"
    sibling.evaluate(attack)

    send(page, "BUS.REGISTER", {"origin": elsewhere})
    wait_for(page, "BUS.REGISTER_FULFILLED")
    sibling.evaluate(attack)
    given = connect(page, demo)["credentials"]
    sibling.evaluate(attack)

    hear_nothing(page)
    assert sibling.evaluate("heard") == []
    assert me_of(page, demo, given["idToken"]) == 200


def test_only_the_bus_is_heard_by_its_host(page: Page, elsewhere: str, demo: dict[str, str]) -> None:
    register(page, elsewhere)
    connect(page, demo)

    assert len(page.evaluate("overheard")) == 2


def test_page_of_an_unregistered_origin_cannot_frame_the_bus(browser: Browser, hosts: Hosts) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(f"http://localhost:{hosts.ports[1]}/")

    assert [text for text in said if "frame-ancestors" in text]
    assert not [frame for frame in page.frames if "/bus/" in frame.url]
    page.close()


def test_registered_page_inside_a_hostile_one_cannot_frame_the_bus(
    browser: Browser, hosts: Hosts, elsewhere: str
) -> None:
    page = browser.new_page()
    page.goto(f"http://localhost:{hosts.ports[1]}/sibling")

    page.evaluate(
        "url => new Promise((done) => { const frame = document.createElement('iframe'); frame.onload = done;"
        " frame.src = url; document.body.append(frame); })",
        f"{elsewhere}/",
    )

    assert [frame for frame in page.frames if frame.url.startswith(elsewhere)]
    assert not [frame for frame in page.frames if "/bus/" in frame.url]
    page.close()


def test_bus_by_itself_says_what_it_is(page: Page, demo: dict[str, str]) -> None:
    page.goto(demo["BUS_URL"])

    expect(page.get_by_role("heading", name="Message bus")).to_be_visible()
