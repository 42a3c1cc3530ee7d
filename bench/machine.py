"""Processes: started on loopback, measured from /proc, ended again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "var" / "bench"
END_WITHIN = 20  # seconds
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """The measurement is worth nothing; the text says why."""


def plain_environment() -> dict[str, str]:
    """What programs need to run, and nothing else of ours."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def wait_until(is_so: Callable[[], bool], *, within: float, what: str) -> None:
    """Return as soon as it is so. Raises Failed when it is not in time."""
    until = time.monotonic() + within
    while not is_so():
        if time.monotonic() > until:
            raise Failed(f"Not within {within:g} s: {what}.")
        time.sleep(0.005)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, folder: Path = ROOT
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; what it says goes into the log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, with its children: politely first."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_WITHIN)


def run(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run Python with these arguments to its end; what it prints. Raises Failed when it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def granian(target: str, *, port: int, workers: int, threads: int) -> list[str]:
    """The command of a server as the portal's is run."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--log-level", "warning"),
        target,
    ]


def is_answered(port: int, path: str) -> bool:
    """Whether something on this port answers this address well, on a connection of its own."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            line.settimeout(10)
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return line.recv(100).split(b" ")[1:2] in ([b"200"], [b"302"])
    except OSError:
        return False


# --- From /proc ------------------------------------------------------------------------------------------------------


def tree_of(pid: int) -> list[int]:
    """This process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        here = waiting.pop()
        found.append(here)
        with contextlib.suppress(OSError):  # it may end meanwhile
            for children in Path(f"/proc/{here}/task").glob("*/children"):
                waiting += [int(each) for each in children.read_text().split()]
    return found


def workers_of(pid: int) -> list[int]:
    """The processes of a server that answer requests."""
    below = tree_of(pid)[1:]
    return [each for each in below if b"resource_tracker" not in _read(f"/proc/{each}/cmdline")]


def processor_time_of(pid: int) -> float:
    """Seconds that this process, all below it and their ended children spent computing."""
    spent = 0
    for each in tree_of(pid):
        fields = _read(f"/proc/{each}/stat").rpartition(b") ")[2].split()
        spent += sum(int(ticks) for ticks in fields[11:15])  # own and ended children's: user, system
    return spent / TICKS


def memory_of(pid: int) -> int:
    """Bytes of memory that this process holds (RSS)."""
    return int(_read(f"/proc/{pid}/statm").split()[1]) * PAGE


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
