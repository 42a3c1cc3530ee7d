"""Writing the audit log. An event is written in the transaction of what it records; a refusal in one of its own."""

import unicodedata
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from django.db import transaction

from accounts import journal, lockout
from accounts.models import Event, Outcome
from sso_portal.lib.inserting import insert_many
from sso_portal.lib.metrics import count_event
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.text import BIDI
from sso_portal.lib.web import Caller

ANONYMOUS = "anonymous"
UNSTORABLE = ("Cc", "Cs", "Zl", "Zp")


class HasId(Protocol):
    pk: Any


class HasSubdomain(Protocol):
    subdomain: str


class HasSubject(Protocol):
    @property
    def subject(self) -> str: ...


def record(
    action: str,
    *,
    caller: Caller,
    actor: str,
    refused_for: str = "",
    group: HasId | None = None,
    client: HasSubdomain | str | None = None,
    agent: HasSubject | None = None,
    about: str = "",
    details: dict[str, Any] | None = None,
) -> Event:
    """Add one event. `action` is the act, `<object>.<verb>`, done or refused; `refused_for` the refusal's reason word.

    `about` names another object (a key by its prefix, a session by its sid). `details` holds no secrets: tokens by the
    first twelve hex digits of their digest, telephone numbers by their last four digits.
    """
    event = Event.objects.create(
        reference=caller.reference,
        door=caller.door,
        actor=storable(actor)[:254],
        action=action,
        outcome=Outcome.REFUSED if refused_for else Outcome.OK,
        reason=refused_for,
        group_id=group.pk if group else None,
        client=storable(client if isinstance(client, str) else client.subdomain)[:63] if client else "",
        agent=agent.subject if agent else "",
        object=storable(about)[:128],
        address=caller.address_text,
        agent_header=storable(caller.agent_header),
        details=storable_details(details or {}),
    )
    journal.note(event)
    count(action, reason=refused_for, door=caller.door)
    return event


def record_many(
    action: str,
    *,
    caller: Caller,
    actor: str,
    group: HasId,
    agents: Iterable[HasSubject],
    details: dict[str, Any] | None = None,
) -> None:
    """Add one event for each of these agents: one act that was done to many."""
    common = {
        "reference": caller.reference,
        "door": caller.door,
        "actor": storable(actor)[:254],
        "action": action,
        "outcome": Outcome.OK,
        "group_id": group.pk,
        "address": caller.address_text,
        "agent_header": storable(caller.agent_header),
        "details": storable_details(details or {}),
    }
    subjects = [agent.subject for agent in agents]
    insert_many(Event, common=common, own=["agent"], rows=([subject] for subject in subjects))
    journal.note(*(Event(agent=subject, **common) for subject in subjects))
    count(action, door=caller.door, times=len(subjects))


def count(action: str, *, reason: str = "", door: str, times: int = 1) -> None:
    """Count events, once they are committed."""
    outcome = Outcome.REFUSED if reason else Outcome.OK
    what = partial(count_event, action=action, outcome=outcome.value, reason=reason)
    transaction.on_commit(partial(what, door=door, times=times))


def record_refusal(refused: Refused, *, caller: Caller) -> None:
    """Add the event of a refusal that was not recorded by the act that refused. Called at the edge, and only there."""
    if refused.recorded:
        return
    about = {"action": "request", "actor": ANONYMOUS} | refused.about
    if not _may_record(refused, about, caller=caller):
        count(about["action"], reason=refused.refusal.code, door=caller.door)
        return
    details = {"status": refused.refusal.status} | about.pop("details", {})
    if refused.refusal.detail:
        details["detail"] = refused.refusal.detail
    record(about.pop("action"), caller=caller, refused_for=refused.refusal.code, details=details, **about)
    refused.recorded = True


def _may_record(refused: Refused, about: dict[str, Any], *, caller: Caller) -> bool:
    """Whether one more refusal is written down: the log is not for strangers to fill, nor for who comes too often.

    What a limit refuses has no limit of its own.
    """
    agent = about.get("agent")
    if about["actor"] == ANONYMOUS and not agent:
        return lockout.may_go_on(limit="recorded refusals", who=caller.address_text)
    if refused.refusal.status != 429:
        return True
    who = f"{about['action']} {agent.subject if agent else about['actor']}"
    return lockout.may_go_on(limit="recorded throttles", who=digest_of(who))


def storable(text: str) -> str:
    """The text without characters that a database refuses, or that would forge a line of a log or turn it round."""
    if text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in UNSTORABLE or c in BIDI else c for c in text
    )


def storable_details(details: Any) -> Any:
    """The details with every text in them storable, however deep it lies."""
    if isinstance(details, str):
        return storable(details)
    if isinstance(details, dict):
        return {name: storable_details(value) for name, value in details.items()}
    if isinstance(details, (list, tuple)):
        return [storable_details(value) for value in details]
    return details
