from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0002_every_other_door'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='relyingparty',
            name='digest',
        ),
        migrations.RemoveField(
            model_name='relyingparty',
            name='expires_at',
        ),
        migrations.RemoveField(
            model_name='relyingparty',
            name='last_used_at',
        ),
        migrations.RemoveField(
            model_name='relyingparty',
            name='prefix',
        ),
        migrations.RemoveField(
            model_name='relyingparty',
            name='revoked_at',
        ),
    ]
