"""Writing the audit log. An event is written in the transaction of what it records; a refusal in one of its own."""

from typing import Any, Protocol

from accounts.models import Event, Outcome
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import Caller


class HasId(Protocol):
    pk: Any


class HasSubdomain(Protocol):
    subdomain: str


class HasSubject(Protocol):
    subject: str


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
    return Event.objects.create(
        reference=caller.reference,
        door=caller.door,
        actor=actor[:254],
        action=action,
        outcome=Outcome.REFUSED if refused_for else Outcome.OK,
        reason=refused_for,
        group_id=group.pk if group else None,
        client=(client if isinstance(client, str) else client.subdomain)[:63] if client else "",
        agent=agent.subject if agent else "",
        object=about[:128],
        address=caller.address_text,
        agent_header=caller.agent_header,
        details=details or {},
    )


def record_refusal(refused: Refused, *, caller: Caller) -> None:
    """Add the event of a refusal that was not recorded by the act that refused. Called at the edge, and only there."""
    if refused.recorded:
        return
    about = {"action": "request", "actor": "anonymous"} | refused.about
    details = {"status": refused.refusal.status} | about.pop("details", {})
    if refused.refusal.detail:
        details["detail"] = refused.refusal.detail
    record(about.pop("action"), caller=caller, refused_for=refused.refusal.code, details=details, **about)
    refused.recorded = True
