"""One world of three nodes behind PgBouncer for all of this, and the table that it ends in."""

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

LOGS, TABLE = ROOT / "var" / "nodes", ROOT / "var" / "nodes.md"
AGENTS = 300  # whose sessions share 200 pops a second: each far from its limit


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The portal, running, with people in it."""
    # Asked to end, the suite ends all that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    # Not pytest's own folder: PostgreSQL and PgBouncer run as another user, who must get there.
    folder = Path(os.environ["PORTAL_UNDER_TEST"]) / "nodes"
    folder.mkdir(mode=0o755)
    with started(folder, LOGS, nodes=3, is_pooled=True) as world:
        world.people = json.loads(world.python("-m", "tests.live.people", str(AGENTS)))
        yield world


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The rows of all of it; printed, and kept in var/nodes.md, however the suite ends."""
    table = Table("what is done", "slowest; 99 of 100")
    yield table
    TABLE.write_text(table.text() + "\n")
    print(f"\n\n{table.text()}\n")
