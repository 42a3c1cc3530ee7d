"""`start`: from the start of a server's process to its first answer."""

import statistics
import time

from bench import machine
from bench.machine import Failed
from bench.report import table
from bench.world import World

TIMES = 7
LONGEST = 2.0  # seconds


def measure(world: World) -> str:
    """How long it takes, several times over. Raises Failed where the median is too long."""
    server, took, computed = world.servers["portal"], [], []
    for _ in range(TIMES):
        server.end()
        began = time.monotonic()
        server.start()
        took.append(time.monotonic() - began)
        computed.append(machine.processor_time_of(server.pid))
    median = statistics.median(took)
    told = table(
        ["", "median s", "shortest s", "longest s", "processor time of all its processes, s"],
        [
            [
                "process started → first answer",
                *(f"{each:.2f}" for each in (median, min(took), max(took), statistics.median(computed))),
            ]
        ],
    )
    if median > LONGEST:
        raise Failed(f"{told}\n\nThat is more than {LONGEST:g} s.")
    return told
