from django.db import migrations


def fill(apps, editor):
    """In batches, each a transaction: no row is locked for long."""
    with editor.connection.cursor() as cursor:
        filled = 1
        while filled:
            cursor.execute(
                "UPDATE tokens_logintoken SET expanded = kind WHERE id IN"
                " (SELECT id FROM tokens_logintoken WHERE expanded IS NULL ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)"
            )
            filled = cursor.rowcount if cursor.rowcount == 500 else 0


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("expanding", "0001_expand")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
