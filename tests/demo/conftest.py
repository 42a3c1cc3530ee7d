"""A stand-in portal and the demo CRM itself, each behind a real port."""

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_795_000_000


@dataclass
class Portal:
    """Answers redemptions as a test tells it to, each token once, and remembers who asked for which."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def says(self, token: str, *, status: int = 200, **changed: Any) -> str:
        """Let the token mean a good login with these claims changed; return the token."""
        self.answers[token] = (status, login(self.url) | changed)
        return token

    def logout_token(self, *, typ: str = "logout+jwt", key: RSAKey | None = None, **changed: Any) -> str:
        """A logout token about the session `s1`, with these claims changed; None leaves one out."""
        claims = logout(self.url) | changed
        told = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "k1", "typ": typ}, told, key or self.key)

    def answer(self, credentials: str, token: str) -> tuple[int, Any]:
        self.asked.append((credentials, token))
        return self.answers.pop(token, (400, {"code": "invalid_token"}))


def login(issuer: str) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": "5f0c",
        "aud": "rp-demoaws",
        "username": "a.chen115",
        "fullname": "Amara Chen",
        "email": None,
        "group": {"id": 21, "code": "NWC", "name": "Northwind Collections"},
        "client": "demoaws",
        "departments": [1],
        "campaigns": [1, 2, 3],
        "call": {"did": "+18005550101", "cid": "+12125550142", "call_id": "c-417", "campaign_id": 2},
        "destination": "invoices",
        "amr": ["pwd"],
        "auth_time": NOW - 3600,
        "issued_at": NOW,
        "sid": "s1",
    }


def logout(issuer: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": issuer,
        "aud": "rp-demoaws",
        "sub": "5f0c",
        "sid": "s1",
        "iat": now,
        "exp": now + 120,
        "jti": "j1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


@dataclass
class Page:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Browser:
    """Speaks to one company's CRM and keeps its cookie."""

    port: int
    host: str = "demoaws.localhost"
    cookie: str = ""

    def get(self, address: str, **headers: str) -> Page:
        return self.ask("GET", address, headers=headers)

    def post(self, address: str, body: str = "", **headers: str) -> Page:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", address, body=body, headers=form | headers)

    def ask(
        self, method: str, address: str, *, body: str = "", headers: dict[str, str] | None = None
    ) -> Page:
        sent = {"Host": f"{self.host}:{self.port}", "Cookie": self.cookie} | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, address, body=body or None, headers=sent)
            answer = connection.getresponse()
            text = answer.read().decode()
            received = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        if "set-cookie" in received:
            self.cookie = received["set-cookie"].partition(";")[0]
        return Page(answer.status, received, text)


@pytest.fixture(scope="session")
def portal_server() -> Iterator[Portal]:
    portal = Portal()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/.well-known/jwks.json"
            self.tell(200, KeySet([portal.key]).as_dict(private=False))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            scheme, _, pair = self.headers["Authorization"].partition(" ")
            assert (scheme, self.path) == ("Basic", "/api/v1/tokens/redeem")
            self.tell(*portal.answer(base64.b64decode(pair).decode(), body["token"]))

        def tell(self, status: int, said: Any) -> None:
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    portal.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield portal
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def portal(portal_server: Portal) -> Portal:
    portal_server.answers.clear()
    portal_server.asked.clear()
    return portal_server


@pytest.fixture(scope="session")
def crm_port(portal_server: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run the CRM with two workers, as in a production that shares one session file."""
    database = tmp_path_factory.mktemp("crm") / "crm.sqlite3"
    with crm(portal_server.url, workers=2, CRM_DATABASE=str(database), GROUP_ID="21") as port:
        yield port


@pytest.fixture
def browser(portal: Portal, crm_port: int) -> Browser:
    return Browser(crm_port)


def free_ports() -> int:
    """Return a port that is free, and so is the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def crm_environment(portal_url: str) -> dict[str, str]:
    return {
        "PORTAL_URL": portal_url,
        "REDEEM_URL": f"{portal_url}/api/v1/tokens/redeem",
        "CRM_CLIENTS": "demoaws:rp-demoaws:secret-1, sandboxdemo:rp-sandbox:secret:2",
    }


@contextmanager
def crm(portal_url: str, *, workers: int = 1, **environment: str) -> Iterator[int]:
    """Run the CRM in a process of its own; yield its port."""
    port = free_ports()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "demo.crm:application", "--no-ws"),
        *("--port", str(port), "--workers", str(workers), "--blocking-threads", "2", "--log-level", "error"),
    ]
    told = {**os.environ, **crm_environment(portal_url), **environment}
    with subprocess.Popen(command, cwd=ROOT, env=told) as process:
        try:
            wait_until_well(port, process)
            yield port
        finally:
            process.terminate()


def wait_until_well(port: int, process: "subprocess.Popen[Any]", *, within: float = 30) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if Browser(port, host="localhost").get("/healthz").text == "ok\n":
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"nothing well on port {port}; exit status {process.poll()}", pytrace=False)
