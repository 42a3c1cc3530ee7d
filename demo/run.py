"""Start the portal, its worker and the demo CRM, say where to go, and end all when one ends: python -m demo.run."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 180  # seconds; a small machine that does other things has been seen to take two minutes
END_WITHIN = 5  # seconds; then a child is killed
LOOK_EVERY = 0.2  # seconds

CRM_NAMES = ("PORTAL_URL", "REDEEM_URL", "CRM_CLIENTS", "GROUP_ID")
SHOWN_NAMES = (
    "CLIENT_SUBDOMAIN",
    "CLIENT_SUBDOMAIN_2",
    "CLIENT_UNLINKED",
    "AGENT_USERNAME",
    "AGENT_PASSWORD",
    "ADMIN_EMAIL",
    "ADMIN_PASSWORD",
)


class CannotRun(Exception):
    """The demo cannot run; the text is for the person who started it."""


@dataclass
class Interrupt:
    """Remembers that somebody asked us to end."""

    asked: bool = False

    def listen(self) -> None:
        """Take Ctrl+C, a polite kill and a closed terminal as the wish to end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@dataclass
class Child:
    """One process: what it is called, where it answers (None: nobody asks it), the process itself."""

    name: str
    port: int | None
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None


def main() -> int:
    """Run the demo; return 0 after an interrupt, 1 when it could not start or a process ended by itself."""
    interrupt = Interrupt()
    interrupt.listen()
    try:
        run(interrupt)
    except CannotRun as problem:
        if not interrupt.asked:
            print(problem, file=sys.stderr)
            return 1
    return 0


def run(interrupt: Interrupt) -> None:
    """Start everything, stay until asked to end, and leave nothing behind."""
    port = port_of(os.environ)
    for wanted in (port, port + 1):
        claim(wanted)
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="demo-crm-") as folder:
        try:
            children.append(start_portal(port))  # takes longest: the rest is done meanwhile
            values = demo_values()
            children.append(start_crm(port + 1, values=values, folder=Path(folder)))
            wait_until_ready(children, interrupt=interrupt)
            if not interrupt.asked:
                children.append(start_worker())  # begins with work: the pages go before
                print(guide(values, crm_port=port + 1), flush=True)
            stay(children, interrupt=interrupt)
        finally:
            end(children)


# --- Before the start ------------------------------------------------------------------------------------------------


def port_of(environment: Mapping[str, str]) -> int:
    """Return the portal's port; the CRM takes the next one."""
    text = environment.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65534):
        raise CannotRun(f"PORT must be a number from 1 to 65534, not {text!r}.")
    return int(text)


