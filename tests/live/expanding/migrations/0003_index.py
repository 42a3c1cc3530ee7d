from django.db import migrations


class Migration(migrations.Migration):
    """Made beside the writers, once every transaction from before has ended: for those it waits as long as they last.

    One that was given up half-way leaves an index that nobody uses, and is made again.
    """

    atomic = False
    dependencies = [("expanding", "0002_fill")]
    operations = [
        migrations.RunSQL(
            [
                "SET lock_timeout = 0",
                "DROP INDEX CONCURRENTLY IF EXISTS token_by_expanded",
                "CREATE INDEX CONCURRENTLY token_by_expanded ON tokens_logintoken (expanded)",
                "RESET lock_timeout",
            ]
        )
    ]
