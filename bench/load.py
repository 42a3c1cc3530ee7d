"""The load: wrk, told what to send by `requests.lua`."""

import json
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Failed

SCRIPT = Path(__file__).parent / "requests.lua"


@dataclass(frozen=True)
class Load:
    """What came of one run: how many requests were answered, how fast, and what sending them cost."""

    requests: int
    seconds: float
    p50: float  # seconds
    p99: float
    processor_time: float  # of wrk itself, seconds


def send(
    kind: str,
    *,
    port: int,
    first: int,
    agents: int,
    seconds: int,
    connections: int,
    further: Sequence[str] = (),
) -> Load:
    """Send requests of a kind for so many seconds, on so many connections. Raises Failed for any wrong answer."""
    command = [
        *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}"),
        *("--", kind, str(first), str(agents), *further),
    ]
    before = _spent()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return parse(done.stdout + done.stderr, kind=kind, processor_time=_spent() - before)


def parse(told: str, *, kind: str, processor_time: float) -> Load:
    """What wrk and the script told. Raises Failed where it is nothing, or tells of a wrong answer."""
    found = [line.removeprefix("MEASURED ") for line in told.splitlines() if line.startswith("MEASURED ")]
    if not found:
        raise Failed(f"{kind}: wrk said\n{told}")
    values = json.loads(found[0])
    if not values["requests"]:
        raise Failed(f"{kind}: nothing was answered.\n{told}")
    if bad := values.pop("bad"):
        raise Failed(
            f"{kind}: {bad:,} of {values['requests']:,} requests got a wrong answer or none.\n{told}"
        )
    return Load(**values, processor_time=processor_time)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
