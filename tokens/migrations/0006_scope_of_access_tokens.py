from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0005_finding_handoffs"),
    ]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="scope",
            field=models.CharField(blank=True, max_length=200),
        ),
    ]
