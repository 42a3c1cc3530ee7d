"""Rights on PostgreSQL: the role that the portal works as adds to the audit log, and can do nothing else with it.

The role that owns the tables migrates, and removes days whose time is over (docs/operating.md, "Two roles").
"""

from collections.abc import Iterator

from django.db import connection, transaction

USUAL = "SELECT, INSERT, UPDATE, DELETE"
FEWER = {
    "accounts_event": "SELECT, INSERT",
    "accounts_seal": "SELECT, INSERT",
    "accounts_release": "SELECT",
    "django_migrations": "SELECT",
}
TOO_MUCH = ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


class CannotGrant(Exception):
    """Why a role cannot be the one that the portal works as."""


def grant_to(role: str) -> None:
    """Give this role exactly what the portal needs, whatever it had. Run by the owner of the tables.

    Raises CannotGrant, and leaves the rights as they were, for a role that could do more with the log all the same.
    """
    if reason := _why_not(role):
        raise CannotGrant(reason)
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements(role):
            cursor.execute(statement)
        if left := list(_too_much(role)):
            raise CannotGrant(f"{role} would still have more than it needs: {', '.join(left)}.")


def statements(role: str) -> Iterator[str]:
    """The statements that give these rights, and no others."""
    name = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_SCHEMA()")
        schema = connection.ops.quote_name(cursor.fetchone()[0])
    yield f"REVOKE ALL ON SCHEMA {schema} FROM {name}"
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {name}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {name}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {name}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}"
    for table in sorted(connection.introspection.table_names()):
        yield f"GRANT {FEWER.get(table, USUAL)} ON {connection.ops.quote_name(table)} TO {name}"


def _why_not(role: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone()
        if found is None:
            return f"There is no role {role}; make it first: CREATE ROLE {role} LOGIN PASSWORD …"
        if found[0]:
            return f"{role} is a superuser, to whom no right can be denied."
        cursor.execute(
            "SELECT PG_HAS_ROLE(%s, relowner, 'MEMBER') FROM pg_class WHERE oid = 'accounts_event'::regclass",
            [role],
        )
        if cursor.fetchone()[0]:
            return f"{role} owns the tables, or is a member of the role that does."
    return ""


def _too_much(role: str) -> Iterator[str]:
    """What this role may do with the audit log beyond its need, by way of other roles say."""
    with connection.cursor() as cursor:
        for table in ("accounts_event", "accounts_seal", "accounts_release"):
            for right in TOO_MUCH:
                cursor.execute("SELECT HAS_TABLE_PRIVILEGE(%s, %s, %s)", [role, table, right])
                if cursor.fetchone()[0]:
                    yield f"{right} on {table}"
        cursor.execute("SELECT HAS_SCHEMA_PRIVILEGE(%s, CURRENT_SCHEMA(), 'CREATE')", [role])
        if cursor.fetchone()[0]:
            yield "CREATE in the schema"
