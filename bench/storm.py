"""`storm`: five hundred agents sign in within a minute, in the morning, while two hundred calls a second come in.

Each begins when it is due, whether or not those before it were answered, and its time counts from then on.
"""

import html
import http.client
import itertools
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from bench import rows
from bench.machine import Failed
from bench.report import table
from bench.world import World

SECONDS, SIGN_INS, POPS_A_SECOND = 60, 500, 200
MOST_AT_ONCE = 32  # of each
LATEST = 20  # seconds
SLOWEST_POP = 0.150  # seconds, at p99
FROM_OUTSIDE = {"Host": "portal.test", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@dataclass
class Crowd:
    """Some who do the same thing, one after the other, each when it is due."""

    act: Callable[[http.client.HTTPConnection, int], None]
    port: int
    count: int
    seconds: float
    is_over: bool = False  # set: nobody else comes
    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def finish(self, *others: "Crowd") -> None:
        """Let them come, and others beside them; return when all of them are through."""
        for thread in [thread for crowd in (self, *others) for thread in crowd.begin()]:
            thread.join()

    def begin(self) -> list[threading.Thread]:
        """Let them come; the threads to wait for."""
        numbers, began = itertools.count(), time.monotonic()
        threads = [threading.Thread(target=self._work, args=(numbers, began)) for _ in range(MOST_AT_ONCE)]
        for thread in threads:
            thread.start()
        return threads

    def _work(self, numbers: Iterator[int], began: float) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while (number := next(numbers)) < self.count and not self.is_over:
            due = began + number * self.seconds / self.count
            time.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() > due + LATEST:
                self.wrong.append(f"came {LATEST} s late: there is no keeping up")
                self.is_over = True
                return
            try:
                self.act(line, number)
            except (Failed, OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                line.close()
            self.took.append(time.monotonic() - due)
        line.close()

    def cells(self, name: str) -> list[str]:
        """A row of the table."""
        cuts = statistics.quantiles(self.took, n=100, method="inclusive")
        times = [f"{seconds * 1000:.0f}" for seconds in (cuts[49], cuts[98], max(self.took))]
        return [name, f"{len(self.took):,}", f"{len(self.wrong):,}", *times]


def measure(world: World, *, seconds: int = SECONDS) -> str:
    """The storm, and the calls alone before it. Raises Failed where a goal is missed."""
    port, calls = world.servers["portal"].port, POPS_A_SECOND * seconds
    calm = Crowd(pop, port, calls // 4, seconds / 4)
    calm.finish()
    rows.let_seen(world.database, ago=120)
    beside = Crowd(pop, port, calls, seconds)
    arriving = Crowd(_sign_in, port, SIGN_INS * seconds // SECONDS, seconds)
    beside.finish(arriving)
    told = table(
        ["", "how many", "wrong or unanswered", "p50 ms", "p99 ms", "longest ms"],
        [
            calm.cells("pops alone"),
            beside.cells("pops beside sign-ins"),
            arriving.cells("sign-ins: page, form, password"),
        ],
    )
    if wrong := [*calm.wrong, *beside.wrong, *arriving.wrong]:
        raise Failed(f"{told}\n\nNot answered as it should be, the first: {wrong[0]}")
    if statistics.quantiles(beside.took, n=100, method="inclusive")[98] > SLOWEST_POP:
        raise Failed(f"{told}\n\nPops beside sign-ins took longer than {SLOWEST_POP * 1000:.0f} ms (p99).")
    return told


def pop(line: http.client.HTTPConnection, number: int) -> None:
    """One agent's next call. Raises Failed when he does not get into his client's CRM."""
    cookie = f"__Host-agent=as_bench_{number % rows.WORKING + 1}"
    address = f"/sso/group/large{number % rows.CLIENTS + 1}?group={rows.GROUP}&did=18005550100"
    line.request("GET", address, headers=FROM_OUTSIDE | {"Cookie": cookie})
    answer = line.getresponse()
    answer.read()
    if answer.status != 303 or "token=" not in answer.headers.get("Location", ""):
        raise Failed(f"pop: {answer.status} {answer.headers.get('Location')}")


def _sign_in(line: http.client.HTTPConnection, number: int) -> None:
    address = f"/sso/sign-in?group={rows.GROUP}"
    line.request("GET", address, headers=FROM_OUTSIDE)
    page = line.getresponse()
    text = page.read().decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    if page.status != 200 or found is None:
        raise Failed(f"sign-in page: {page.status}")
    cookie = SimpleCookie(page.headers.get("Set-Cookie", ""))
    form = {
        "csrfmiddlewaretoken": html.unescape(found[1]),
        "username": f"newcomer{number + 1}",
        "password": rows.PASSWORD,
    }
    headers = FROM_OUTSIDE | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items()),
        "Origin": "https://portal.test",
    }
    line.request("POST", address, urlencode(form), headers)
    answer = line.getresponse()
    answer.read()
    if answer.status != 303:
        raise Failed(f"sign-in: {answer.status}")
