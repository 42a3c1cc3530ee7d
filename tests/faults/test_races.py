"""Many at once, over both nodes: a token is won once, a lock-out lets no guess more through than it may."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.live import books
from tests.live.load import Answer, Line, lines, pop, redeem, sign_in, token_of
from tests.live.report import Table
from tests.live.world import World

REDEMPTIONS, GUESSES, MOST_FAILURES = 500, 48, 5
ANSWERED_WITHIN = 30  # seconds
VICTIM = "victim"


def all_at_once(callers: list[Line], act: Callable[[Line], Answer]) -> list[Answer]:
    """Everybody is connected already, and sends at the same moment."""
    barrier = threading.Barrier(len(callers))

    def go(caller: Line) -> Answer:
        barrier.wait(ANSWERED_WITHIN)
        return act(caller)

    with ThreadPoolExecutor(len(callers)) as threads:
        return list(threads.map(go, callers))


@dataclass(frozen=True)
class Guessed:
    """What came of guessing one agent's password, many times at once."""

    answers: list[Answer]
    before: books.Books


@pytest.fixture(scope="module")
def guessed(world: World) -> Guessed:
    """The guesses, each from an address of its own, over both nodes."""
    before = books.Books.of(world)
    with lines(world, GUESSES) as callers:
        answers = all_at_once(callers, lambda caller: sign_in(caller, VICTIM, "not the right password")[0])
    return Guessed(answers, before)


def reasons(world: World) -> Counter[str]:
    """Why the victim was not let in, each time, as the audit log has it."""
    rows = world.database.ask(
        "SELECT details ->> 'why' FROM accounts_event JOIN groups_agent ON agent = subject"
        " WHERE username_key = %s AND action = 'agent.sign_in' AND outcome = 'refused'",
        (VICTIM,),
    )
    return Counter(why for (why,) in rows)


def test_parallel_guesses_are_looked_at_no_more_often_than_the_limit(
    world: World, table: Table, guessed: Guessed
) -> None:
    """Then even the right password is refused, by the same answer."""
    said = reasons(world)
    told = Counter(answer.status for answer in guessed.answers)
    assert said["wrong"] <= MOST_FAILURES
    assert said["wrong"] + said["locked"] == told[200]
    assert all(answer.status == 200 or answer.is_honest_no for answer in guessed.answers), told
    right, session = sign_in(Line(world), VICTIM)
    assert (right.status, session) == (200, "")
    seen = (
        f"{', '.join(f'{number} × {status}' for status, number in sorted(told.items()))};"
        f" compared with the hash: {said['wrong']}, locked before: {said['locked']};"
        " the right password then: refused"
    )
    fault = f"{GUESSES} wrong passwords at once, limit {MOST_FAILURES}"
    table.add(fault, seen, guessed.before, books.check(world), "–")


def test_one_token_is_redeemed_five_hundred_times_at_once(world: World, table: Table) -> None:
    """One winner; everybody is answered."""
    before = books.Books.of(world)
    token = token_of(pop(Line(world), world.people["sessions"][0]))
    with lines(world, REDEMPTIONS) as callers:
        began = time.monotonic()
        answers = all_at_once(callers, lambda caller: redeem(caller, token))
        took = time.monotonic() - began
    told = Counter(answer.status for answer in answers)
    assert told[200] == 1
    assert set(told) <= {200, 400, 503}, told
    assert all(answer.status != 503 or answer.is_honest_no for answer in answers)
    assert took < ANSWERED_WITHIN
    seen = f"{', '.join(f'{number} × {status}' for status, number in sorted(told.items()))}; all within {took:.1f} s"
    table.add(f"{REDEMPTIONS} redemptions of one token at once", seen, before, books.check(world), "–")


def test_the_lock_ends_by_itself(world: World, table: Table, guessed: Guessed) -> None:
    """By the database's clock. (Half an hour is too long to wait: its end is brought near.)"""
    before = books.Books.of(world)
    near = "UPDATE accounts_attempt SET locked_until = now() + interval '4 s' WHERE name = %s RETURNING locked_until"
    assert len(world.database.ask(near, (VICTIM,))) == 1
    began, line, refused = time.monotonic(), Line(world), 0
    while not (session := sign_in(line, VICTIM)[1]) and time.monotonic() < began + 20:
        refused += 1
    took = time.monotonic() - began
    assert session
    assert refused
    assert took >= 4
    seen = f"the right password: {refused} × refused, then signed in after {took:.1f} s"
    table.add("the lock ends in 4 s", seen, before, books.check(world), "at once")
