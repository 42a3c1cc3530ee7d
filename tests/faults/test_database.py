"""The database goes away, comes back, refuses to write, is full, is changed, is cleaned up."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.load import Line, pop, redeem, token_of
from tests.live.report import Table
from tests.live.world import ROLE, World

WELL_WITHIN = 8  # seconds
CLEANED_WITHIN = 240
NEXT_VERSION = "tests.live.expanding.settings"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_database_is_restarted(world: World, table: Table, mode: str) -> None:
    with table.row(world, f"database restarted ({mode})", well_within=WELL_WITHIN) as case:
        world.database.restart(mode)
        case.fault_ended()


def test_the_database_is_stopped_for_ten_seconds(world: World, table: Table) -> None:
    with table.row(world, "database stopped for 10 s", well_within=WELL_WITHIN) as case:
        world.database.stop("fast")
        case.load.go_on(10)
        assert not any(node.is_ready() for node in world.nodes)
        world.database.start()
        case.fault_ended()


def test_the_database_is_read_only(world: World, table: Table) -> None:
    """As a standby is, to which the portal was sent by mistake."""
    with table.row(world, "database read-only for 5 s", well_within=WELL_WITHIN) as case:
        world.database.ask("ALTER SYSTEM SET default_transaction_read_only = on")
        world.database.ask("SELECT pg_reload_conf()")
        began = case.load.go_on(0.5)
        case.load.go_on(4.5)
        refused = [entry for entry in case.load.ledger.bad if entry.at > began]
        assert len(refused) > 20
        # The suite's own sessions are read-only, too.
        world.database.ask("ALTER SYSTEM RESET default_transaction_read_only")
        world.database.ask("SELECT pg_reload_conf()")
        case.fault_ended()


def test_the_disk_is_full(world: World, table: Table) -> None:
    with table.row(world, "database's disk full for 8 s", well_within=WELL_WITHIN) as case:
        with full(world.database.disk):
            began = time.monotonic()
            # Pages that have room still take rows: it takes a while until nothing goes any more.
            while not any(entry.at > began for entry in case.load.ledger.bad):
                assert time.monotonic() < began + 60, "No table needed a page more."
                time.sleep(0.1)
            case.load.go_on(8)
        case.fault_ended()


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Take every byte that is left on this disk."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    try:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
            file.seek(0, os.SEEK_END)
            while True:
                file.write(b"\0" * 4096)
        yield
    finally:
        filler.unlink()


def test_the_connections_are_used_up(world: World, table: Table) -> None:
    """Somebody else holds every connection that the portal's role may have."""
    with table.row(world, "database's connections used up for 5 s", well_within=WELL_WITHIN) as case:
        world.database.ask(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        world.database.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (ROLE,)
        )
        case.load.go_on(5)
        refused = len(case.load.ledger.bad)
        world.database.ask(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        case.fault_ended()
    assert refused > 20


def test_a_table_is_locked_for_a_while(world: World, table: Table) -> None:
    """Longer than the portal waits for a lock: nobody hangs, everybody is told."""
    with table.row(world, "a table locked for 4 s", well_within=WELL_WITHIN) as case:
        with world.database.locked("LOCK TABLE tokens_logintoken IN ACCESS EXCLUSIVE MODE"):
            case.load.go_on(4)
        case.fault_ended()
    slowest = max(entry.answer.seconds for entry in case.load.ledger.entries)
    assert slowest < 6


def test_a_migration_runs_under_load(world: World, table: Table) -> None:
    """Expand, migrate, contract: what runs meanwhile knows nothing of it."""
    with table.row(world, "migration under load: expand, fill, index, contract", well_within=3) as case:
        for step in ("0001", "0002", "0003", "0004"):
            world.as_owner("migrate", "expanding", step, DJANGO_SETTINGS_MODULE=NEXT_VERSION)
        case.fault_ended()
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
    left = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'expanded'"
    assert world.database.number(left) == 0


EXPIRED = {
    "login tokens": """
        INSERT INTO tokens_logintoken (digest, kind, agent_id, group_id, client_id, terms, did, cid, call_id,
            campaign_id, destination, redeemed_from, issued_at, expires_at)
        SELECT encode(sha256(('expired' || i)::bytea), 'hex'), 'hand_off', agent.id, agent.group_id, client.id, '{}',
            '', '', '', '', '', '', now() - interval '40 days' - i * interval '10 ms',
            now() - interval '39 days'
        FROM generate_series(1, %s) AS i, (SELECT id, group_id FROM groups_agent LIMIT 1) AS agent,
            (SELECT id FROM groups_client LIMIT 1) AS client
    """,
    "their events": """
        INSERT INTO accounts_event (at, reference, door, actor, action, outcome, reason, group_id, client, agent,
            object, address, agent_header, details)
        SELECT now() - interval '40 days', 'EXPIRED', 'agents', 'agent:x', 'login.issue', 'ok', '', NULL, 'demoaws',
            'x', 'token:' || left(encode(sha256(('expired' || i)::bytea), 'hex'), 12), '', '', '{}'
        FROM generate_series(1, %s) AS i
    """,
    "tallies": """
        INSERT INTO accounts_tally ("limit", who, minute, times)
        SELECT 'sign-in address', i, now() - interval '2 days' - i * interval '1 ms', 1 FROM generate_series(1, %s) AS i
    """,
    "attempts": """
        INSERT INTO accounts_attempt (door, name, failures, window_ends_at)
        SELECT 'group:1', 'nobody' || i, 1, now() - interval '3 days' - i * interval '1 ms'
        FROM generate_series(1, %s) AS i
    """,
}
ROWS = {"login tokens": 200_000, "their events": 200_000, "tallies": 400_000, "attempts": 400_000}


def test_a_million_expired_rows_are_cleaned_up_under_load(world: World, table: Table) -> None:
    for what, statement in EXPIRED.items():
        world.database.ask(statement, (ROWS[what],))
    failed: list[BaseException] = []

    def clean_up() -> None:
        try:
            world.command("cleanup")
        except AssertionError as error:
            failed.append(error)

    with table.row(world, "clean-up of 1,000,000 expired rows under load", well_within=3) as case:
        began = time.monotonic()
        thread = threading.Thread(target=clean_up)
        thread.start()
        thread.join(CLEANED_WITHIN)
        assert not thread.is_alive(), "The clean-up takes too long."
        case.fault_ended()
        case.note(f"cleaned up in {time.monotonic() - began:.0f} s")
        assert not case.load.ledger.bad, case.load.ledger.bad[:3]
    assert not failed, failed
    for what, left in {
        "tokens_logintoken": "issued_at < now() - interval '30 days'",
        "accounts_tally": "minute < now() - interval '1 day'",
        "accounts_attempt": "window_ends_at < now() - interval '2 days'",
    }.items():
        assert world.database.number(f"SELECT count(*) FROM {what} WHERE {left}") == 0


def test_a_token_that_met_a_fault_is_still_worth_one_login(world: World) -> None:
    """The plainest check, after all of it."""
    line = Line(world)
    token = token_of(pop(line, world.people["sessions"][0]))
    assert [redeem(line, token).status for _ in range(3)] == [200, 400, 400]
