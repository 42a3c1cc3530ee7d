"""What deploy/ repeats of the settings is what they say."""

import re

import pytest
from django.db import connection

from tests.environment import ROOT


@pytest.mark.postgresql
def test_the_role_gets_what_the_portal_asks_of_a_connection(db: None) -> None:
    sample = (ROOT / "deploy" / "postgresql.sql").read_text()
    given = dict(re.findall(r"ALTER ROLE portal_app SET (\w+) = '(\w+)'", sample))
    asked = re.findall(r"-c (\w+)=", connection.settings_dict["OPTIONS"]["options"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in asked))
        assert dict(zip(asked, cursor.fetchone(), strict=True)) == given
