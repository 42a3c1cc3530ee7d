"""Agents at work, and a ledger of what each of them saw.

Each goes through nginx, with an address of his own: he signs in, pops into a client's CRM, and the CRM redeems.
"""

import http.client
import itertools
import json
import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from tests import factories
from tests.live.people import LOGIN_URL
from tests.live.world import PORTAL_HOST, Node, World

ANSWER_WITHIN = 30  # seconds
AGENTS_AT_WORK = 8
PAUSE = 0.1  # seconds, between two calls of one agent
SIGNS_IN_EVERY = 20  # calls
TRIES = 6  # of a CRM with one token, half a second apart: then the login is given up
POP, REDEEM, SIGN_IN, SIGNED = "pop", "redeem", "sign in", "signed pop"


@dataclass(frozen=True, repr=False)
class Answer:
    """What came back; status 0 when nothing did."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        text = re.sub(r"<[^>]*>|\s+", " ", self.body.partition("<main")[2] or self.body)
        return f"{self.status} {self.error}{self.location} {re.sub(' +', ' ', text)[:300]}".strip()

    __repr__ = __str__

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def is_honest_no(self) -> bool:
        """The only failure allowed while a part is down."""
        return self.status == 503 and self.headers.get("retry-after", "").isdigit()


class Line:
    """A connection to nginx, kept open, from an address of its own (127.0.1.x: not one that is trusted)."""

    numbers = itertools.count()

    def __init__(self, world: World, *, address: str = "", host: str = PORTAL_HOST) -> None:
        number = next(self.numbers)
        self.world, self.host = world, host
        self.address = address or f"127.0.{1 + number // 250 % 250}.{1 + number % 250}"
        self.trust = ssl.create_default_context(cafile=str(world.certificate))
        self.open: http.client.HTTPConnection | None = None

    def connect(self) -> http.client.HTTPConnection:
        line = http.client.HTTPConnection("127.0.0.1", self.world.front.port, timeout=ANSWER_WITHIN)
        plain = socket.create_connection(
            ("127.0.0.1", self.world.front.port), ANSWER_WITHIN, source_address=(self.address, 0)
        )
        line.sock = self.trust.wrap_socket(plain, server_hostname=self.host)
        self.open = line
        return line

    def close(self) -> None:
        if self.open is not None:
            self.open.close()
            self.open = None

    def ask(self, method: str, path: str, *, body: str = "", headers: dict[str, str] | None = None) -> Answer:
        """One request. A kept connection that nginx has closed meanwhile is opened anew, before anything is sent."""
        began = time.monotonic()
        try:
            line = self.open if self.open is not None and not self._is_closed() else self.connect()
            line.request(method, path, body or None, {"Host": self.host} | (headers or {}))
            response = line.getresponse()
            told = {
                name.lower(): value for name, value in response.getheaders() if name.lower() != "set-cookie"
            }
            told["set-cookie"] = "\n".join(response.headers.get_all("Set-Cookie") or [])
            answer = Answer(response.status, told, response.read().decode(errors="replace"))
            if response.will_close:
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            answer = Answer(0, error=type(error).__name__)
        return Answer(answer.status, answer.headers, answer.body, answer.error, time.monotonic() - began)

    def _is_closed(self) -> bool:
        """Whether the other side has hung up: there is something to read, though nothing was asked."""
        assert self.open is not None
        if self.open.sock is None:
            return True
        self.open.sock.settimeout(0)
        try:
            return self.open.sock.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            self.open.sock.settimeout(ANSWER_WITHIN)


def ask_node(
    node: Node, method: str, path: str, *, body: str = "", **headers: str
) -> http.client.HTTPResponse:
    """Ask this very node, as nginx does."""
    line = http.client.HTTPConnection("127.0.0.1", node.port, timeout=ANSWER_WITHIN)
    forwarded = {"Host": PORTAL_HOST, "X-Forwarded-For": "127.0.9.8", "X-Forwarded-Proto": "https"}
    line.request(method, path, body or None, forwarded | headers)
    response = line.getresponse()
    response.read()
    line.close()
    return response


# --- What agents and CRMs do -----------------------------------------------------------------------------------------


def pop_path(world: World, client: str = "demoaws") -> str:
    return f"/sso/group/{client}?{urlencode({'group': world.people['group'], 'did': '18005550100'})}"


def pop(line: Line, session: str, client: str = "demoaws") -> Answer:
    return line.ask("GET", pop_path(line.world, client), headers={"Cookie": f"__Host-agent={session}"})


def token_of(answer: Answer) -> str:
    """The token that a pop sent the browser away with; "" when it did not."""
    if answer.status != 303 or not answer.location.startswith(LOGIN_URL):
        return ""
    return parse_qs(urlsplit(answer.location).query)["token"][0]


def basic(identifier: str, secret: str) -> str:
    return f"Basic {b64encode(f'{identifier}:{secret}'.encode()).decode()}"


def redeem(line: Line, token: str) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "Authorization": basic(line.world.people["party"], factories.SECRET),
    }
    return line.ask("POST", "/api/v1/tokens/redeem", body=json.dumps({"token": token}), headers=headers)


def cookies_in(answer: Answer) -> dict[str, str]:
    found = {}
    for each in filter(None, answer.headers.get("set-cookie", "").split("\n")):
        found |= {name: morsel.value for name, morsel in SimpleCookie(each).items()}
    return found


def sign_in(line: Line, username: str, password: str = factories.PASSWORD) -> tuple[Answer, str]:
    """From a pop without a session by the sign-in page to wherever it leads; the last answer, and the session."""
    asked = line.ask("GET", pop_path(line.world))
    if asked.status != 303:
        return asked, ""
    page = line.ask("GET", asked.location)
    if page.status != 200:
        return page, ""
    sent = post_form(line, asked.location, page, {"username": username, "password": password})
    return sent, cookies_in(sent).get("__Host-agent", "")


def post_form(line: Line, path: str, page: Answer, fields: dict[str, str], *, session: str = "") -> Answer:
    """Send the form of a page."""
    token = hidden_field(page.body, "csrfmiddlewaretoken")
    cookies = {"__Host-csrf": cookies_in(page).get("__Host-csrf", "")} | (
        {"__Host-agent": session} if session else {}
    )
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "Origin": f"https://{PORTAL_HOST}",
    }
    return line.ask("POST", path, body=urlencode(fields | {"csrfmiddlewaretoken": token}), headers=headers)


def hidden_field(body: str, name: str) -> str:
    """The value of a hidden field of a page's form; "" when there is none."""
    found = re.search(rf'name="{name}" value="([^"]+)"', body)
    return found[1] if found else ""


