from typing import Any

from django.db import migrations

from tokens.functions import FUNCTIONS


def make(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for function in FUNCTIONS:
            schema_editor.execute(function.definition)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for function in FUNCTIONS:
            schema_editor.execute(f"DROP FUNCTION {function.signature}")


class Migration(migrations.Migration):
    """The hot acts as functions of the database; SQLite has none."""

    dependencies = [("tokens", "0010_jobs_and_reminders")]

    operations = [migrations.RunPython(make, drop)]
