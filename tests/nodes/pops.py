"""Pops, evenly and whatever becomes of them: 200 a second, from hundreds of agents."""

import itertools
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.live import books
from tests.live.load import POP, Entry, Line, Load, pop, token_of
from tests.live.report import Table
from tests.live.world import World

RATE = 200  # pops a second
LINES = 32  # connections that they come by
REDEEMED = 10  # one in so many
CALM = 2.0  # seconds before and after whatever is done


@dataclass
class Pops(Load):
    """Agents who pop at a steady rate; for one pop in ten the CRM redeems, too."""

    agents: int = LINES

    def work(self, line: Line, crm: Line, sessions: Iterator[str], newcomers: Iterator[str]) -> None:
        """What comes by one of the lines: nobody waits with his call until another's was answered late."""
        every = self.agents / RATE
        due = time.monotonic() + random.uniform(0, every)
        for number in itertools.count(1):
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                return
            due += every
            answer = pop(line, next(sessions))
            token = token_of(answer)
            self.ledger.write(POP, answer, good=bool(token), token=token)
            if token:
                self.ledger.issued.append(token)
                if number % REDEEMED == 0:
                    self.redeem(crm, token)

    @property
    def failed(self) -> list[Entry]:
        return [entry for entry in self.ledger.bad if entry.what == POP]

    def failed_later(self, moment: float) -> list[Entry]:
        """Pops that failed and were not yet on their way at this moment."""
        return [entry for entry in self.failed if entry.at - entry.answer.seconds > moment]

    def speed(self) -> str:
        """In words, for the table."""
        pops = [entry for entry in self.ledger.entries if entry.what == POP]
        took = [entry.answer.seconds * 1000 for entry in pops]
        rate = len(pops) / (pops[-1].at - pops[0].at)
        return (
            f"{max(took):.0f} ms; {statistics.quantiles(took, n=100)[-1]:.0f} ms ({rate:.0f} pops a second)"
        )


@contextmanager
def popping(world: World, table: Table, what: str) -> Iterator[Pops]:
    """Let pops go on while something is done; then the books must balance, and a row tells of it."""
    before = books.Books.of(world)
    with Pops(world) as pops:
        pops.go_on(CALM)
        yield pops
        pops.go_on(CALM)
    table.add(what, pops.ledger.seen(), before, books.check(world, pops.ledger), pops.speed())