def call_api(line: Line, key: str, username: str = "worker0") -> Answer:
    """A login by the SSO API of the call-center platform."""
    body = json.dumps({"username": username, "fullname": "Andy Agent", "department_id": "1"})
    headers = {"Content-Type": "application/json", "Platform-Key": key}
    return line.ask("POST", "/api/sso/demoaws", body=body, headers=headers)


# --- The ledger ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One request of one client: when its answer came, and whether that was what he wanted."""

    at: float
    what: str
    answer: Answer
    is_good: bool
    token: str = ""


@dataclass
class Ledger:
    """What the clients saw."""

    entries: list[Entry] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)  # tokens that a pop brought
    redeemed: list[str] = field(default_factory=list)  # tokens that a CRM was told the meaning of
    uncertain: set[str] = field(default_factory=set)  # tokens whose redemption got no answer, or a "not now"
    signed: list[str] = field(default_factory=list)  # what signed hand-offs said
    lost: list[str] = field(default_factory=list)  # tokens that were spent, and the answer lost

    def write(self, what: str, answer: Answer, *, good: bool, token: str = "") -> None:
        self.entries.append(Entry(time.monotonic(), what, answer, good, token))

    @property
    def bad(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.is_good]

    @property
    def dishonest(self) -> list[str]:
        """Failures that are none of those allowed: every one is a finding."""
        return [f"{entry.what}: {entry.answer}" for entry in self.bad if not entry.answer.is_honest_no]

    def recovered_after(self, since: float) -> float:
        """How long after this moment the last failure came; 0 when there was none."""
        return max([entry.at - since for entry in self.bad if entry.at > since], default=0.0)

    def seen(self) -> str:
        """In words, for the table."""
        good = sum(entry.is_good for entry in self.entries)
        no = Counter(
            "no answer" if entry.answer.status == 0 else str(entry.answer.status) for entry in self.bad
        )
        worst = max((entry.answer.seconds for entry in self.entries), default=0.0)
        told = [f"{good} as wanted", *(f"{number} × {status}" for status, number in sorted(no.items()))]
        return ", ".join(told) + f"; slowest {worst:.1f} s"


