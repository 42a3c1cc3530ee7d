from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('groups', '0006_sid_outlives_a_renewal'),
        ('tokens', '0004_people_handed_off'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='handoff',
            index=models.Index(condition=models.Q(('given_up_at', None), ('told_at', None), ('next_try_at__isnull', False)), fields=['next_try_at'], name='handoff_to_try_again'),
        ),
        migrations.AddIndex(
            model_name='handoff',
            index=models.Index(condition=models.Q(('given_up_at__isnull', False)), fields=['given_up_at'], name='handoff_given_up'),
        ),
    ]
