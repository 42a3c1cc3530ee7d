"""Traces, sent to a collector that listens: what stands in them, and what never does."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings as real_settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client

from sso_portal.lib.addresses import parse_networks
from sso_portal.tracing import traced
from tests import factories
from tests.conftest import PORTAL

pytestmark = pytest.mark.django_db
PARENT = "0af7651916cd43dd8448eb211c80319c"
COOKIE = "as_" + "s" * 40


class Collector(ThreadingHTTPServer):
    """Takes spans; of protobuf the texts can be read as they are."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken = b""
        super().__init__(("127.0.0.1", 0), _Taking)

    def wait_for(self, text: bytes) -> bytes:
        until = time.monotonic() + 30
        while text not in self.taken:
            assert time.monotonic() < until, self.taken
            time.sleep(0.02)
        return self.taken


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.taken += self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # milliseconds
        yield server
        server.shutdown()


@pytest.fixture
def browser(collector, settings, agent, entitlement):
    """The browser of an agent who is signed in, at a portal that traces."""
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], "sso_portal.tracing.traced", *settings.MIDDLEWARE[1:]]
    browser = Client(HTTP_HOST=PORTAL)
    factories.AgentSessionFactory(secret=COOKIE, agent=agent)
    browser.cookies[real_settings.AGENT_COOKIE_NAME] = COOKIE
    return browser


def test_pop_is_a_span_with_its_statements_and_none_of_its_secrets(browser, collector, group):
    answer = browser.get(f"/sso/group/demoaws?group={group.pk}&did=4930123456789&call_id=call-of-a-customer")

    told = collector.wait_for(b"GET pop")
    assert answer["X-Request-Id"].encode() in told
    assert b"db.query.text" in told
    token = answer["Location"].partition("token=")[2]
    assert token
    for secret in (COOKIE, token, "4930123456789", "call-of-a-customer", "demoaws?"):
        assert secret.encode() not in told


def test_statement_that_fails_tells_no_value(collector, rf, group):
    def view(request: HttpRequest) -> HttpResponse:
        with suppress(IntegrityError), transaction.atomic():
            factories.GroupFactory(code=group.code, name="said-by-somebody")
        return HttpResponse()

    traced(view)(rf.get("/"))

    told = collector.wait_for(b"GET none")
    assert b"IntegrityError" in told
    assert group.code.encode() not in told
    assert b"said-by-somebody" not in told


def test_trace_is_gone_on_with_for_a_trusted_proxy_alone(browser, collector, settings):
    said = {"HTTP_TRACEPARENT": f"00-{PARENT}-b7ad6b7169203331-01", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    settings.TRUSTED_PROXIES = parse_networks(["10.0.0.0/8"])

    browser.get("/sso/sign-in", REMOTE_ADDR="203.0.113.7", **said)
    assert bytes.fromhex(PARENT) not in collector.wait_for(b"GET agent_sign_in")

    browser.get("/healthz", REMOTE_ADDR="10.0.0.1", **said)
    assert bytes.fromhex(PARENT) in collector.wait_for(b"GET healthz")


def test_nothing_is_traced_unless_asked_for():
    assert not any("tracing" in name for name in real_settings.MIDDLEWARE)
