"""Two roles on PostgreSQL: the portal works as one that can add to the audit log, and do nothing else with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction

from accounts.models import Event, Seal
from accounts.releasing import may_release
from accounts.sealing import seal
from tests import factories
from tests.accounts.sealed import days_ago, faults, written
from tests.tokens.asking import basic

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

APP = "portal_app_under_test"
MIGHTY = f"CREATE ROLE mighty; GRANT mighty TO {APP};"


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def role() -> str:
    """A role with no rights yet. It goes when the test's transaction is rolled back."""
    execute(f"CREATE ROLE {APP} LOGIN")
    return APP


@pytest.fixture
def as_app(role: str) -> Callable[[], Any]:
    """Works as the portal's role."""
    call_command("database_roles", role, stdout=StringIO())

    @contextmanager
    def as_app() -> Iterator[None]:
        execute(f"SET SESSION AUTHORIZATION {role}")
        yield
        execute("RESET SESSION AUTHORIZATION")

    return as_app


@pytest.mark.usefixtures("entitlement", "agent")
def test_portal_works_as_the_role_that_owns_nothing(as_app, client, group, relying_party, owner, visit_as):
    written(days_ago(2))
    with as_app():
        signed_in = client.post(
            f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": factories.PASSWORD}
        )
        popped = client.get("/sso/group/demoaws", {"group": group.pk})
        [secret] = parse_qs(urlsplit(popped.headers["Location"]).query)["token"]
        redeemed = client.post(
            "/api/v1/tokens/redeem",
            {"token": secret},
            content_type="application/json",
            headers={"Authorization": basic(relying_party.identifier, factories.SECRET)},
        )
        seen = visit_as(owner).get(f"/groups/{group.pk}/activity/")
        call_command("worker", "--once", stdout=StringIO())

        assert (signed_in.status_code, redeemed.status_code, seen.status_code) == (303, 200, 200)
        assert (faults(), may_release()) == ([], False)


FORBIDDEN = [
    *(
        statement.format(table)
        for table in ("accounts_event", "accounts_seal", "accounts_release")
        for statement in (
            "DELETE FROM {}",
            "TRUNCATE {}",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "ALTER TABLE {} ADD COLUMN more text",
            "DROP TABLE {}",
            "CREATE TRIGGER another BEFORE INSERT ON {} EXECUTE FUNCTION event_is_append_only()",
        )
    ),
    "UPDATE accounts_event SET actor = 'other'",
    "UPDATE accounts_seal SET number = 0",
    "INSERT INTO accounts_release VALUES ('2020-01-01', 1, '', '{}', NOW())",
    "DROP TRIGGER event_append_only ON accounts_event",
    "DROP FUNCTION event_is_append_only() CASCADE",
    "CREATE OR REPLACE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE TABLE another (id int)",
    "SET session_replication_role = replica",
    "DELETE FROM django_migrations",
]


def test_role_of_the_portal_cannot_touch_what_was_written(as_app):
    refused = pytest.raises(ProgrammingError, match=r"permission denied|must be owner")
    with as_app():
        for statement in FORBIDDEN:
            with refused, transaction.atomic():
                execute(statement)


def test_rights_given_before_are_taken_back(role):
    execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")

    call_command("database_roles", role, stdout=StringIO())

    with connection.cursor() as cursor:
        cursor.execute("SELECT HAS_TABLE_PRIVILEGE(%s, 'accounts_event', 'UPDATE, DELETE, TRUNCATE')", [role])
        assert cursor.fetchone() == (False,)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (f"DROP ROLE {APP}", "There is no role"),
        (f"ALTER ROLE {APP} SUPERUSER", "superuser"),
        (f"GRANT postgres TO {APP}", "a member of one"),
        (f"ALTER TABLE accounts_event OWNER TO {APP}", "owns the tables"),
        (f"ALTER SCHEMA public OWNER TO {APP}", "owns the schema"),
        (
            f"{MIGHTY} DO $$ BEGIN EXECUTE FORMAT('ALTER DATABASE %I OWNER TO mighty', CURRENT_DATABASE()); END $$",
            "the database",
        ),
        (f"ALTER ROLE {APP} CREATEROLE", "may make roles"),
        (f"{MIGHTY} ALTER ROLE mighty CREATEROLE", "may make roles"),
        (f"{MIGHTY} GRANT DELETE ON accounts_event TO mighty", "DELETE on"),
        (f"ALTER ROLE {APP} NOINHERIT; {MIGHTY} GRANT DELETE ON accounts_seal TO mighty", "DELETE on"),
        (f"{MIGHTY} GRANT UPDATE (actor) ON accounts_event TO mighty", "UPDATE on accounts_event"),
        (f"{MIGHTY} GRANT INSERT (day) ON accounts_release TO mighty", "INSERT on accounts_release"),
    ],
)
def test_role_that_could_do_more_is_refused(role, prepare, reason):
    execute(prepare)

    with pytest.raises(CommandError, match=reason):
        call_command("database_roles", role)


def test_statements_can_be_read_before(role):
    out = StringIO()

    call_command("database_roles", role, "--sql", stdout=out)

    assert f'GRANT SELECT, INSERT ON "accounts_event" TO "{APP}";' in out.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT HAS_TABLE_PRIVILEGE(%s, 'accounts_event', 'INSERT')", [role])
        assert cursor.fetchone() == (False,)


def test_table_of_the_roles_own_does_not_stand_in_for_the_seals(as_app):
    with as_app():
        written(days_ago(2))
        execute("CREATE TEMPORARY TABLE accounts_seal AS SELECT * FROM public.accounts_seal")
        execute("INSERT INTO accounts_seal (number, anchor, until) VALUES (6, 'a', '2020-01-01')")
        with pytest.raises(DatabaseError, match="follows the last one"), transaction.atomic():
            execute(
                """INSERT INTO public.accounts_seal
                   VALUES (7, 1, '2020-01-01', '2020-01-02', NOW(), 0, '', '', 'a', 'b')"""
            )


def test_event_of_the_role_is_sealed_by_it(as_app):
    with as_app():
        written(days_ago(2))
        seal()

        assert (Seal.objects.filter(events=1).count(), Event.objects.count()) == (1, 1)
