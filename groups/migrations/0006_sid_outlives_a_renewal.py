from django.db import migrations, models

import groups.models.agent_session


class Migration(migrations.Migration):

    dependencies = [
        ('groups', '0005_client_people_and_hand_offs'),
    ]

    operations = [
        migrations.AlterField(
            model_name='agentsession',
            name='sid',
            field=models.CharField(default=groups.models.agent_session.new_sid, max_length=32),
        ),
        migrations.AddIndex(
            model_name='agentsession',
            index=models.Index(fields=['sid'], name='session_by_sid'),
        ),
        migrations.AddIndex(
            model_name='agentsession',
            index=models.Index(condition=models.Q(('ended_at__isnull', False)), fields=['ended_at'], name='session_by_end'),
        ),
        migrations.AddConstraint(
            model_name='agentsession',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('sid',), name='one_open_session_a_sid'),
        ),
    ]
