from django.db import migrations, models
from django.db.models import F


def mark_those_without_cookie(apps, schema_editor):
    """Until now they were told by going idle when they end, which few other groups' sessions can do."""
    sessions = apps.get_model("groups", "AgentSession").objects.filter(ended_at=None, idle_at=F("ends_at"))
    as_short = {"agent__group__idle_minutes": 60, "agent__group__longest_session_hours": 1}
    sessions.exclude(**as_short).update(has_cookie=False)


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0006_sid_outlives_a_renewal"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentsession",
            name="has_cookie",
            field=models.BooleanField(default=True),
        ),
        migrations.RunPython(mark_those_without_cookie, migrations.RunPython.noop),
    ]
