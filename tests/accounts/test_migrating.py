"""`manage.py migrate`: what a statement may take there, and what it may take afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_migrate

WAITS = ("statement_timeout", "lock_timeout")


def waits() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in WAITS))
        return dict(zip(WAITS, cursor.fetchone(), strict=True))


@pytest.fixture
def meanwhile() -> Iterator[list[dict[str, str]]]:
    """What the connection that migrates waits for, while it migrates."""
    found: list[dict[str, str]] = []

    def look(**_: Any) -> None:
        found.append(waits())

    sender = apps.get_app_config("accounts")
    pre_migrate.connect(look, sender=sender)
    yield found
    pre_migrate.disconnect(look, sender=sender)


@pytest.mark.postgresql
def test_a_migration_may_take_long_and_waits_for_no_lock(db: None, meanwhile: list[dict[str, str]]) -> None:
    call_command("migrate", verbosity=0)
    assert meanwhile == [{"statement_timeout": "0", "lock_timeout": "2s"}]


@pytest.mark.postgresql
def test_after_migrations_a_statement_is_as_limited_as_before(db: None) -> None:
    call_command("migrate", verbosity=0)
    assert waits() == {"statement_timeout": "5s", "lock_timeout": "2s"}
