from django.db import migrations, models
from django.db.models import Q

from sso_portal.lib.fields import CheckedText, check_before

TOLD_ALWAYS = {"reference": 16, "door": 32, "actor": 254}
TOLD_OFTEN = {"reason": 64, "client": 63, "agent": 64, "object": 128, "address": 45, "agent_header": 256}
LENGTHS = TOLD_ALWAYS | TOLD_OFTEN
# Keys before the time, and which events are in it.
BY_TIME = {
    "event_of_group": (["group_id"], None),
    "event_of_agent": (["agent"], ~Q(agent="")),
    "rarer_event_of_group": (["group_id", "action"], ~Q(action__in=("login.issue", "login.redeem"))),
    "refusal_of_group": (["group_id"], Q(outcome="refused")),
    "event_of_administrator": (["group_id", "actor"], Q(door__in=("main", "backoffice"))),
}


class Migration(migrations.Migration):
    """What a pop's event costs PostgreSQL.

    How long its texts are is seen to before: it took a twentieth of a pop to see to it again. Indexes are ascending: an
    event that is added goes to the end of its page, which is filled then, not to the front, where it splits it.
    """

    dependencies = [("accounts", "0011_events_checked_by_type")]

    operations = [
        *(migrations.RemoveIndex("event", name) for name in BY_TIME),
        migrations.SeparateDatabaseAndState(
            database_operations=[check_before("accounts_event", LENGTHS)],
            state_operations=[
                migrations.AlterField(
                    "event", name, CheckedText(max_length=length, blank=name in TOLD_OFTEN)
                )
                for name, length in LENGTHS.items()
            ],
        ),
        *(
            migrations.AddIndex("event", models.Index(fields=[*keys, "at"], name=name, condition=condition))
            for name, (keys, condition) in BY_TIME.items()
        ),
    ]
