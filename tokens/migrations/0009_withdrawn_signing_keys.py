from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0008_finding_families_by_sid'),
    ]

    operations = [
        migrations.AddField(
            model_name='signingkey',
            name='is_withdrawn',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
