from importlib import import_module
from typing import Any

import django.db.models.functions.datetime
from django.db import migrations, models

from accounts import triggers

before = import_module("accounts.migrations.0002_event_append_only")


def install(apps: Any, schema_editor: Any) -> None:
    vendor = schema_editor.connection.vendor
    for statement in (*before.REMOVE[vendor], *triggers.INSTALL[vendor]):
        schema_editor.execute(statement)


def remove(apps: Any, schema_editor: Any) -> None:
    vendor = schema_editor.connection.vendor
    for statement in (*triggers.REMOVE[vendor], *before.INSTALL[vendor]):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    """Events are sealed; whole days of them may be released when their time is over, and then deleted."""

    dependencies = [("accounts", "0005_finding_events")]

    operations = [
        migrations.CreateModel(
            name="Release",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField()),
                ("anchor", models.CharField(max_length=64, unique=True)),
                ("held", models.JSONField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ("version", models.PositiveSmallIntegerField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("sealed_at", models.DateTimeField()),
                ("events", models.PositiveBigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("rows", models.BinaryField()),
                ("previous", models.CharField(max_length=64)),
                ("anchor", models.CharField(max_length=64, unique=True)),
            ],
            options={
                "indexes": [models.Index(fields=["until"], name="seal_by_time")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(until__gt=models.F("since")), name="seal_ends_after_start"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="event", index=models.Index(fields=["at", "id"], name="event_by_time")
        ),
        migrations.RunPython(install, remove),
    ]
