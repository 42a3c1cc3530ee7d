from typing import Any

from django.db import migrations

from sso_portal.lib.fields import CheckedText, check_before
from tokens.functions import FUNCTIONS

LENGTHS = {"did": 64, "cid": 64, "call_id": 128, "campaign_id": 64, "destination": 64, "redeemed_from": 45}


def make(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for function in FUNCTIONS:
            schema_editor.execute(function.definition)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for function in FUNCTIONS:
            schema_editor.execute(f"DROP FUNCTION {function.signature}")


class Migration(migrations.Migration):
    """A pop is asked for, and its row written, at less cost.

    The functions before these (`…_1`, `…_2`) stay in databases that have them as long as nodes may call them. A check is
    asked of all rows again.
    """

    dependencies = [("tokens", "0014_acts_told_in_one_value")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[check_before("tokens_logintoken", LENGTHS)],
            state_operations=[
                migrations.AlterField("logintoken", name, CheckedText(max_length=length, blank=True))
                for name, length in LENGTHS.items()
            ],
        ),
        migrations.RunPython(make, drop),
    ]
