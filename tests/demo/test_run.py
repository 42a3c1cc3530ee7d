"""The command behind make run, really run: a copy of demo/ beside a portal of a few lines."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import run
from tests.demo.conftest import ROOT, Browser, crm_environment, free_ports, wait_until_well

VALUES = crm_environment("http://localhost:8000") | {
    "GROUP_ID": "21",
    "CLIENT_SUBDOMAIN": "demoaws",
    "CLIENT_SUBDOMAIN_2": "sandboxdemo",
    "CLIENT_UNLINKED": "acme",
    "AGENT_USERNAME": "a.chen115",
    "AGENT_PASSWORD": "agent-password",
    "ADMIN_EMAIL": "maya@northwind.example",
    "ADMIN_PASSWORD": "admin-password",
}

STUB_COMMANDS = """
import signal, sys
if "worker" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGINT, lambda *_: sys.exit())
    signal.pause()
else:
    print({lines!r})
"""

STUB_PORTAL = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\\n"]
"""

Demo = subprocess.Popen[str]
PROCESSES = 6  # two servers, with two processes and with one; the worker
WORKER = b"manage.py\0worker"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder that looks like the project to demo.run."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "sso_portal").mkdir()
    (tmp_path / "sso_portal" / "wsgi.py").write_text(STUB_PORTAL)
    lines = "\n".join(f"{name}={value}" for name, value in VALUES.items())
    (tmp_path / "manage.py").write_text(STUB_COMMANDS.format(lines=lines))
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_ports()


@pytest.fixture
def demo(project: Path, port: int) -> Iterator[Demo]:
    process = start(project, port)
    try:
        wait_until_well(port, process)
        wait_until_well(port + 1, process)
        wait_until_all_run(process)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def start(project: Path, port: int) -> Demo:
    environment = {**os.environ, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "demo.run"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=project, env=environment, stdout=pipe, stderr=pipe, text=True)


def wait_until_all_run(process: Demo) -> None:
    """The worker is started last, when the servers answer."""
    deadline = time.monotonic() + 30
    while not any(WORKER in command_of(pid) for pid in descendants(process.pid)):
        assert time.monotonic() < deadline, "The worker was not started."
        time.sleep(0.05)


def command_of(pid: int) -> bytes:
    """What this process runs, each word ended by a NUL; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> set[int]:
    """Return the processes below this one, workers included."""
    running = processes()
    family = {pid}
    while grown := {child for child, parent in running.items() if parent in family} - family:
        family |= grown
    return family - {pid}


def processes() -> dict[int, int]:
    """Return the parent of every process that runs; one that only waits to be collected does not."""
    if Path("/proc/self/stat").exists():  # ps is not installed everywhere
        lines = [told for path in Path("/proc").glob("[0-9]*/stat") if (told := stat_of(path))]
        fields = [(line.split()[0], *line.rpartition(")")[2].split()[:2]) for line in lines]
    else:
        command = ["ps", "-eo", "pid=,stat=,ppid="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        fields = [(pid, state, parent) for pid, state, parent in map(str.split, listed.splitlines())]
    return {int(pid): int(parent) for pid, state, parent in fields if not state.startswith("Z")}


def stat_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # ended meanwhile
        return ""


def are_gone(pids: set[int], *, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not pids & set(processes()):
            return True
        time.sleep(0.1)
    return False


# --- The whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_ends_everything_and_is_no_failure(demo: Demo, number: signal.Signals) -> None:
    family = descendants(demo.pid)
    demo.send_signal(number)
    demo.communicate(timeout=30)

    assert len(family) >= PROCESSES
    assert demo.returncode == 0
    assert are_gone(family)


def test_ctrl_c_reaches_everybody_at_once_and_still_ends_well(project: Path, port: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.run"],
        cwd=project,
        env={**os.environ, "PORT": str(port)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until_well(port + 1, process)
    family = descendants(process.pid)
    for _ in range(2):  # an impatient user
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)

    assert process.wait(timeout=30) == 0
    assert are_gone(family)


@pytest.mark.parametrize("which", [b"demo.crm:application", WORKER])
def test_process_that_dies_takes_the_demo_down_and_is_a_failure(demo: Demo, which: bytes) -> None:
    family = descendants(demo.pid)
    server = next(pid for pid in family if which in command_of(pid))
    os.kill(server, signal.SIGTERM)
    _, said = demo.communicate(timeout=30)

    assert demo.returncode == 1
    assert "ended by itself" in said
    assert are_gone(family)


def test_newcomer_is_told_where_to_go(demo: Demo) -> None:
    time.sleep(0.5)
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=30)

    for name in ("AGENT_USERNAME", "AGENT_PASSWORD", "ADMIN_EMAIL", "ADMIN_PASSWORD"):
        assert VALUES[name] in said


@pytest.mark.parametrize("offset", [0, 1])
def test_port_in_use_is_told_in_one_sentence(project: Path, port: int, offset: int) -> None:
    with socket.create_server(("127.0.0.1", port + offset)):
        process = start(project, port)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 1
    assert said.startswith(f"Port {port + offset} is already in use")
    assert said.count("\n") == 1


def test_crm_is_started_with_what_the_demo_command_says(demo: Demo, port: int) -> None:
    assert "Demo AWS" in Browser(port + 1).get("/").text


# --- The parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "65535", "eighty", "-1", "8000.5", "٨٠٠٠"])
def test_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(run.CannotRun, match="PORT must be"):
        run.port_of({"PORT": text})


def test_port_has_a_default() -> None:
    assert run.port_of({}) == run.port_of({"PORT": ""}) == 8000


def test_values_may_hold_equals_signs() -> None:
    lines = "\n".join(f"{name}={value}" for name, value in (VALUES | {"AGENT_PASSWORD": "a=b=="}).items())

    assert run.parse(lines)["AGENT_PASSWORD"] == "a=b=="


def test_values_that_are_missing_are_named() -> None:
    with pytest.raises(run.CannotRun, match="did not say REDEEM_URL, CRM_CLIENTS"):
        run.parse("\n".join(f"{n}={v}" for n, v in VALUES.items() if n not in ("REDEEM_URL", "CRM_CLIENTS")))


def test_guide_walks_through_two_clients_a_refusal_and_the_main_door() -> None:
    said = run.guide(VALUES, crm_port=8001)

    first = "http://localhost:8000/sso/group/demoaws?group=21&did=%2B18005550101&cid=%2B12125550142"
    assert first in said
    assert "http://localhost:8000/sso/group/sandboxdemo?group=21" in said
    assert "http://localhost:8000/sso/group/acme?group=21" in said
    assert "http://demoaws.localhost:8001/" in said


def test_server_that_never_answers_is_named() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        child = run.Child("portal", free_ports(), process)
        with pytest.raises(run.CannotRun, match="The portal did not answer within 0 seconds"):
            run.wait_until_ready([child], interrupt=run.Interrupt(), within=0.3)
        run.end([child])

    assert child.has_ended


def test_server_that_will_not_listen_is_killed() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        run.end([run.Child("portal", 1, process)], within=0.3)

    assert process.returncode == -signal.SIGKILL
