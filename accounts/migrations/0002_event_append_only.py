from typing import Any

from django.db import migrations

from accounts import triggers


def install(apps: Any, schema_editor: Any) -> None:
    for statement in triggers.INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps: Any, schema_editor: Any) -> None:
    for statement in triggers.REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """The audit log refuses UPDATE and DELETE."""

    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(install, remove)]
