"""`growth`: pops with more and more agents, tokens and events in the tables, and what upkeep costs at that size."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from bench import machine, rows, table
from bench.machine import RESULTS, ROOT, Failed
from bench.report import table as markdown
from bench.storm import POPS_A_SECOND, Crowd, pop
from bench.table import FLOOR, Kind, Result
from bench.world import World

MORE_AGENTS = (100_000, 1_000_000)
TABLES = ("tokens_logintoken", "accounts_event")
KINDS = [
    Kind("floor", FLOOR, server="floor"),
    Kind("pop", "pop"),
    Kind("redemption", "redeem"),
    Kind("SSO API", "sso_api"),
    Kind("floor", FLOOR, server="floor"),
]
LARGEST_CHANGE = 0.15  # of the pop's ratio to the floor
CALM, LONGEST = 20, 120  # seconds that pops go on alone, and that one act of upkeep is watched
UPKEEP = (  # what is done, by which role: the owner alone may remove events
    ("cleanup: a tenth of the tokens is older than 30 days", "portal", ("cleanup",)),
    ("sealing, of a log that was never sealed", "portal", ("audit", "seal")),
    ("retention: events older than 400 days", "owner", ("audit", "retain")),
)


def measure(world: World, *, rounds: int, seconds: int, rows_to_add: int) -> str:
    """Ratios at each size, what the tables take, upkeep beside calls. Raises Failed where a ratio moved too far."""
    steps = [(f"{world.agents:,} agents", _results(world, rounds, seconds))]
    for number in MORE_AGENTS:
        rows.add_agents(world.database, "agent", first=world.agents + 1, last=number)
        world.agents = number
        world.database.ask("VACUUM ANALYZE")
        steps.append((f"{number:,} agents", _results(world, rounds, seconds)))
    _fill(world, rows_to_add)
    steps.append((f"and {rows_to_add:,} tokens and events more", _results(world, rounds, seconds)))
    told = "\n\n".join([_table_of(steps), _sizes(world), _upkeep(world)])
    first, *later = [results["pop"].ratio for _, results in steps]
    if any(abs(ratio / first - 1) > LARGEST_CHANGE for ratio in later):
        raise Failed(f"{told}\n\nThe pop's ratio to the floor moved by more than {LARGEST_CHANGE:.0%}.")
    return told


def _results(world: World, rounds: int, seconds: int) -> dict[str, Result]:
    found = table.measure(world, KINDS, rounds=rounds, seconds=seconds, connections=8)
    return {result.name: result for result in found}


def _fill(world: World, number: int) -> None:
    """So many tokens more, the oldest tenth of which has served its time, and so many events of 405 days."""
    for name, days in zip(TABLES, ((33, 0), (405, 0)), strict=True):
        began = time.monotonic()
        rows.add_history(
            world.database, table=name, rows=number, agents=world.agents, name="growth", days=days
        )
        print(f"  {number:,} rows in {name}: {time.monotonic() - began:.0f} s", flush=True)
    world.database.ask("VACUUM ANALYZE")


def _table_of(steps: Sequence[tuple[str, dict[str, Result]]]) -> str:
    names = [kind.name for kind in KINDS[1:-1]]
    head = [
        "",
        "floor, a second",
        *(f"{name}, of the floor" for name in names),
        "pop p99 ms",
        "pop, PostgreSQL ms",
    ]
    lines = [
        [
            step,
            f"{results['floor'].rate:,.0f}",
            *(f"{results[name].ratio:.2f}" for name in names),
            f"{results['pop'].p99:.1f}",
            f"{results['pop'].database:.2f}",
        ]
        for step, results in steps
    ]
    return markdown(head, lines)


def _sizes(world: World) -> str:
    lines = []
    for name in TABLES:
        ((count, rows_bytes, index_bytes),) = world.database.ask(
            f"SELECT count(*), pg_table_size('{name}'), pg_indexes_size('{name}') FROM {name}"  # noqa: S608  (ours)
        )
        each = (rows_bytes + index_bytes) / count
        lines.append(
            [name, f"{count:,}", f"{rows_bytes / 1e9:.1f}", f"{index_bytes / 1e9:.1f}", f"{each:,.0f}"]
        )
    return markdown(["table", "rows", "rows GB", "indexes GB", "bytes a row, indexes included"], lines)


def _upkeep(world: World) -> str:
    calm = Crowd(pop, world.servers["portal"].port, POPS_A_SECOND * CALM, CALM)
    calm.finish()
    lines = [[*calm.cells("nothing"), "", ""]]
    for what, role, command in UPKEEP:
        lines.append(_beside(world, what, role, command))
    return markdown(
        [
            f"beside {POPS_A_SECOND} pops a second",
            "pops",
            "wrong",
            "p50 ms",
            "p99 ms",
            "longest ms",
            "took",
            "said",
        ],
        lines,
    )


def _beside(world: World, what: str, role: str, command: Sequence[str]) -> list[str]:
    """Calls while something is done, or for as long as it is watched; then it is asked to end."""
    log = RESULTS / f"{command[-1]}.log"
    log.unlink(missing_ok=True)
    crowd = Crowd(pop, world.servers["portal"].port, POPS_A_SECOND * LONGEST, LONGEST)
    began = time.monotonic()
    process = machine.start(
        [sys.executable, "manage.py", *command], environment=world.environment_of(role), log=log, folder=ROOT
    )
    watching = threading.Thread(target=_stop_after, args=(process, crowd))
    watching.start()
    crowd.finish()
    took = time.monotonic() - began
    watching.join()
    has_ended = process.poll() is not None
    machine.end(process)
    if crowd.wrong:
        raise Failed(f"Pops beside {what}: {crowd.wrong[0]}")
    said = "; ".join(line for line in log.read_text().splitlines() if not line.startswith(("0 ", "{")))
    return [*crowd.cells(what), f"{took:.0f} s" if has_ended else f"stopped after {took:.0f} s", said]


def _stop_after(process: subprocess.Popen[bytes], crowd: Crowd) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LONGEST)
    crowd.is_over = True
