"""`memory`: what a worker holds after a thousand requests or a little more, and after a hundred thousand."""

from bench import machine
from bench.machine import Failed
from bench.report import table
from bench.world import World

FIRST, LAST = 1_000, 100_000
MOST_MORE = 0.10
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pop_and_redeem", ()),
    ("sso_api", ()),
    ("page", ("/groups/9000/agents/",)),
)
MIB = 1024 * 1024


def measure(world: World, *, requests: int = LAST) -> str:
    """Memory of each worker of a fresh server at both moments. Raises Failed where one grew by more than a tenth."""
    server = world.servers["portal"]
    server.end()
    server.start()
    first = _send(world, until=FIRST, sent=0)
    before = _held(world)
    sent = _send(world, until=requests, sent=first)
    after = _held(world)
    told = table(
        ["worker", f"after {first:,} requests, MiB", f"after {sent:,} requests, MiB", "more"],
        [
            [str(number), f"{was / MIB:.1f}", f"{now / MIB:.1f}", f"{now / was - 1:+.1%}"]
            for number, (was, now) in enumerate(zip(before, after, strict=True), start=1)
        ],
    )
    if any(now > was * (1 + MOST_MORE) for was, now in zip(before, after, strict=True)):
        raise Failed(f"{told}\n\nA worker grew by more than {MOST_MORE:.0%}.")
    return told


def _send(world: World, *, until: int, sent: int) -> int:
    """Send requests of every kind in turn, until it is so many; how many it was."""
    seconds = 1 if until == FIRST else 5
    while sent < until:
        for kind, further in KINDS:
            sent += world.run(kind, seconds=seconds, connections=8, further=further).load.requests
    return sent


def _held(world: World) -> list[int]:
    """Bytes, of each worker."""
    return [machine.memory_of(pid) for pid in machine.workers_of(world.servers["portal"].pid)]
