from django.db import migrations


class Migration(migrations.Migration):
    """A column that may be empty: whoever does not know it goes on writing rows."""

    dependencies = [("tokens", "0001_initial")]
    operations = [migrations.RunSQL("ALTER TABLE tokens_logintoken ADD COLUMN expanded varchar(16)")]
