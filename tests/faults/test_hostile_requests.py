"""Slow, oversized and malformed requests, through nginx and past it, while others are served."""

import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.live.load import Line
from tests.live.report import Table
from tests.live.world import PORTAL_HOST, World

SLOW_ONES = 60  # callers; as many threads as one worker has, and nearly so again
ROUNDS = 120  # of random garbage, on each way in
SEED = 20261122
CLOSED, WAITS = 0, 1  # instead of a status
NOT_SPOKEN = {501, 505}  # nginx on a protocol that it does not speak (RFC 9110): a refusal, not a failure
DOORS = (
    "/sso/group/demoaws?group=1",
    "/sso/group?group=1&did=1",
    "/sso/sign-in?group=1",
    "/sso/enter?token=x",
    "/api/sso/demoaws",
    "/api/v1/tokens/redeem",
    "/includes/api.php",
    "/oauth/token",
    "/oauth/authorize?client_id=x",
    "/oauth/userinfo",
    "/oauth/singlesignon.php?access_token=x",
    "/bus/api/code",
    "/bus/page?group=1",
    "/client/demoaws/",
    "/accounts/login/",
    "/groups/1/",
    "/backoffice/",
    "/.well-known/openid-configuration",
    "/static/nothing.css",
)
FORWARDED = f"Host: {PORTAL_HOST}\r\nX-Forwarded-For: 127.0.9.9\r\nX-Forwarded-Proto: https\r\n"


@contextlib.contextmanager
def through_nginx(world: World) -> Iterator[socket.socket]:
    line = Line(world)
    yield line.connect().sock
    line.close()


@contextlib.contextmanager
def directly(world: World) -> Iterator[socket.socket]:
    """As nginx calls a node: from an address that is trusted."""
    with socket.create_connection(("127.0.0.1", random.choice(world.nodes).port), timeout=10) as line:
        yield line


def status_of(line: socket.socket, sent: bytes, *, within: float = 3) -> int:
    """What comes back for these bytes; CLOSED or WAITS when nothing does."""
    line.settimeout(within)
    try:
        line.sendall(sent)
        answer = line.recv(64)
    except TimeoutError:
        return WAITS
    except OSError:
        return CLOSED
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else CLOSED


def in_words(told: Counter[int]) -> str:
    words = {CLOSED: "closed", WAITS: "waited for the rest"}
    return ", ".join(f"{number} × {words.get(status, status)}" for status, number in sorted(told.items()))


def test_slow_requests_keep_nobody_waiting(world: World, table: Table) -> None:
    """Heads and bodies that arrive byte by byte: nginx waits for them, the portal does not."""
    with (
        table.row(world, f"{SLOW_ONES} slow requests for 12 s", well_within=1) as case,
        contextlib.ExitStack() as stack,
    ):
        slow = [stack.enter_context(through_nginx(world)) for _ in range(SLOW_ONES)]
        for number, line in enumerate(slow):
            line.sendall(f"POST /api/v1/tokens/redeem HTTP/1.1\r\nHost: {PORTAL_HOST}\r\n".encode())
            if number % 2:
                line.sendall(b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        began, alive = time.monotonic(), set(slow)
        while time.monotonic() < began + 12:
            for line in list(alive):
                with contextlib.suppress(OSError):
                    line.sendall(b"x" if slow.index(line) % 2 else b"X-Slow: 1\r\n")
            time.sleep(1)
        told = Counter(status_of(line, b"x", within=0.1) for line in slow)
        case.fault_ended()
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
        assert set(told) <= {CLOSED, WAITS, 400, 408}, told
        case.note(f"the slow ones: {in_words(told)}")


def test_oversized_requests_are_refused(world: World, table: Table) -> None:
    with table.row(world, "oversized requests", well_within=1) as case:
        told = Counter(answer for ask in oversized() for answer in (ask(world),))
        case.fault_ended()
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
        assert all(400 <= status < 500 for status in told), told
        case.note(f"the oversized ones: {in_words(told)}")


def oversized() -> list[Callable[[World], int]]:
    """Requests that are too large in every way that one can be."""
    json = {"Content-Type": "application/json"}

    def ask(
        method: str, path: str, *, body: str = "", headers: dict[str, str] | None = None
    ) -> Callable[[World], int]:
        return lambda world: Line(world).ask(method, path, body=body, headers=headers).status

    return [
        ask("POST", "/api/v1/tokens/redeem", body="x" * 2 * 1024 * 1024, headers=json),
        ask("POST", "/api/v1/tokens/redeem", headers=json | {"Content-Length": str(10**12)}),
        ask("POST", "/sso/sign-in?group=1", body="x" * 3 * 1024 * 1024),
        ask("POST", "/api/sso/demoaws", body="[" * 1_000_000, headers=json),
        ask("GET", "/sso/group/demoaws?group=1&did=" + "1" * 12_000),
        ask("GET", "/sso/group/demoaws?group=1&did=" + "1" * 40_000),
        ask("GET", "/sso/group/demoaws?group=1&did=1", headers={"Cookie": "x" * 40_000}),
        ask("GET", "/sso/group/demoaws?group=1", headers={f"X-{n}": "y" * 1000 for n in range(100)}),
    ]


def test_malformed_requests_never_break_anything(world: World, table: Table) -> None:
    """What no client sends, at every door; then what chance makes of it. The seed is fixed."""
    dice = random.Random(SEED)
    with table.row(world, "malformed requests at every door", well_within=1) as case:
        for way, name in ((through_nginx, "through nginx"), (directly, "past it")):
            asked = [*malformed(), *(garbled(dice) for _ in range(ROUNDS))]
            with ThreadPoolExecutor(8) as threads:
                statuses = list(threads.map(partial(sent_by, way, world), asked))
            broken = [
                (status, request)
                for status, request in zip(statuses, asked, strict=True)
                if status >= 500 and status not in NOT_SPOKEN
            ]
            assert not broken, broken[:3]
            told = Counter(statuses)
            assert told[CLOSED] + told[WAITS] < len(asked) / 2, told
            case.note(f"{len(asked)} malformed {name}: {in_words(told)}")
        case.fault_ended()
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]