@dataclass
class Load:
    """Agents at work, while somebody else breaks something."""

    world: World
    agents: int = AGENTS_AT_WORK
    pause: float = PAUSE
    signed: bool = False  # also pop into the client that takes signed tokens
    ledger: Ledger = field(default_factory=Ledger)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        # Sessions are dealt out, so that none pops more often than an agent may.
        for number in range(self.agents):
            sessions = itertools.cycle(self.world.people["sessions"][number :: self.agents])
            newcomers = itertools.cycle(self.world.people["newcomers"][number :: self.agents])
            thread = threading.Thread(
                target=self._run, args=(sessions, newcomers), name=f"agent {number}", daemon=True
            )
            self.threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * ANSWER_WITHIN)
        if self.broken and error is None:
            raise self.broken[0]

    def go_on(self, seconds: float) -> float:
        """Let them work; the moment at which that ended."""
        time.sleep(seconds)
        return time.monotonic()

    def until_served(self, *, within: float) -> None:
        """Let them work until somebody is served again, or this long."""
        seen, until = len(self.ledger.entries), time.monotonic() + within
        while time.monotonic() < until and not any(entry.is_good for entry in self.ledger.entries[seen:]):
            time.sleep(0.02)

    def until_well(self, *, within: float, calm: float = 2.0) -> None:
        """Let them work until nothing has failed for a while; fail when that does not come in time."""
        until = time.monotonic() + within
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            recent = [entry for entry in self.ledger.entries[-400:] if entry.at > now - calm]
            if (
                recent
                and all(entry.is_good for entry in recent)
                and len({entry.what for entry in recent}) > 1
            ):
                return
            assert now < until, (
                f"Not well again within {within:g} s: {self.ledger.seen()} {self.ledger.bad[-1]}"
            )

    def _run(self, sessions: Iterator[str], newcomers: Iterator[str]) -> None:
        line, crm = Line(self.world), Line(self.world)
        try:
            self.work(line, crm, sessions, newcomers)
        except BaseException as error:  # for whoever waits for this thread
            self.broken.append(error)
        finally:
            line.close()
            crm.close()

    def work(self, line: Line, crm: Line, sessions: Iterator[str], newcomers: Iterator[str]) -> None:
        """What one of the agents does until everybody stops."""
        for number in itertools.count(1):
            if self.stopping.is_set():
                return
            session = next(sessions)
            if number % SIGNS_IN_EVERY == 0:
                answer, session = sign_in(line, next(newcomers))
                self.ledger.write(SIGN_IN, answer, good=bool(session))
            if session:
                self._call(line, crm, session)
            self.stopping.wait(self.pause)

    def _call(self, line: Line, crm: Line, session: str) -> None:
        answer = pop(line, session)
        token = token_of(answer)
        self.ledger.write(POP, answer, good=bool(token), token=token)
        if token:
            self.ledger.issued.append(token)
            self.redeem(crm, token)
        if self.signed:
            answer = pop(line, session, "signed")
            signed = hidden_field(answer.body, "id_token") if answer.status == 200 else ""
            self.ledger.write(SIGNED, answer, good=bool(signed))
            if signed:
                self.ledger.signed.append(signed)

    def redeem(self, crm: Line, token: str) -> None:
        """As a CRM does, which tries again when it is told to."""
        for _ in range(TRIES):
            answer = redeem(crm, token)
            if answer.status == 200:
                self.ledger.redeemed.append(token)
                self.ledger.write(REDEEM, answer, good=True, token=token)
                return
            if answer.status == 400 and token in self.ledger.uncertain:
                self.ledger.lost.append(token)  # spent before, and the answer lost on the way
                return
            self.ledger.write(REDEEM, answer, good=False, token=token)
            self.ledger.uncertain.add(token)
            if self.stopping.wait(0.5):
                return


@contextmanager
def lines(world: World, number: int) -> Iterator[list[Line]]:
    """Connections that are open, each from an address of its own."""
    made = [Line(world) for _ in range(number)]
    try:
        for line in made:
            line.connect()
        yield made
    finally:
        for line in made:
            line.close()
