from typing import Any

from django.db import migrations

TABLE = "accounts_event"
INSTALL = {
    "sqlite": [
        f"""CREATE TRIGGER event_no_{act.lower()} BEFORE {act} ON {TABLE}
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
        for act in ("UPDATE", "DELETE")
    ]
    + [  # REPLACE would change a row without either
        f"""CREATE TRIGGER event_no_replace BEFORE INSERT ON {TABLE}
            WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""  # noqa: S608  (a constant)
    ],
    "postgresql": [
        """CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        f"""CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON {TABLE}
            FOR EACH ROW EXECUTE FUNCTION event_is_append_only()""",
    ],
}
REMOVE = {
    "sqlite": [f"DROP TRIGGER event_no_{act}" for act in ("update", "delete", "replace")],
    "postgresql": [f"DROP TRIGGER event_append_only ON {TABLE}", "DROP FUNCTION event_is_append_only()"],
}


def install(apps: Any, schema_editor: Any) -> None:
    for statement in INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps: Any, schema_editor: Any) -> None:
    for statement in REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """The audit log refuses UPDATE and DELETE."""

    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(install, remove)]
