"""A portal under attack over HTTP: the server that serves it in production, with a database of its own, on loopback."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from tests.environment import DATABASE, ROOT, wait_until_migrated

PROXY = "127.0.0.2"  # the one peer whose X-Forwarded-For is believed
READY_WITHIN, END_WITHIN, ANSWER_WITHIN = 60, 15, 30  # seconds


@dataclass(frozen=True)
class Served:
    """Where it is, and who is in it."""

    port: int
    people: dict[str, Any]

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def connect(self, *, peer: str = "127.0.0.1") -> socket.socket:
        """A connection from this address."""
        return socket.create_connection(("127.0.0.1", self.port), ANSWER_WITHIN, source_address=(peer, 0))

    def ask(self, *lines: str, body: str = "", peer: str = "127.0.0.1") -> tuple[int, str]:
        """Send one request of these lines, as they are; the status (0: hung up without a word), and all that came."""
        told = b""
        with self.connect(peer=peer) as line, suppress(ConnectionResetError):
            line.sendall("\r\n".join([*lines, "Connection: close", "", body]).encode("latin-1"))
            while part := line.recv(65536):
                told += part
        return (int(told[9:12]) if told.startswith(b"HTTP/1.") else 0), told.decode("latin-1")


@contextmanager
def own_database(folder: Path) -> Iterator[str]:
    """A copy of the migrated database that other processes can see, until the end of the block; its URL."""
    wait_until_migrated()
    url = os.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        path = folder / "attacked.sqlite3"
        with (
            closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as migrated,
            closing(sqlite3.connect(path)) as copy,
        ):
            migrated.backup(copy)
        yield f"sqlite:///{path}"
        return
    name = f"attacked_{os.getpid()}"
    _on_server(url, f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
    yield url.replace(f"/{DATABASE}?", f"/{name}?")
    _on_server(url, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url.replace(f"/{DATABASE}?", "/postgres?"))) as line:
        line.autocommit = True
        line.cursor().execute(statement)


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """A portal with somebody in it, until the end of the block."""
    with own_database(folder) as database_url:
        port = _free_port()
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "sso_portal.settings",
            "PORT": str(port),
            "PORTAL_URL": f"http://localhost:{port}",
            "TRUSTED_PROXIES": f"{PROXY}/32",
            "RATE_LIMITS": "off",
        }
        filling = [sys.executable, "-m", "tests.attacks.population"]
        people = subprocess.run(
            filling, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        served = Served(port, json.loads(people.stdout))
        with _granian(served, environment, folder / "log"):
            yield served


@contextmanager
def _granian(served: Served, environment: dict[str, str], log: Path) -> Iterator[None]:
    where = ["--host", "127.0.0.1", "--port", str(served.port), "--workers", "1", "--blocking-threads", "2"]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *where, "sso_portal.wsgi:application"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(served, process, log)
        yield
        process.send_signal(signal.SIGTERM)
        process.wait(END_WITHIN)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_WITHIN)


def _wait_until_ready(served: Served, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while True:
        assert process.poll() is None, f"It ended by itself:\n{log.read_text()}"
        assert time.monotonic() < until, f"It does not answer:\n{log.read_text()}"
        with suppress(OSError):
            if served.ask("GET /healthz HTTP/1.1", f"Host: {served.host}")[0] == 200:
                return
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
