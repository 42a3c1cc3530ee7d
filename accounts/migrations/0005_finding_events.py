from django.db import migrations, models


class Migration(migrations.Migration):
    """What is refused, and what administrators do, is found among a million events."""

    dependencies = [("accounts", "0004_administrator_sessions")]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("outcome", "refused")), fields=["group_id", "-at"], name="refusal_of_group"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("door__in", ("main", "backoffice"))),
                fields=["group_id", "actor", "-at"],
                name="event_of_administrator",
            ),
        ),
    ]
