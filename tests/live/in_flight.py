"""Requests that hang in the portal for as long as somebody wants to look."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.live.books import digest_of
from tests.live.load import Answer, Line, lines, pop, redeem, token_of
from tests.live.world import World, wait_until


def tokens_for(world: World, number: int) -> list[str]:
    """Logins that wait to be redeemed."""
    line = Line(world)
    found = [token_of(pop(line, session)) for session in world.people["sessions"][:number]]
    line.close()
    assert all(found)
    return found


@contextmanager
def in_flight(world: World, tokens: list[str]) -> Iterator[list[Future[Answer]]]:
    """Redemptions that hang in the portal, over both nodes, for as long as this lasts (2 s at most)."""
    rows = "SELECT 1 FROM tokens_logintoken WHERE digest = ANY(%s) FOR UPDATE"
    digests = [digest_of(token) for token in tokens]
    with (
        lines(world, len(tokens)) as crms,
        ThreadPoolExecutor(len(tokens)) as threads,
        world.database.locked(rows, (digests,)),
    ):
        sent = [threads.submit(redeem, crm, token) for crm, token in zip(crms, tokens, strict=True)]
        wait_until(lambda: world.database.waiting() > 0, within=10, what="a redemption waits for the lock")
        time.sleep(0.3)
        yield sent
