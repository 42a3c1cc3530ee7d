"""Nodes come and go under 200 pops a second, and nobody notices but those in flight on one that is killed."""

import contextlib
import time

import psycopg2

from tests.live.in_flight import in_flight, tokens_for
from tests.live.load import ask_node, lines, pop_path, post_form, sign_in
from tests.live.report import Table
from tests.live.world import PASSWORD, ROLE, THREADS, WORKERS, Node, World
from tests.nodes.pops import CALM, popping

NEXT_VERSION = "tests.live.expanding.settings"
POOL = 25  # connections of the database, with the reserve, in deploy/pgbouncer.ini


def only(*nodes: Node, of: World) -> int:
    """Let these nodes serve, and no others; how often all have been started until now."""
    for node in of.nodes:
        if node in nodes and not node.wanted:
            node.start()
        if node not in nodes and node.wanted:
            node.stop()
    return starts(of)


def starts(world: World) -> int:
    return sum(node.starts for node in world.nodes)


def test_nodes_are_drained(world: World, table: Table) -> None:
    """Three nodes, two, one, two: each answers what it has taken, and takes no more."""
    first, second, third = world.nodes
    began = only(first, second, third, of=world)
    with popping(world, table, "nodes drained by SIGTERM: 3 → 2 → 1, and one back") as pops:
        third.stop()
        pops.go_on(CALM)
        first.stop()
        pops.go_on(CALM)
        first.start()
    assert not pops.ledger.bad, pops.ledger.bad[:3]
    assert starts(world) == began + 1


def test_a_node_is_killed_and_another_takes_its_place(world: World, table: Table) -> None:
    """Two nodes, one of them dead in an instant, another in its place, three."""
    first, second, third = world.nodes
    began = only(first, second, of=world)
    with popping(world, table, "one of 2 nodes killed by SIGKILL, replaced; 3 in the end") as pops:
        second.wanted = False
        killed = time.monotonic()
        second.kill()
        pops.go_on(CALM)
        third.start()
        pops.go_on(CALM)
        second.start()
    assert not pops.failed_later(killed), pops.failed[:3]
    assert len(pops.failed) <= WORKERS * THREADS
    assert starts(world) == began + 2


def test_the_next_version_takes_over_node_by_node(world: World, table: Table) -> None:
    """The database expands while the old version serves, nodes are replaced one by one, then it contracts."""
    only(*world.nodes, of=world)
    with popping(world, table, "rolling upgrade: expand, 3 nodes one by one, contract") as pops:
        world.as_owner("migrate", "expanding", "0003", DJANGO_SETTINGS_MODULE=NEXT_VERSION)
        for node in world.nodes:
            node.restart(DJANGO_SETTINGS_MODULE=NEXT_VERSION)
            pops.go_on(CALM)
        world.as_owner("migrate", "expanding", DJANGO_SETTINGS_MODULE=NEXT_VERSION)
    assert not pops.ledger.bad, pops.ledger.bad[:3]


def test_a_log_out_on_one_node_holds_on_each(world: World) -> None:
    """With the next request: nothing about a session is kept in a node."""

    def pops() -> list[str]:
        asked = [ask_node(node, "GET", pop_path(world), Cookie=cookie) for node in world.nodes]
        return [answer.headers["Location"] for answer in asked]

    with lines(world, 1) as (line,):
        _, session = sign_in(line, "leaver")
        cookie = f"__Host-agent={session}"
        assert all("token=" in location for location in pops())
        page = line.ask("GET", "/sso/sign-out", headers={"Cookie": cookie})
        assert post_form(line, "/sso/sign-out", page, {}, session=session).status == 200
    assert all(location.startswith("/sso/sign-in") for location in pops())


def test_many_threads_share_few_connections(world: World) -> None:
    """Each thread that has worked holds a line to PgBouncer; PostgreSQL has no more than those of the pool."""
    assert world.pooler is not None
    where = {"host": "127.0.0.1", "port": world.pooler.port, "user": "postgres", "password": PASSWORD}
    with contextlib.closing(psycopg2.connect(dbname="pgbouncer", **where)) as line, line.cursor() as cursor:
        line.autocommit = True

        def clients() -> int:
            cursor.execute("SHOW CLIENTS")
            return sum(ROLE in row for row in cursor.fetchall())

        with in_flight(world, tokens_for(world, 2 * POOL)) as sent:
            servers = world.database.number(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (ROLE,)
            )
        answers = [future.result() for future in sent]
        assert all(answer.status == 200 or answer.is_honest_no for answer in answers), answers
        assert 0 < servers <= POOL < clients()


def test_the_pooler_is_restarted(world: World, table: Table) -> None:
    """Who meets it gone is told so honestly; nodes find it again by themselves."""
    assert world.pooler is not None
    with table.row(world, "PgBouncer restarted", well_within=5) as case:
        world.pooler.end()
        world.pooler.start()
        case.fault_ended()
