"""Names that were typed at a door and are nobody's are forgotten: they may be passwords.

From now on they are counted under a digest. Counts of agents and administrators stay, and so do their locks. This
belongs to a table of accounts, which cannot know who is an agent.
"""

from django.db import migrations
from django.db.models import Exists, OuterRef


def forget_typed_names(apps, schema_editor):
    Attempt = apps.get_model("accounts", "Attempt")
    administrators = apps.get_model("accounts", "Administrator").objects.filter(email=OuterRef("name"))
    Attempt.objects.filter(~Exists(administrators), door="main").delete()
    doors = Attempt.objects.filter(door__regex=r"^group:[0-9]+$").values_list("door", flat=True).distinct()
    for door in list(doors):
        group = int(door.removeprefix("group:"))
        agents = apps.get_model("groups", "Agent").objects.filter(group_id=group, username_key=OuterRef("name"))
        Attempt.objects.filter(~Exists(agents), door=door).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_seals_in_turn"),
        ("groups", "0011_factor_removed_at"),
    ]

    operations = [
        migrations.RunPython(forget_typed_names, migrations.RunPython.noop, elidable=True),
    ]
