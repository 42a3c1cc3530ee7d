from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0007_session_without_cookie"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentsession",
            name="factor_shown_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
