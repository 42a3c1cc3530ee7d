"""The journal: whatever changes who may come in is written to the server's log too, so that it outlives the database.

`manage.py restored` reads it, after a backup was restored that knows nothing of the last changes.
"""

from functools import partial
from typing import Any

import structlog
from django.db import transaction

from accounts.models import Event, Outcome

MARK = "audit"  # the `event` of these lines
FIELDS = ("reference", "actor", "action", "group_id", "client", "agent", "object", "details")
# What happens all day and changes nothing that a backup could bring back.
BUSY_KINDS = ("login.", "login_tokens.", "logout.", "person.", "console.")
BUSY = {
    *(
        "request",
        "api",
        "key.remind",
        "bus.connect",
        "bus.issue_code",
        "bus.redeem_code",
        "bus.register",
        "bus.me",
    ),
    *("agent.sign_in", "agent.sign_out", "agent.second_factor"),
    *("administrator.sign_in", "administrator.sign_out", "administrator.second_factor"),
}


def note(*events: Event) -> None:
    """Write these events to the log once they are committed, as far as they are changes."""
    changes = [one for one in events if one.outcome == Outcome.OK and not is_busy(one.action)]
    if changes:
        transaction.on_commit(partial(_write, changes))


def is_busy(action: str) -> bool:
    """Whether this happens all day, and no line tells it."""
    return action in BUSY or action.startswith(BUSY_KINDS)


def _write(changes: list[Event]) -> None:
    log = structlog.get_logger(__name__)
    for event in changes:
        log.info(MARK, **line_of(event))


def line_of(event: Event) -> dict[str, Any]:
    """What the journal says of an event. (When: the log's own time.)"""
    return {name: getattr(event, name) for name in FIELDS}
