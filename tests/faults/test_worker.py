"""The worker dies, and its database goes away: log-outs are passed on all the same."""

import contextlib
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.environment import ROOT
from tests.live import books
from tests.live.load import Line, pop, post_form, redeem, sign_in, token_of
from tests.live.report import Table
from tests.live.world import World, end, wait_until

TOLD_WITHIN = 20  # seconds


class Crm(ThreadingHTTPServer):
    """A client's system that hears of log-outs, by https; it may take its time."""

    daemon_threads = True

    def __init__(self, world: World) -> None:
        self.heard, self.takes = 0, 0.0
        super().__init__(("127.0.0.1", 0), Ear)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.certificate, world.folder / "key.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Ear(BaseHTTPRequestHandler):
    server: Crm

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard += 1
        time.sleep(self.server.takes)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def crm(world: World) -> Iterator[Crm]:
    with Crm(world) as crm:
        threading.Thread(target=crm.serve_forever, daemon=True).start()
        world.database.ask(
            "UPDATE tokens_relyingparty SET backchannel_logout_uri = %s WHERE identifier = %s",
            (f"https://127.0.0.1:{crm.server_address[1]}/logged-out", world.people["party"]),
        )
        yield crm
        crm.shutdown()


@contextlib.contextmanager
def worker(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py worker`, as docs/operating.md starts it."""
    with (ROOT / "var" / "faults" / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=world.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def log_out(world: World) -> None:
    """An agent who was in the CRM signs out."""
    line = Line(world)
    _, session = sign_in(line, "leaver")
    assert redeem(line, token_of(pop(line, session))).status == 200
    page = line.ask("GET", "/sso/sign-out", headers={"Cookie": f"__Host-agent={session}"})
    assert post_form(line, "/sso/sign-out", page, {}, session=session).status == 200
    line.close()


def untold(world: World) -> int:
    """How many log-outs of the leaver wait to be told."""
    return world.database.number(
        "SELECT count(*) FROM tokens_handoff JOIN groups_agentsession ON session_id = groups_agentsession.id"
        " JOIN groups_agent ON agent_id = groups_agent.id"
        " WHERE username_key = 'leaver' AND told_at IS NULL AND ended_at IS NOT NULL"
    )


def test_the_worker_is_killed_while_it_tells(world: World, table: Table, crm: Crm) -> None:
    """The next one tells again, once its lease is over (brought near: a minute is long)."""
    before = books.Books.of(world)
    with worker(world) as first:
        crm.heard, crm.takes = 0, 4.0
        log_out(world)
        wait_until(lambda: crm.heard == 1, within=TOLD_WITHIN, what="the worker begins to tell")
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    assert untold(world) == 1
    crm.takes = 0.0
    world.database.ask("UPDATE tokens_handoff SET next_try_at = now() WHERE next_try_at > now()")
    began = time.monotonic()
    with worker(world):
        wait_until(lambda: untold(world) == 0, within=TOLD_WITHIN, what="the log-out is told")
        took = time.monotonic() - began
    assert crm.heard == 2
    seen = f"the CRM heard of 1 log-out {crm.heard} times (cut off, then told)"
    table.add("worker killed while it tells of a log-out", seen, before, books.check(world), f"{took:.1f} s")


def test_the_database_goes_away_under_the_worker(world: World, table: Table, crm: Crm) -> None:
    """It waits, and goes on."""
    before = books.Books.of(world)
    crm.heard = 0
    with worker(world) as process:
        log_out(world)
        wait_until(lambda: untold(world) == 0, within=TOLD_WITHIN, what="the log-out is told")
        world.database.stop("immediate")
        time.sleep(4)
        world.database.start()
        wait_until(world.nodes[0].is_ready, within=20, what="the portal is back")
        wait_until(world.nodes[1].is_ready, within=20, what="the portal is back")
        log_out(world)
        began = time.monotonic()
        wait_until(lambda: untold(world) == 0, within=TOLD_WITHIN, what="the next log-out is told")
        took = time.monotonic() - began
        assert process.poll() is None
    assert process.returncode == 0
    seen = f"{crm.heard} log-outs, one before and one after: each told once"
    assert crm.heard == 2
    table.add("database gone under the worker for 4 s", seen, before, books.check(world), f"{took:.1f} s")
