"""Measure the portal: `python -m bench [part …]`; `make bench` is the way to call it."""

import argparse
import signal
import sys
from collections.abc import Callable

from bench import growth, machine, memory, peers, report, starting, storm, table
from bench.machine import Failed
from bench.world import World, started

Part = Callable[[World, argparse.Namespace], str]


def main() -> int:
    """Measure what is asked for; 1 where an answer was wrong or a goal was missed."""
    asked = _asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ended politely, it leaves nothing behind
    failed = 0
    with started() as world:
        for part in asked.parts:
            print(f"{part} …", flush=True)
            try:
                text = PARTS[part](world, asked)
            except Failed as failure:
                print(f"\n{part} failed.\n{failure}\n", file=sys.stderr, flush=True)
                failed = 1
            else:
                report.save(part, text, record=asked.record)
    return failed


def _table(world: World, asked: argparse.Namespace) -> str:
    unwritten = world.unwritten()
    with peers.started(world, wanted=asked.peers) as others:
        kinds = [*table.KINDS[:-1], *others, table.KINDS[-1]]
        results = table.measure(
            world, kinds, rounds=asked.rounds, seconds=asked.seconds, connections=asked.connections
        )
    machine.wait_until(lambda: world.unwritten() == unwritten, within=10, what="each token has its event")
    report.save_picture(report.chart_of(results), record=asked.record)
    said = f"Medians of {asked.rounds} rounds of {asked.seconds} s each, {asked.connections} connections."
    return f"{said}\n\n{report.table_of(results)}"


PARTS: dict[str, Part] = {
    "table": _table,
    "storm": lambda world, asked: storm.measure(world),
    "memory": lambda world, asked: memory.measure(world),
    "start": lambda world, asked: starting.measure(world),
    "pages": lambda world, asked: machine.run(
        "-m", "bench.pages", environment=world.environment_of("portal")
    ),
    "growth": lambda world, asked: growth.measure(
        world, rounds=asked.rounds, seconds=asked.seconds, rows_to_add=asked.rows
    ),
}


def _asked() -> argparse.Namespace:
    words = argparse.ArgumentParser(prog="bench", description=__doc__)
    words.add_argument("parts", nargs="*", default=["table", "storm", "memory", "start"], metavar="part")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=int, default=5, help="of each kind of request in a round")
    words.add_argument("--connections", type=int, default=8)
    words.add_argument(
        "--rows", type=int, default=10_000_000, help="tokens, and events, that growth ends with"
    )
    words.add_argument("--peers", action="store_true", help="measure other providers beside it")
    words.add_argument("--record", action="store_true", help="write what was found into docs/performance.md")
    asked = words.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        words.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
