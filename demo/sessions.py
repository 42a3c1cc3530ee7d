"""The CRM's own sessions, and which the portal ended, in a small SQLite file that all its workers share."""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.redeeming import Login

LIFETIME = 12 * 3600  # seconds

TABLES = """
CREATE TABLE IF NOT EXISTS session (
    digest TEXT PRIMARY KEY, company TEXT NOT NULL, sid TEXT NOT NULL, login TEXT NOT NULL, ends_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS ended_by_portal (
    company TEXT NOT NULL, sid TEXT NOT NULL, forget_at INTEGER NOT NULL, PRIMARY KEY (company, sid)
);
"""


@dataclass(frozen=True)
class Session:
    """One browser's session."""

    login: Login
    is_ended_by_portal: bool


class Sessions:
    """Who is signed in to which company. Only digests of the session ids are kept."""

    def __init__(self, database: Path) -> None:
        """Make the file ready for use."""
        self.database = database
        with self._connection() as connection:
            connection.executescript(TABLES)

    def start(self, login: Login, *, company: str) -> str:
        """Remember the login and return the new session's id."""
        session_id = secrets.token_urlsafe(32)
        now = int(time.time())
        row = (_digest(session_id), company, login.sid, json.dumps(asdict(login)), now + LIFETIME)
        with self._connection() as connection:
            connection.execute("DELETE FROM session WHERE ends_at <= ?", (now,))
            connection.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?)", row)
        return session_id

    def find(self, session_id: str, *, company: str) -> Session | None:
        """Return the session of this company, unless it has run out or somebody signed out here."""
        question = """
            SELECT login, EXISTS (SELECT 1 FROM ended_by_portal e WHERE e.company = s.company AND e.sid = s.sid)
            FROM session s WHERE digest = ? AND company = ? AND ends_at > ?
        """
        with self._connection() as connection:
            row = connection.execute(question, (_digest(session_id), company, int(time.time()))).fetchone()
        return Session(Login(**json.loads(row[0])), bool(row[1])) if row else None

    def end(self, session_id: str) -> None:
        """Forget the session, whether it was there or not."""
        with self._connection() as connection:
            connection.execute("DELETE FROM session WHERE digest = ?", (_digest(session_id),))

    def end_by_portal(self, sid: str, *, company: str) -> None:
        """End what began with this session at the portal: also what begins a moment after we were told."""
        now = int(time.time())
        row = (company, sid, now + 2 * LIFETIME)  # longer than any such session
        with self._connection() as connection:
            connection.execute("DELETE FROM ended_by_portal WHERE forget_at <= ?", (now,))
            connection.execute("INSERT OR REPLACE INTO ended_by_portal VALUES (?, ?, ?)", row)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection of this call's own; what it wrote is committed when the block ends well."""
        with closing(sqlite3.connect(self.database, timeout=5)) as connection, connection:
            yield connection


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
