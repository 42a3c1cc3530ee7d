"""One world for all faults, and the table that they end in."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.live.report import Table
from tests.live.world import World, started

LOGS, TABLE = ROOT / "var" / "faults", ROOT / "var" / "faults.md"


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The portal, running, with people in it."""
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # asked to end, the suite ends all that it started
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    # Not pytest's own folder: PostgreSQL and nginx run as other users, who must get there.
    folder = Path(os.environ["PORTAL_UNDER_TEST"]) / "world"
    folder.mkdir(mode=0o755)
    with started(folder, LOGS, small_disk=True) as world:
        world.people = json.loads(world.python("-m", "tests.live.people"))
        yield world


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The rows of all faults; printed, and kept in var/faults.md, however the suite ends."""
    table = Table()
    yield table
    TABLE.write_text(table.text() + "\n")
    print(f"\n\n{table.text()}\n")
