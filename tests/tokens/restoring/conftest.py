"""Losing what was done since the backup."""

import json
from collections.abc import Callable

import pytest
from django.db import transaction

from accounts import journal
from accounts.models import Event
from tests.tokens.restoring.restored import NOW


@pytest.fixture
def lose(tmp_path) -> Callable[..., str]:
    """Do something that the backup does not know of; the name of the log that tells it."""

    def done_and_lost(*acts: Callable[[], object]) -> str:
        before = transaction.savepoint()
        newest = Event.objects.order_by("pk").last()
        for act in acts:
            act()
        events = Event.objects.filter(pk__gt=newest.pk if newest else 0).order_by("pk")
        lines = [json.dumps({"timestamp": NOW, "event": "audit"} | journal.line_of(one)) for one in events]
        transaction.savepoint_rollback(before)
        log = tmp_path / "server.log"
        log.write_text("\n".join(["not JSON", '{"event": "something else"}', *lines, ""]))
        return str(log)

    return done_and_lost
