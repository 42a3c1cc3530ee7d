"""The cache goes away, forgets everything, hangs. Agents do not need it; administrators are told to come back."""

import signal
import socket
import time

from tests.faults.administrators import code_now, sign_in_administrator, wait_for_new_code
from tests.live.load import Answer, Line
from tests.live.report import Case, Table
from tests.live.world import World


def is_well_told(answers: list[Answer]) -> bool:
    """Whether an administrator met no worse than an honest no, in time."""
    return all(answer.status in (200, 303) or answer.is_honest_no for answer in answers)


def visit(world: World, case: Case) -> None:
    """An administrator tries to sign in, with his second factor, while it lasts."""
    began = time.monotonic()
    answers = sign_in_administrator(Line(world), code=code_now())
    took = time.monotonic() - began
    assert is_well_told(answers), answers
    assert took < 15
    case.note(
        f"an administrator signing in: {'/'.join(str(each.status) for each in answers)} in {took:.1f} s"
    )


def empty(world: World) -> None:
    """Make the cache forget everything."""
    with socket.create_connection(("127.0.0.1", world.cache.port), timeout=3) as line:
        line.sendall(b"FLUSHALL\r\n")
        assert line.recv(10).startswith(b"+OK")


def test_the_cache_is_stopped(world: World, table: Table) -> None:
    with table.row(world, "cache stopped for 5 s", well_within=1) as case:
        world.cache.end()
        visit(world, case)
        case.load.go_on(3)
        world.cache.start()
        case.fault_ended()
        assert not case.load.ledger.bad


def test_the_cache_hangs(world: World, table: Table) -> None:
    with table.row(world, "cache hangs (SIGSTOP) for 5 s", well_within=1) as case:
        world.cache.signal(signal.SIGSTOP)
        visit(world, case)
        case.load.go_on(3)
        world.cache.signal(signal.SIGCONT)
        case.fault_ended()
        assert not case.load.ledger.bad


def test_the_cache_is_emptied(world: World, table: Table) -> None:
    """Nothing that decides is in the cache alone: a code that was used stays used."""
    with table.row(world, "cache emptied", well_within=1) as case:
        code = wait_for_new_code()
        first = sign_in_administrator(Line(world), code=code)
        assert first[-1].status in (302, 303), first
        assert not first[-1].location.startswith("/accounts/"), first
        empty(world)
        case.fault_ended()
        again = sign_in_administrator(Line(world), code=code)
        assert again[-1].status == 200, again  # the form again: the code was used
        case.note("a second-factor code that was used before: refused after")
        case.load.go_on(1)
        assert not case.load.ledger.bad
