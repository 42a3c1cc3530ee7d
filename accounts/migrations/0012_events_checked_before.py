from django.db import migrations

from sso_portal.lib.fields import CheckedText, check_before

TOLD_ALWAYS = {"reference": 16, "door": 32, "actor": 254}
TOLD_OFTEN = {"reason": 64, "client": 63, "agent": 64, "object": 128, "address": 45, "agent_header": 256}
LENGTHS = TOLD_ALWAYS | TOLD_OFTEN


class Migration(migrations.Migration):
    """How long an event's texts are is seen to before: PostgreSQL took a twentieth of a pop to see to it again.

    Three partial indexes are built again for it.
    """

    dependencies = [("accounts", "0011_events_checked_by_type")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[check_before("accounts_event", LENGTHS)],
            state_operations=[
                migrations.AlterField(
                    "event", name, CheckedText(max_length=length, blank=name in TOLD_OFTEN)
                )
                for name, length in LENGTHS.items()
            ],
        )
    ]
