"""Reading what changed after a backup: the lines of a server log, or events that were exported as JSON lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from accounts.models import Outcome

# Of changes that undo one another and are about the same, the last one counts.
STATES = {
    **dict.fromkeys(("agent.enable", "agent.suspend", "agent.disable"), "agent"),
    **dict.fromkeys(("group.stop", "group.resume", "group:is_active"), "group"),
    **dict.fromkeys(("client.stop", "client.resume", "client:is_active"), "client"),
    **dict.fromkeys(("entitlement.add", "entitlement.remove", "entitlement.delete"), "entitlement"),
}


@dataclass(frozen=True)
class Change:
    """One event after the backup."""

    at: datetime
    action: str
    actor: str
    group_id: int | None
    client: str
    agent: str
    about: str  # the event's object
    details: dict[str, Any]
    reference: str = ""

    @property
    def event(self) -> tuple[object, ...]:
        """Which event it is: by this it is found again in the database."""
        return (self.reference, self.action, self.group_id, self.agent, self.about)

    def __str__(self) -> str:
        of = [f"group {self.group_id}" if self.group_id else "", self.client, self.agent, self.about]
        what = str(self.details.get("what", ""))
        about = ", ".join(part for part in (*of, what) if part)
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}: {about} (by {self.actor})"

    @property
    def state(self) -> tuple[object, ...]:
        """What this is the last word on, unless something later is; () for what nothing undoes."""
        if self.action in STATES:
            return (STATES[self.action], self.group_id, self.client, self.agent)
        return (self.action, self.about) if "to" in self.details else ()


def read_changes(lines: Iterable[str]) -> list[Change]:
    """What these lines tell of. Other lines are passed over."""
    return [change for line in lines if (change := _change_in(line)) is not None]


def in_plain_words(change: Change) -> Iterator[Change]:
    """The change itself; of one in the back office, also what was switched, and what became of rows of its lists."""
    message = change.details.get("changed")
    for part in message if isinstance(message, list) else []:
        changed, gone = part.get("changed", {}), part.get("deleted")
        row = change
        if "name" in changed:  # of a list
            details = {"what": str(changed.get("object", ""))}
            about = str(changed.get("row", change.about))
            row = replace(change, action=f"{_kind_of(changed)}.change", about=about, details=details)
            yield row
        model = row.action.partition(".")[0]
        for name, value in changed.get("to", {}).items():
            yield replace(row, action=f"{model}:{name}", details=row.details | {"to": value})
        if "password" in changed.get("fields", []):
            yield replace(row, action=f"{model}:password")
        if gone:
            details = {"what": str(gone.get("object", ""))}
            yield replace(change, action=f"{_kind_of(gone)}.delete", details=details)
    yield change


def _kind_of(part: dict[str, Any]) -> str:
    return str(part.get("name", "row")).replace(" ", "")


def _change_in(line: str) -> Change | None:
    try:
        told = json.loads(line)
        at = parse_datetime(told.get("at") or told["timestamp"])
        if told.get("outcome", Outcome.OK) != Outcome.OK or at is None or is_naive(at):
            return None
        return Change(
            at=at,
            action=str(told["action"]),
            actor=str(told.get("actor", "")),
            group_id=told.get("group_id"),
            client=str(told.get("client", "")),
            agent=str(told.get("agent", "")),
            about=str(told.get("object", "")),
            details=told["details"] if isinstance(told.get("details"), dict) else {},
            reference=str(told.get("reference", "")),
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
