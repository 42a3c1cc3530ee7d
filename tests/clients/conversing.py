"""Running a client of the portal, software of others as its registry has it, in a process of its own.

The process tells what it did, one JSON object a line: `{"version": …}`, `{"did": …}`, and `{"visit": …, "until": …}`,
to which it is told, as a line, where a browser ended that was sent there.
"""

import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.clients.browsing import Browser
from tests.environment import ROOT

HERE = Path(__file__).parent
INSTALLED = ROOT / "var" / "clients"
ROWS = INSTALLED / "rows"
PATIENCE = 90  # seconds, for one client on a busy machine


@dataclass
class Row:
    """What one client did, for the table (`python -m tests.clients.table`)."""

    client: str = ""
    version: str = ""
    did: list[str] = field(default_factory=list)
    result: str = "failed"

    def keep(self) -> None:
        """Write it down, beside those of the other tests."""
        ROWS.mkdir(parents=True, exist_ok=True)
        path = ROWS / f"{re.sub('[^a-z0-9.-]+', ' ', self.client.lower())}.json"
        path.write_text(json.dumps(asdict(self)))


def converse(command: list[str], *, row: Row, said: dict[str, str], browser: Browser, folder: Path) -> None:
    """Run the client to its end, with these values in its environment; what it did goes into the row."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | said,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    complaints: list[str] = []
    listener = threading.Thread(target=lambda: complaints.extend(process.stderr or ()))
    listener.start()
    try:
        for line in process.stdout:
            told = json.loads(line)
            row.version = told.get("version", row.version)
            row.did += [told["did"]] if "did" in told else []
            if "visit" in told:
                ended = browser.visit(told["visit"], until=told.get("until", ""))
                process.stdin.write(f"{ended}\n")
                process.stdin.flush()
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        listener.join()
        sys.stderr.write("".join(complaints))
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
    row.result = "works" if status == 0 else "failed"
    assert status == 0, f"It failed after {row.did or 'nothing'}."


def run_python(environment: str, script: str, *, row: Row, said: dict[str, str], browser: Browser) -> None:
    """Run tests/clients/python/<script> with the Python of var/clients/<environment>."""
    python = INSTALLED / environment / "bin" / "python"
    assert python.exists(), "The clients are not installed: run make clients."
    converse([str(python), script], row=row, said=said, browser=browser, folder=HERE / "python")


def run_node(script: str, *, row: Row, said: dict[str, str], browser: Browser) -> None:
    """Run tests/clients/node/<script> where its packages are: Node looks for them from the place it is started in."""
    folder = INSTALLED / "node"
    assert (folder / "node_modules").exists(), "The clients are not installed: run make clients."
    common, own = (HERE / "node" / name for name in ("telling.mjs", script))
    program = f"{common.read_text()}\n{own.read_text()}"
    command = ["node", "--input-type=module", "--eval", program]
    converse(command, row=row, said=said, browser=browser, folder=folder)
