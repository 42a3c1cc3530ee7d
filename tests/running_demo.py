"""A pytest plugin: the demo as `make run` starts it, portal and demo CRM, with a database and ports of their own.

Tests that drive a browser and tests that run clients of the portal share one demo a process.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.environment import ROOT

Manage = Callable[..., str]

READY_WITHIN = 60  # seconds
END_WITHIN = 15  # seconds
INSTALL = "The browser tests need Chromium: apt-get install chromium, or set CHROMIUM to its path."


@pytest.fixture(scope="session")
def demo_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the demo's processes read: a database and a pair of ports that nobody else has."""
    folder = tmp_path_factory.mktemp("demo")
    own = {
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "PORT": str(free_pair_of_ports()),
        "RATE_LIMITS": "off",  # every browser here has the same address
        "EMAIL_URL": f"filemail:///{folder / 'mail'}",
    }
    return {name: value for name, value in os.environ.items() if name != "PORTAL_URL"} | own


@pytest.fixture(scope="session")
def manage(demo_environment: dict[str, str]) -> Manage:
    """Run a management command on the demo; its output."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=demo_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def demo(
    demo_environment: dict[str, str], manage: Manage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The running demo: its addresses, names and passwords. It must end at Ctrl+C and leave nothing behind."""
    manage("migrate", "--verbosity", "0")
    manage("createcachetable")
    manage("demo")
    values = dict(line.split("=", 1) for line in manage("demo", "--env").splitlines())
    port = int(demo_environment["PORT"])
    log = tmp_path_factory.mktemp("demo-log") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo.run"],
            cwd=ROOT,
            env=demo_environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_well(process, ports=(port, port + 1), log=log)
        yield values
        process.send_signal(signal.SIGINT)
        status = process.wait(END_WITHIN)
        said = log.read_text()
        assert status == 0, said
        assert "Traceback" not in said, said
        assert is_free(port), "The portal's port is still taken."
        assert is_free(port + 1), "The demo CRM's port is still taken."
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        end_for_certain(process)


def free_pair_of_ports() -> int:
    """The first of two neighbouring ports that nobody listens on; below those that the system gives out itself."""
    for port in random.sample(range(20000, 30000, 2), 100):
        if is_free(port) and is_free(port + 1):
            return port
    pytest.fail("No two neighbouring ports are free.")


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_well(process: subprocess.Popen[bytes], *, ports: tuple[int, int], log: Path) -> None:
    """Return when both servers answer; fail with what they said when they do not."""
    deadline = time.monotonic() + READY_WITHIN
    while not all(is_well(port) for port in ports):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The demo did not start:\n{log.read_text()}")
        time.sleep(0.2)


def is_well(port: int) -> bool:
    try:
        with urlopen(f"http://localhost:{port}/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def end_for_certain(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children, whatever they are doing."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(END_WITHIN)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The installed Chromium, without what talks to the outside."""
    flags = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    return browser_type_launch_args | {"executable_path": chromium(), "args": flags}


def chromium() -> str:
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    return found or pytest.fail(INSTALL)
