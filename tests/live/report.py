"""The table: what was done to the portal, what its clients saw, what was in the database before and after."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.live import books
from tests.live.load import Line, Load
from tests.live.world import World


@dataclass
class Case:
    """One fault while it happens."""

    load: Load
    ended_at: float = 0.0
    notes: list[str] = field(default_factory=list)

    def fault_ended(self) -> None:
        """From here on the portal has to get well by itself."""
        self.ended_at = time.monotonic()

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Table:
    """The rows so far, and what the first and the last column hold."""

    first: str = "fault"
    last: str = "well again after"
    rows: list[str] = field(default_factory=list)

    def add(self, fault: str, seen: str, before: object, after: object, recovery: str) -> None:
        """One row; whoever calls has measured what it says."""
        change = f"{before} → {after}" if str(before) != str(after) else f"{after}, unchanged"
        self.rows.append(f"| {fault} | {seen} | {change} | {recovery} |")
        print(f"\n{self.rows[-1]}", flush=True)

    def text(self) -> str:
        middle = "what the clients saw | tokens / events, redeemed / events: before → after"
        return "\n".join(
            [f"| {self.first} | {middle} | {self.last} |", "| --- | --- | --- | --- |", *self.rows]
        )

    @contextmanager
    def row(
        self, world: World, fault: str, *, well_within: float, agents: int = 8, signed: bool = False
    ) -> Iterator[Case]:
        """A fault under load. Afterwards the portal must be well again in time, every failure an honest one, and the
        books must balance."""
        _wait_until_calm(world)
        before = books.Books.of(world)
        with Load(world, agents=agents, signed=signed) as load:
            load.go_on(1.5)
            case = Case(load)
            yield case
            case.ended_at = case.ended_at or time.monotonic()
            load.until_well(within=well_within + 3)
        recovery = load.ledger.recovered_after(case.ended_at)
        assert not load.ledger.dishonest, load.ledger.dishonest[:5]
        assert recovery <= well_within, f"Well again after {recovery:.1f} s only."
        after = books.check(world, load.ledger)
        lost = len(load.ledger.lost)
        notes = [*case.notes, *([f"{lost} answers lost after the token was spent"] if lost else [])]
        self.add(fault, "; ".join([load.ledger.seen(), *notes]), before, after, f"{recovery:.1f} s")


def _wait_until_calm(world: World) -> None:
    """Return when the proxy holds no node for lost because of the fault before: for that it takes a second."""
    line, calm_since = Line(world), time.monotonic()
    give_up_at = calm_since + 20
    while time.monotonic() < calm_since + 1.5:
        if line.ask("GET", "/healthz").status != 200:
            calm_since = time.monotonic()
        assert calm_since < give_up_at, "The portal did not get well after the fault before."
        time.sleep(0.05)
