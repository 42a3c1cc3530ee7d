from typing import Any

import django.db.models.deletion
from django.db import migrations, models

TABLE = "tokens_logintoken"


def leave_room(apps: Any, schema_editor: Any) -> None:
    """Room on each page for its rows once they are redeemed; no second index of digests, for LIKE."""
    if schema_editor.connection.vendor == "postgresql":
        like = schema_editor._create_index_name(TABLE, ["digest"], suffix="_like")
        schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(like)}")
        schema_editor.execute(f"ALTER TABLE {TABLE} SET (fillfactor = 60)")


def take_room(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        model = apps.get_model("tokens", "LoginToken")
        schema_editor.execute(schema_editor._create_like_index_sql(model, model._meta.get_field("digest")))
        schema_editor.execute(f"ALTER TABLE {TABLE} RESET (fillfactor)")


class Migration(migrations.Migration):
    """A pop writes four indexes of its token instead of fourteen, and locks no row that others share.

    A redemption, as a rule, writes none.
    """

    dependencies = [
        ('groups', '0012_forget_typed_names'),
        ('tokens', '0011_acts_at_once'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='logintoken',
            name='token_of_key',
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='agent',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='groups.agent'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='client',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='groups.client'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='group',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='groups.group'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='issued_to',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tokens.relyingparty'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='platform_key',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tokens.platformkey'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='redeemed_by',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tokens.relyingparty'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='session',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='groups.agentsession'),
        ),
        migrations.AddIndex(
            model_name='logintoken',
            index=models.Index(condition=models.Q(('platform_key__isnull', False)), fields=['platform_key', 'issued_at'], name='token_of_platform_key'),
        ),
        migrations.AddIndex(
            model_name='logintoken',
            index=models.Index(condition=models.Q(('issued_to__isnull', False)), fields=['issued_to'], name='token_for_party'),
        ),
        migrations.RunPython(leave_room, take_room),
    ]
