from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("expanding", "0002_fill")]
    operations = [
        migrations.RunSQL("CREATE INDEX CONCURRENTLY token_by_expanded ON tokens_logintoken (expanded)")
    ]