def claim(port: int) -> None:
    """Raise CannotRun when somebody listens on the port already, or we may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise CannotRun(
                f"Port {port} needs more rights; choose one above 1023: make run PORT=8100"
            ) from None
        except OSError:
            raise CannotRun(
                f"Port {port} is already in use; end what runs there or choose another: make run PORT=8100"
            ) from None


def demo_values() -> dict[str, str]:
    """Ask the demo command for names, passwords and addresses."""
    command = [sys.executable, "manage.py", "demo", "--env"]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if told.returncode != 0:
        raise CannotRun("The demo data could not be read: manage.py demo --env failed.")
    return parse(told.stdout)


def parse(lines: str) -> dict[str, str]:
    """Read NAME=value lines; raise CannotRun when one that we need is missing."""
    pairs = (line.partition("=") for line in lines.splitlines() if "=" in line)
    values = {name: value for name, _, value in pairs}
    missing = [name for name in (*CRM_NAMES, *SHOWN_NAMES) if not values.get(name)]
    if missing:
        raise CannotRun(f"manage.py demo --env did not say {', '.join(missing)}.")
    return values


# --- The processes ---------------------------------------------------------------------------------------------------


def start_portal(port: int) -> Child:
    """Start the portal."""
    command = granian("sso_portal.wsgi:application", port=port, workers=2, threads=32)
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    return Child("portal", port, process)


def start_crm(port: int, *, values: Mapping[str, str], folder: Path) -> Child:
    """Start the demo CRM with the values meant for it, and no others."""
    command = granian("demo.crm:application", port=port, workers=1, threads=4)
    told = {name: values[name] for name in CRM_NAMES} | {"CRM_DATABASE": str(folder / "crm.sqlite3")}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, env={**os.environ, **told})
    return Child("demo CRM", port, process)


def start_worker() -> Child:
    """Start what tells the CRMs of log-outs. It begins with sealing a week of the demo: that goes to a file."""
    command = [sys.executable, "manage.py", "worker"]
    log = ROOT / "var" / "worker.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as lines:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=lines)
    return Child("worker", None, process)


def granian(target: str, *, port: int, workers: int, threads: int) -> list[str]:
    """Return the command of one server. It kills a stuck worker of its own before we would have to kill it.

    Its warnings are not shown: one comes at each start, about threads that wait for slow senders and need no processor.
    """
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--workers-kill-timeout", str(END_WITHIN - 2), "--log-level", "error"),
        target,
    ]


def wait_until_ready(
    children: Sequence[Child], *, interrupt: Interrupt, within: float = READY_WITHIN
) -> None:
    """Return when all servers answer, or when asked to end; raise CannotRun when one ends or takes too long."""
    deadline = time.monotonic() + within
    waiting = list(children)
    while waiting and not interrupt.asked:
        refuse_ended(children)
        waiting = [child for child in waiting if child.port and not is_ready(child.port)]
        if waiting and time.monotonic() > deadline:
            raise CannotRun(f"The {waiting[0].name} did not answer within {within:.0f} seconds.")
        if waiting:
            time.sleep(LOOK_EVERY)


def is_ready(port: int) -> bool:
    """Tell whether the server on the port says that it is well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stay(children: Sequence[Child], *, interrupt: Interrupt) -> None:
    """Return when asked to end; raise CannotRun when a process ends by itself."""
    while not interrupt.asked:
        refuse_ended(children)
        time.sleep(LOOK_EVERY)


def refuse_ended(children: Sequence[Child]) -> None:
    """Raise CannotRun when a process is gone."""
    for child in children:
        if child.has_ended:
            raise CannotRun(f"The {child.name} ended by itself (exit status {child.process.returncode}).")


def end(children: Sequence[Child], *, within: float = END_WITHIN) -> None:
    """End what still runs: politely first, then for certain."""
    for child in children:
        child.process.terminate()  # does nothing to a process that is gone
    deadline = time.monotonic() + within
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


# --- What to do with it ----------------------------------------------------------------------------------------------


def guide(values: Mapping[str, str], *, crm_port: int) -> str:
    """Return the lines that tell a newcomer where to go, as whom, and what to look at first."""
    first, second, foreign = (
        values[name] for name in ("CLIENT_SUBDOMAIN", "CLIENT_SUBDOMAIN_2", "CLIENT_UNLINKED")
    )
    return f"""
The portal and the demo CRM are running.

  Agent          {values["AGENT_USERNAME"]}  {values["AGENT_PASSWORD"]}
                 {values["PORTAL_URL"]}/sso/group?group={values["GROUP_ID"]}
  Administrator  {values["ADMIN_EMAIL"]}  {values["ADMIN_PASSWORD"]}
                 {values["PORTAL_URL"]}/
                 second factor: run  make code  in another terminal
  CRMs           {crm_address(first, crm_port)}
                 {crm_address(second, crm_port)}

A first walk

  1. A call for {first}: sign in as the agent, and its CRM opens on the customer.
     {pop_address(first, values=values, did="+18005550101", cid="+12125550142")}
  2. The next call, for {second}: no sign-in any more.
     {pop_address(second, values=values, did="+18005550202", cid="+13125550177")}
  3. A call for {foreign}, which this group may not enter: refused, with a reason.
     {pop_address(foreign, values=values)}
  4. The main door: sign in as the administrator and see what just happened.
     {values["PORTAL_URL"]}/

Ctrl+C ends all of it. The worker's log is var/worker.log.
"""


def pop_address(client: str, *, values: Mapping[str, str], **call: str) -> str:
    """Return the address that a telephone system opens for a call."""
    query = urlencode({"group": values["GROUP_ID"], **call})
    return f"{values['PORTAL_URL']}/sso/group/{client}?{query}"


def crm_address(client: str, port: int) -> str:
    """Return the address of a company's demo CRM."""
    return f"http://{client}.localhost:{port}/"


if __name__ == "__main__":
    sys.exit(main())
