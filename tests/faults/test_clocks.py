"""The nodes disagree about the time; the database's clock decides."""

import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from tests import factories
from tests.live import books
from tests.live.load import ask_node, basic, pop_path
from tests.live.report import Table
from tests.live.world import Node, World

AHEAD, LIFETIME = 5, 10  # seconds
FAKETIME = "libfaketime.so.1"


def library() -> str:
    """Where libfaketime is. scripts/programs.sh has seen to it."""
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    assert found, "libfaketime is not installed; make faults installs it."
    return str(found[0])


def pop_at(world: World, node: Node) -> str:
    answer = ask_node(node, "GET", pop_path(world), Cookie=f"__Host-agent={world.people['sessions'][0]}")
    assert answer.status == 303
    return answer.headers["Location"].partition("token=")[2]


def redeem_at(world: World, node: Node, token: str) -> int:
    headers = {
        "Authorization": basic(world.people["party"], factories.SECRET),
        "Content-Type": "application/json",
    }
    return ask_node(
        node, "POST", "/api/v1/tokens/redeem", body=json.dumps({"token": token}), **headers
    ).status


def test_a_node_whose_clock_is_ahead_changes_nothing(world: World, table: Table) -> None:
    """A token lives as long as it should, whichever node issued it and whichever is asked."""
    right, ahead = world.nodes
    lifetime = {"LOGIN_TOKEN_SECONDS": str(LIFETIME)}
    right.restart(**lifetime)
    fake = {"LD_PRELOAD": library(), "FAKETIME": f"+{AHEAD}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    ahead.restart(**lifetime, **fake)
    began = books.Books.of(world)
    try:
        with table.row(world, f"clock of one node {AHEAD} s ahead", well_within=1, agents=4) as case:
            apart = clock_of(ahead) - clock_of(right)
            assert AHEAD - 2 < apart < AHEAD + 2
            young, old = pop_at(world, right), pop_at(world, ahead)
            issued = time.monotonic()
            time.sleep(LIFETIME - AHEAD + 2.5)
            age = time.monotonic() - issued
            told = redeem_at(world, ahead, young)
            case.note(f"{age:.1f} s after its issue, of {LIFETIME}, the node that is ahead redeems: {told}")
            assert (told, age < LIFETIME) == (200, True)
            time.sleep(max(0.0, issued + LIFETIME + 2 - time.monotonic()))
            age = time.monotonic() - issued
            told = redeem_at(world, right, old)
            case.note(f"{age:.1f} s after, what the node ahead issued: {told}")
            assert told == 400
            case.fault_ended()
            assert not case.load.ledger.bad, case.load.ledger.bad[:3]
    finally:
        for node in world.nodes:
            for name in (*lifetime, *fake):
                node.environment.pop(name, None)
            node.restart()
    odd = world.database.number(
        "SELECT count(*) FROM tokens_logintoken WHERE expires_at - issued_at NOT IN (interval '10 s', interval '60 s')"
        " AND issued_at > now() - interval '5 minutes'"
    )
    assert odd == 0
    assert books.Books.of(world).tokens > began.tokens


def clock_of(node: Node) -> float:
    """How far the node's clock is ahead of ours, in seconds, by the Date of an answer (a second more or less)."""
    asked = time.time()
    date = ask_node(node, "GET", "/healthz").headers["Date"]
    return parsedate_to_datetime(date).timestamp() - (asked + time.time()) / 2
