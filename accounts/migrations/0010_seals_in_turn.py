from typing import Any

from django.db import migrations, models

from accounts import triggers


def remove(apps: Any, schema_editor: Any) -> None:
    for statement in triggers.REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def install(apps: Any, schema_editor: Any) -> None:
    for statement in triggers.INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """Seals are added in turn only; a release keeps what the day's last seal said."""

    dependencies = [("accounts", "0009_door_of_failed_sign_ins")]

    operations = [
        migrations.RunPython(remove, install),  # SQLite makes the tables anew, which would lose them
        migrations.AddField(model_name="release", name="seal", field=models.JSONField(default=list)),
        migrations.AddConstraint(
            model_name="seal",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1)), name="seal_is_numbered_from_one"
            ),
        ),
        migrations.RunPython(install, remove),
    ]
