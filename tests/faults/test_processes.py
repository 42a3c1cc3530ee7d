"""Processes of the portal die, end, disagree about the time."""

import os
import random
import signal
import time

from tests.live import books
from tests.live.in_flight import in_flight, tokens_for
from tests.live.load import Answer, Line, pop, post_form, redeem, sign_in, token_of
from tests.live.report import Table
from tests.live.world import END_WITHIN, World, wait_until

STORM = 20  # seconds


def test_a_worker_is_killed_in_mid_request(world: World, table: Table) -> None:
    """Redemptions that wait for a lock lose their worker: nothing is spent, and the CRM may try again."""
    with table.row(world, "kill -9 of a node's workers in mid-request", well_within=30) as case:
        tokens = tokens_for(world, 8)
        with in_flight(world, tokens) as sent:
            for worker in world.nodes[0].workers():
                os.kill(worker, signal.SIGKILL)
            case.fault_ended()
            answers = [future.result() for future in sent]
        # Those on the other node give up waiting for the lock, and say so.
        assert all(answer.is_honest_no for answer in answers), answers
        again = [redeem_at_last(world, token).status for token in tokens]
        assert again == [200] * len(tokens)
        case.note(
            f"of {len(tokens)} redemptions in flight all 503, none spent; again: {again.count(200)} × 200"
        )


def redeem_at_last(world: World, token: str) -> Answer:
    """Redeem as a CRM does that is told to come back."""
    crm = Line(world)
    until = time.monotonic() + 20
    while (answer := redeem(crm, token)).is_honest_no and time.monotonic() < until:
        time.sleep(0.2)
    crm.close()
    return answer


def test_workers_are_killed_in_a_storm(world: World, table: Table) -> None:
    """One worker after the other dies, each as soon as the portal has served again, for twenty seconds."""
    killed = 0
    with table.row(world, f"kill -9 storm of workers, {STORM} s", well_within=30) as case:
        until = time.monotonic() + STORM
        while time.monotonic() < until:
            workers = [worker for node in world.nodes for worker in node.workers()]
            if workers:
                os.kill(random.choice(workers), signal.SIGKILL)
                killed += 1
            case.load.until_served(within=2)
            time.sleep(random.uniform(0.1, 0.3))
        case.fault_ended()
        case.note(f"{killed} workers killed")
    assert killed >= STORM / 2


def test_a_whole_node_is_killed(world: World, table: Table) -> None:
    """One node loses its power; the other serves."""
    with table.row(world, "a whole node killed", well_within=10) as case:
        world.nodes[1].kill()
        case.fault_ended()
        case.load.go_on(3)
    wait_until(world.nodes[1].is_ready, within=30, what="the node is back")


def test_a_node_is_asked_to_end(world: World, table: Table) -> None:
    """SIGTERM: what is in flight is answered, what is new goes to the other node."""
    node = world.nodes[0]
    with table.row(world, "SIGTERM of a node with requests in flight", well_within=3) as case:
        tokens = tokens_for(world, 8)
        with in_flight(world, tokens) as sent:
            asked = node.ask_to_end()
            time.sleep(0.7)
        answers = [future.result() for future in sent]
        case.fault_ended()
        assert [answer.status for answer in answers] == [200] * len(tokens), answers
        status = asked.wait(END_WITHIN)
        took = time.monotonic() - case.ended_at
        case.note(
            f"of {len(tokens)} redemptions in flight all 200; ended with status {status} {took:.1f} s later"
        )
        case.load.go_on(1)
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
    node.restart()


def test_a_log_out_on_one_node_holds_on_the_other(world: World, table: Table) -> None:
    """What ended on one node is over on the other with the next request."""
    before = books.Books.of(world)
    ways = []
    line = Line(world)
    for _ in range(5):
        _, session = sign_in(line, "leaver")
        assert token_of(pop(line, session))
        out = line.ask("GET", "/sso/sign-out", headers={"Cookie": f"__Host-agent={session}"})
        assert out.status == 200
        ended = post_form(line, "/sso/sign-out", out, {}, session=session)
        assert ended.status == 200, ended
        ways += [pop(line, session).location.partition("?")[0] for _ in range(4)]
    assert set(ways) == {"/sso/sign-in"}
    seen = f"{len(ways)} pops after 5 log-outs, over both nodes: all to the sign-in page"
    table.add("log-out on one node", seen, before, books.check(world), "with the next request")
