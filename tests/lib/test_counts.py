"""Where the processes of one server keep their counts."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from sso_portal.lib import counts


@pytest.fixture
def above(tmp_path, monkeypatch):
    """The folder of all servers of this user."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(os.environ, counts.FOLDER, "")
    folder = tmp_path / f"agent-portal-{os.geteuid()}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_process_has_room_for_what_it_will_count(above):
    counts.share()

    file = Path(counts.folder()) / f"counter_{os.getpid()}.db"
    assert file.parent == above / str(os.getppid())
    assert file.stat().st_blocks * 512 >= counts.SIZE  # really there, not promised


def test_process_goes_on_in_the_file_of_one_that_died(above, dead):
    folder = above / str(os.getppid())
    folder.mkdir(mode=0o700)
    (folder / f"counter_{dead}.db").write_bytes(b"what it counted")

    counts.share()

    assert (folder / f"counter_{os.getpid()}.db").read_bytes() == b"what it counted"
    assert not (folder / f"counter_{dead}.db").exists()


def test_what_a_server_counted_that_ended_is_removed_and_that_of_others_is_not(above, dead):
    for server in (dead, os.getpid()):
        (above / str(server)).mkdir()

    counts.share()

    assert not (above / str(dead)).exists()
    assert (above / str(os.getpid())).exists()


def test_folder_that_others_may_write_stops_the_start(above):
    above.chmod(0o777)

    with pytest.raises(ImproperlyConfigured, match=r"METRICS_TOKEN is set.*TMPDIR"):
        counts.share()


def test_folder_that_leads_elsewhere_stops_the_start(above, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    above.rmdir()
    above.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ImproperlyConfigured):
        counts.share()
