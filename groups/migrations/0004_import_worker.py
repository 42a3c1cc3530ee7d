from django.db import migrations, models

import groups.models.agent_import


class Migration(migrations.Migration):

    dependencies = [
        ('groups', '0003_dialled_numbers'),
    ]

    operations = [
        migrations.AddField(
            model_name='agentimport',
            name='options',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='agentimport',
            name='worker',
            field=models.CharField(default=groups.models.agent_import.new_worker, max_length=32),
        ),
    ]
