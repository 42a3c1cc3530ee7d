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
TOO_MUCH = {
    "accounts_event": ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "accounts_seal": ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "accounts_release": ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
}
OF_COLUMNS = ("INSERT", "UPDATE", "REFERENCES")  # rights that one column alone can have
_OWNERS = """
    SELECT name FROM (
        SELECT 'the tables', relowner FROM pg_class WHERE oid = 'accounts_event'::regclass
        UNION ALL SELECT 'the schema', nspowner FROM pg_namespace WHERE nspname = CURRENT_SCHEMA()
        UNION ALL SELECT 'the database', datdba FROM pg_database WHERE datname = CURRENT_DATABASE()
    ) AS owned(name, owner) WHERE PG_HAS_ROLE(%(role)s, owner, 'MEMBER')"""


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
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            return f"There is no role {role}; make it first: CREATE ROLE {role} LOGIN PASSWORD …"
        cursor.execute(
            """SELECT COALESCE(BOOL_OR(rolsuper), FALSE), COALESCE(BOOL_OR(rolcreaterole), FALSE)
               FROM pg_roles WHERE PG_HAS_ROLE(%s, oid, 'MEMBER')""",
            [role],
        )
        is_superuser, makes_roles = cursor.fetchone()
        cursor.execute(_OWNERS, {"role": role})
        owned = [name for (name,) in cursor.fetchall()]
    if is_superuser:
        return f"{role} is a superuser or a member of one, to whom no right can be denied."
    if owned:
        return f"{role} owns {', '.join(owned)}, or is a member of the role that does."
    if makes_roles:
        return f"{role} may make roles (CREATEROLE), or is a member of one that may, and so become another."
    return ""


def _too_much(role: str) -> Iterator[str]:
    """What this role may do with the audit log beyond its need, as itself or as any role that it is a member of."""
    with connection.cursor() as cursor:
        for table, rights in TOO_MUCH.items():
            for right in rights:
                asked = "HAS_ANY_COLUMN_PRIVILEGE" if right in OF_COLUMNS else "HAS_TABLE_PRIVILEGE"
                cursor.execute(
                    f"""SELECT FROM pg_roles WHERE PG_HAS_ROLE(%s, oid, 'MEMBER')
                        AND {asked}(oid, %s, %s) LIMIT 1""",
                    [role, table, right],
                )
                if cursor.fetchone() is not None:
                    yield f"{right} on {table}"
        cursor.execute(
            """SELECT FROM pg_roles WHERE PG_HAS_ROLE(%s, oid, 'MEMBER')
               AND HAS_SCHEMA_PRIVILEGE(oid, CURRENT_SCHEMA(), 'CREATE') LIMIT 1""",
            [role],
        )
        if cursor.fetchone() is not None:
            yield "CREATE in the schema"
