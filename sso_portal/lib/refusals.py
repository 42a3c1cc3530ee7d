"""A refusal: a "no" that the portal chose. Anything else that stops a request is a bug."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop


@dataclass(frozen=True)
class Refusal:
    """A "no" with a public half (`code`, `message`, `status`) and a private one (`detail`, for the audit log)."""

    code: str
    message: str
    status: int
    detail: str = ""
    field: str = ""  # the field of the request that it is about


@dataclass
class Refused(Exception):
    """Raised by acts; worded, and recorded, at the edge only.

    `about` names what the refusal is about, in the words of `accounts.audit.record` (group, client, agent …).
    `recorded` says that the act has already written the audit event, inside its own transaction.
    """

    refusal: Refusal
    about: dict[str, Any] = field(default_factory=dict)
    recorded: bool = False
    retry_after: int | None = None  # seconds

    def __str__(self) -> str:
        return f"{self.refusal.code}: {self.refusal.detail or self.refusal.message}"


NOT_FOUND = Refusal("not_found", gettext_noop("There is nothing at this address."), 404)
TOO_LARGE = Refusal("too_large", gettext_noop("This is larger than anything the portal asks for."), 413)
UNAVAILABLE = Refusal(
    "unavailable",
    gettext_noop("The portal cannot answer right now. Nothing was lost; please try again."),
    503,
)


def problem_of(refusal: Refusal, *, reference: str) -> dict[str, Any]:
    """The refusal as problem details (RFC 9457)."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.code.replace("_", " "),
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.message,
        "request_id": reference,
    }
    return problem | ({"errors": {refusal.field: [refusal.message]}} if refusal.field else {})