def sent_by(
    way: Callable[[World], contextlib.AbstractContextManager[socket.socket]], world: World, sent: bytes
) -> int:
    with way(world) as line:
        return status_of(line, sent)


def malformed() -> Iterator[bytes]:
    """Each door, asked in each of these ways."""
    for path in DOORS:
        for head, body in (
            (f"GET {path} HTTP/1.0\r\n", ""),
            (f"GET {path}%00 HTTP/1.1\r\n", ""),
            (f"GET {path}\0 HTTP/1.1\r\n", ""),
            (f"GET {path}%ff%fe%c0%80 HTTP/1.1\r\n", ""),
            (f"PROPFIND {path} HTTP/1.1\r\n", ""),
            (f"POST {path} HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "abcdef"),
            (f"POST {path} HTTP/1.1\r\nContent-Length: -1\r\n", "abcdef"),
            (f"POST {path} HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            (f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "zz\r\nnonsense\r\n"),
            (f"POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
            (f"POST {path} HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", "x"),
            (f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 3\r\n", "{{{"),
            (
                f"POST {path} HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\r\nContent-Length: 2\r\n",
                "--",
            ),
            (
                f"POST {path} HTTP/1.1\r\nContent-Type: text/plain; charset=zz\r\nContent-Length: 1\r\n",
                "\x80",
            ),
            (f"GET {path} HTTP/1.1\r\nAuthorization: Basic ////\r\nCookie: =;;=\x01; __Host-agent=\r\n", ""),
            (f"GET {path} HTTP/1.1\r\n" + "".join(f"X-{n}: {n}\r\n" for n in range(120)), ""),
            (f"GET {path} HTTP/1.1\r\nX-Long: {'y' * 12_000}\r\n", ""),
            (f"GET {path} HTTP/1.1\r\n folded: line\r\n", ""),
            (f"GET {path} HTTP/1.1\r\nHost: elsewhere.example\r\n", ""),
            (f"GET http://elsewhere.example{path} HTTP/1.1\r\n", ""),
        ):
            yield f"{head}{FORWARDED}Connection: close\r\n\r\n{body}".encode("latin-1")


def garbled(dice: random.Random) -> bytes:
    """A request to which something happened."""
    path = dice.choice(DOORS)
    body = dice.randbytes(dice.randrange(200))
    kind = dice.choice(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "x"]
    )
    head = f"{dice.choice(['GET', 'POST', 'PUT', 'HEAD', 'get', 'X'])} {path} HTTP/1.1\r\n{FORWARDED}"
    head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    request = bytearray(head.encode() + body)
    for _ in range(dice.randrange(1, 6)):
        request[dice.randrange(len(request))] = dice.randrange(256)
    return bytes(request)
