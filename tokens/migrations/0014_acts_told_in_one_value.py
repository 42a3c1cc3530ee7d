from typing import Any

from django.db import migrations

KINDS = "'hand_off', 'entrance', 'signed', 'launch', 'code'"


def check_by_type(apps: Any, schema_editor: Any) -> None:
    """PostgreSQL reads the text of a table's check for each INSERT, that of a type's once."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE DOMAIN token_kind AS varchar(16) CONSTRAINT token_kind_known CHECK (VALUE IN ({KINDS}))"
        )
        schema_editor.execute(
            "ALTER TABLE tokens_logintoken DROP CONSTRAINT token_kind_known, ALTER kind TYPE token_kind"
        )


def check_by_table(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"""ALTER TABLE tokens_logintoken ALTER kind TYPE varchar(16),
                ADD CONSTRAINT token_kind_known CHECK (kind IN ({KINDS}))"""
        )
        schema_editor.execute("DROP DOMAIN token_kind")


class Migration(migrations.Migration):
    """The row of a pop is checked at less cost. (Tokens that are there are written anew.)"""

    dependencies = [("tokens", "0013_references_unchecked")]

    operations = [
        migrations.RunPython(check_by_type, check_by_table),
    ]
