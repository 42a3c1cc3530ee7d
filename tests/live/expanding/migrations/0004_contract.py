from django.db import migrations


class Migration(migrations.Migration):
    """What no running node needs any more goes."""

    dependencies = [("expanding", "0003_index")]
    operations = [migrations.RunSQL("ALTER TABLE tokens_logintoken DROP COLUMN expanded")]
