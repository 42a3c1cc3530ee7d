"""Where the processes of one server keep what they have counted, so that each can tell the sum of all.

A file for each process in a folder for each server, mapped into memory by prometheus-client. Nobody else may read it.
Nothing here imports that library: it looks for the folder once, when it is imported.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # by this name the library knows it
KINDS = ("counter", "histogram")
# Bytes of a file, all of them written at once: a disk that is full later must not stop a process that counts. There is
# room for some 4,000 series.
SIZE = 1024 * 1024


def share() -> None:
    """From now on this process counts where its siblings (of the same parent) do. Before anything is counted.

    Raises ImproperlyConfigured where there is no room for it, or somebody else has a folder by this name.
    """
    above = Path(tempfile.gettempdir()) / f"agent-portal-{os.geteuid()}"
    folder = above / str(os.getppid())
    try:
        _make(above)
        for other in above.iterdir():
            if not _is_alive(other.name):  # its server has ended
                shutil.rmtree(other, ignore_errors=True)
        _make(folder)
        for kind in KINDS:
            _take_file(folder, kind)
    except OSError as error:
        why = f"METRICS_TOKEN is set, and what is counted cannot be kept in {folder}: {error}."
        raise ImproperlyConfigured(f"{why} TMPDIR names another place.") from error
    os.environ[FOLDER] = str(folder)


def folder() -> str:
    """Where this process and its siblings count; "" where it counts for itself."""
    return os.environ.get(FOLDER, "")


def _make(folder: Path) -> None:
    """Make the folder, for us alone. Raises OSError where it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o77 or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(f"{folder} is not ours alone.")


def _take_file(folder: Path, kind: str) -> None:
    """A file for this process: that of a sibling that died, whose counts go on in it, or a new one."""
    own = folder / f"{kind}_{os.getpid()}.db"
    for file in folder.glob(f"{kind}_*.db"):
        if not _is_alive(file.stem.rpartition("_")[2]):
            with contextlib.suppress(FileNotFoundError):  # another sibling was faster
                file.rename(own)
                return
    if not own.exists():
        own.write_bytes(bytes(SIZE))


def _is_alive(pid: str) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
