"""What the portal needs for so many agents and pops: the model of docs/scaling.md, whose table it prints.

`python -m bench.capacity 250 15` tells it for 250 agents who take 15 calls an hour.
"""

import math
import sys
from dataclasses import dataclass

from bench import report

# Milliseconds of a core for each request: `server ms` and `PostgreSQL ms` of a table as docs/performance.md has it.
# Measured at full load, on cores that others use too, and on the slower of the machines that there were (22 November
# 2026): who plans by them errs on the safe side. After a change: `python -m bench.capacity`, and its table into
# docs/scaling.md.
POP = (0.53, 0.59)
REDEMPTION = (0.58, 0.75)
SIGN_IN = (58.2, 5.7)  # the form, with the password's hash; its page costs little beside it

# Bytes of a row on PostgreSQL 18 with its indexes, and of the write-ahead log for a pop and its redemption: measured.
TOKEN, EVENT, SESSION, LOG = 711, 678, 741, 6_000

# Assumed.
PEAK = 3  # times as many in the busiest seconds as the busiest hour has on the average
SHIFT_BEGINS = 15 * 60  # seconds in which everybody signs in
BUSY = 0.5  # of a core: above it, waiting grows faster than work
HOURS = 8  # a day of pops is so many of its busiest hours
WORKING = 5 / 7  # of all days
SLACK = 1.3  # rows that are changed or deleted leave room behind
NODE = 4  # cores, and as many workers of as many threads, behind a proxy that buffers

CALL_CENTERS = {"1 call center": (100, 12.0), "100": (10_000, 12.0), "10,000": (1_000_000, 12.0)}
TOKENS_KEPT, EVENTS_KEPT = 30, 400  # days: LOGIN_TOKENS_KEPT, EVENTS_KEPT_DAYS


@dataclass(frozen=True)
class Needs:
    """What so many agents need."""

    pops: float  # a second, at the peak
    portal_cores: float
    database_cores: float
    commits: float  # a second, at the peak
    tokens: float  # rows, once as many go as come
    events: float
    disk: float  # bytes
    log: float  # bytes a working day

    @property
    def nodes(self) -> int:
        """Nodes of the portal, one of them to spare."""
        return math.ceil(self.portal_cores / NODE) + 1


def needs_of(agents: int, pops_an_hour: float) -> Needs:
    """Say what agents who are signed in at the busiest hour need, each taking so many calls an hour."""
    pops = PEAK * agents * pops_an_hour / 3600
    sign_ins = agents / SHIFT_BEGINS
    portal, database = (
        (pops * (POP[side] + REDEMPTION[side]) + sign_ins * SIGN_IN[side]) / 1000 / BUSY for side in (0, 1)
    )
    pops_a_day, sessions_a_day = agents * pops_an_hour * HOURS, 2 * agents
    tokens = pops_a_day * TOKENS_KEPT * WORKING
    events = 2 * (pops_a_day + sessions_a_day) * EVENTS_KEPT * WORKING
    sessions = sessions_a_day * TOKENS_KEPT * WORKING
    return Needs(
        pops=pops,
        portal_cores=portal,
        database_cores=database,
        commits=2 * pops + 2 * sign_ins,
        tokens=tokens,
        events=events,
        disk=SLACK * (tokens * TOKEN + sessions * SESSION) + events * EVENT,
        log=pops_a_day * LOG,
    )


def table(columns: dict[str, tuple[int, float]]) -> str:
    """Word the needs of some (agents, pops an hour) side by side, in Markdown."""
    needs = [needs_of(agents, pops) for agents, pops in columns.values()]
    rows = {
        "agents signed in × pops an hour": [f"{agents:,} × {pops:g}" for agents, pops in columns.values()],
        "pops a second at the peak, and as many redemptions": [short(one.pops) for one in needs],
        "cores for the portal": [cores(one.portal_cores) for one in needs],
        f"nodes of {NODE} cores, one to spare": [f"{one.nodes:,}" for one in needs],
        "connections that they may open": [f"{one.nodes * NODE * NODE:,}" for one in needs],
        "cores for PostgreSQL": [cores(one.database_cores) for one in needs],
        "commits a second at the peak": [short(one.commits) for one in needs],
        "login tokens kept": [short(one.tokens) for one in needs],
        "events kept": [short(one.events) for one in needs],
        "disk": [f"{short(one.disk)}B" for one in needs],
        "write-ahead log a working day": [f"{short(one.log)}B" for one in needs],
    }
    return report.table(["", *columns], [[name, *cells] for name, cells in rows.items()])


def cores(number: float) -> str:
    """Word a number of cores: there is no less than one."""
    return f"{math.ceil(number):,}"


def short(number: float) -> str:
    """Word a number by its first two digits or so."""
    for size, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.{0 if number >= 10 * size else 1}f}{name}"
    return f"{number:.{0 if number >= 10 else 1}f}"


def main() -> None:
    asked = sys.argv[1:]
    print(table({"here": (int(asked[0]), float(asked[1]))} if asked else CALL_CENTERS))


if __name__ == "__main__":
    main()
