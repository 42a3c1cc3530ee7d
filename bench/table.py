"""`table`: what everything costs, in rounds: each measures every kind of request for some seconds, one after the other.

Whatever disturbs the machine for a while disturbs the floor of the same round too, so it is ratios that are compared:
to the mean of the round's floors, of which there are several.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench.world import AFTER_A_MINUTE, Run, World

FLOOR = "floor"


@dataclass(frozen=True)
class Kind:
    """A row of the table: what is asked of which server, and how many requests make one of them."""

    name: str
    kind: str
    server: str = "portal"
    further: tuple[str, ...] = ()  # what the script is told beside: the path of a page
    requests: int = 1
    goal: float | None = None  # least ratio to the floor


KINDS = [
    Kind("floor: one SELECT, one INSERT", FLOOR, server="floor"),
    Kind("pop", "pop", goal=0.8),
    Kind("pop, session last seen a minute ago", f"pop{AFTER_A_MINUTE}"),
    Kind("redemption", "redeem", goal=0.8),
    Kind("pop + redemption", "pop_and_redeem", requests=2),
    Kind("SSO API", "sso_api", goal=0.6),
    Kind("floor: one SELECT, one INSERT", FLOOR, server="floor"),
    Kind("token endpoint: code for tokens", "token"),
    Kind("sign-in: password checked", "sign_in"),
    Kind("console: what happens now", "page", further=("/groups/9000/",)),
    Kind("console: agents", "page", further=("/groups/9000/agents/",)),
    Kind("console: activity", "page", further=("/groups/9000/activity/",)),
    Kind("bare view, no database", "bare", server="floor"),
    Kind("floor: one SELECT, one INSERT", FLOOR, server="floor"),
]


@dataclass(frozen=True)
class Result:
    """A row of the table: medians of all rounds. Times in milliseconds; `load` is of one core."""

    name: str
    rate: float  # a second
    ratio: float
    least: float  # ratio of the worst round
    most: float
    p50: float
    p99: float
    server: float  # processor time of one
    database: float
    load: float
    goal: float | None = None


def measure(
    world: World, kinds: Sequence[Kind], *, rounds: int, seconds: int, connections: int
) -> list[Result]:
    """Measure every kind in each round; the first only warms up."""
    taken: list[list[Run]] = []
    for number in range(rounds + 1):
        runs = []
        for kind in kinds:
            ask = partial(
                world.run, kind.kind, connections=connections, server=kind.server, further=kind.further
            )
            # Connections that were kept for a minute are opened anew, and plan anew: a cost of that minute, not of the
            # few seconds that are measured.
            ask(seconds=1)
            runs.append(ask(seconds=seconds))
        print(_told(kinds, runs, number), flush=True)
        if number:
            taken.append(runs)
    return list(results(kinds, taken))


def results(kinds: Sequence[Kind], rounds: Sequence[Sequence[Run]]) -> Iterator[Result]:
    """A result for each kind by its name; what was measured several times in a round counts as often."""
    floors = [
        statistics.mean(_rate(run) for kind, run in zip(kinds, runs, strict=True) if kind.kind == FLOOR)
        for runs in rounds
    ]
    for name in dict.fromkeys(kind.name for kind in kinds):
        kind = next(each for each in kinds if each.name == name)
        of_rounds = [
            [run for each, run in zip(kinds, runs, strict=True) if each.name == name] for runs in rounds
        ]
        rates = [statistics.mean(_rate(run) for run in runs) / kind.requests for runs in of_rounds]
        ratios = [rate / floor for rate, floor in zip(rates, floors, strict=True)]
        runs = [run for runs in of_rounds for run in runs]
        yield Result(
            name,
            rate=statistics.median(rates),
            ratio=statistics.median(ratios),
            least=min(ratios),
            most=max(ratios),
            p50=statistics.median(run.load.p50 for run in runs) * 1000,
            p99=statistics.median(run.load.p99 for run in runs) * 1000,
            server=_each(runs, [run.server_time for run in runs], kind),
            database=_each(runs, [run.database_time for run in runs], kind),
            load=statistics.median(run.load.processor_time / run.load.seconds for run in runs),
            goal=kind.goal,
        )


def _rate(run: Run) -> float:
    return run.load.requests / run.load.seconds


def _each(runs: Sequence[Run], times: Sequence[float], kind: Kind) -> float:
    """Processor time of one, in milliseconds."""
    per_request = [time / run.load.requests for time, run in zip(times, runs, strict=True)]
    return statistics.median(per_request) * 1000 * kind.requests


def _told(kinds: Sequence[Kind], runs: Sequence[Run], number: int) -> str:
    rates = (f"{kind.kind} {_rate(run):,.0f}" for kind, run in zip(kinds, runs, strict=True))
    return f"  {f'round {number}' if number else 'warming up'}, requests a second: {', '.join(rates)}"
