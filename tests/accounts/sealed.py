"""What the tests of the sealed audit log share: events of other days, and an attacker who owns the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts import triggers
from accounts.models import Event
from accounts.proving import prove
from accounts.sealing import last_link, seal
from tests import factories


def days_ago(days: int, **later: float) -> datetime:
    """A moment of that day (UTC), so much after its midnight."""
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days) + timedelta(**later)


def written(*moments: datetime, **fields: Any) -> list[Event]:
    """Events of these moments."""
    return [factories.EventFactory(at=at, **fields) for at in moments]


def seal_until(end: datetime) -> None:
    """Seal until then, and not the hundreds of days from there to now: each would be a seal."""
    seal(is_stopping=lambda: (until := last_link().until) is not None and until >= end)


@contextmanager
def without_triggers() -> Iterator[Any]:
    """Somebody who may do everything in the database takes the triggers away, and puts them back afterwards."""
    with connection.cursor() as cursor:
        for statement in triggers.REMOVE[connection.vendor]:
            cursor.execute(statement)
        yield cursor
        for statement in triggers.INSTALL[connection.vendor]:
            cursor.execute(statement)


@contextmanager
def without_check(table: str, constraint: str) -> Iterator[None]:
    """Nor is this constraint there."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        yield
        if connection.vendor != "postgresql":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def faults(**given: Any) -> list[str]:
    """What is found to be wrong."""
    return [fault.text for fault in prove(**given).faults]
