from django.db import migrations


class Migration(migrations.Migration):
    """Made the hot acts as functions of the database. 0015 makes those that work now."""

    dependencies = [("tokens", "0010_jobs_and_reminders")]

    operations = []
