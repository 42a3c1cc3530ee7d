import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A pop has no reference checked, which would lock the row of its session, or of its key."""

    dependencies = [
        ('groups', '0013_sessions_seen_in_place'),
        ('tokens', '0012_fewer_indexes_of_tokens'),
    ]

    operations = [
        migrations.AlterField(
            model_name='logintoken',
            name='issued_to',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tokens.relyingparty'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='platform_key',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tokens.platformkey'),
        ),
        migrations.AlterField(
            model_name='logintoken',
            name='session',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='groups.agentsession'),
        ),
    ]
