from typing import Any

from django.db import migrations, models

TABLE = "groups_agentsession"


def leave_room(apps: Any, schema_editor: Any) -> None:
    """Room on each page for its rows once they were seen again; no second index of digests, for LIKE."""
    if schema_editor.connection.vendor == "postgresql":
        like = schema_editor._create_index_name(TABLE, ["digest"], suffix="_like")
        schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(like)}")
        schema_editor.execute(f"ALTER TABLE {TABLE} SET (fillfactor = 70)")


def take_room(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        model = apps.get_model("groups", "AgentSession")
        schema_editor.execute(schema_editor._create_like_index_sql(model, model._meta.get_field("digest")))
        schema_editor.execute(f"ALTER TABLE {TABLE} RESET (fillfactor)")


class Migration(migrations.Migration):
    """That a session was seen again writes its row, and no index."""

    dependencies = [
        ('groups', '0012_forget_typed_names'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='agentsession',
            name='open_session_of_agent',
        ),
        migrations.AddIndex(
            model_name='agentsession',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['agent'], name='open_session_of_agent'),
        ),
        migrations.RunPython(leave_room, take_room),
    ]
