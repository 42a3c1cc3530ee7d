"""An import in words for people: its columns, what is wrong with a row, what it changes."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups.importing.judging import Kind, Note
from groups.models import AgentImport, ImportState

LABELS = {
    "username": gettext_lazy("Username"),
    "full_name": gettext_lazy("Name"),
    "email": gettext_lazy("E-mail"),
    "status": gettext_lazy("Status"),
    "end_date": gettext_lazy("End date"),
    "clients": gettext_lazy("Clients"),
    "campaigns": gettext_lazy("Campaigns"),
}
FAULTS = {
    ("row", "surplus"): gettext_lazy("The row has more cells than the header has columns: %s."),
    ("row", "twice"): gettext_lazy("This username stands in line %s already."),
    ("username", "missing"): gettext_lazy("username is blank."),
    ("username", "long"): gettext_lazy("username is longer than %s characters."),
    ("username", "unseen"): gettext_lazy("username holds characters that cannot be seen: “%s”."),
    ("full_name", "missing"): gettext_lazy("full_name is blank, which a new agent needs."),
    ("full_name", "long"): gettext_lazy("full_name is longer than %s characters."),
    ("full_name", "unseen"): gettext_lazy("full_name holds characters that cannot be seen: “%s”."),
    ("email", "email"): gettext_lazy("email: “%s” is no e-mail address."),
    ("status", "status"): gettext_lazy("status: “%s” is not active, suspended or disabled."),
    ("end_date", "end_date"): gettext_lazy("end_date: “%s” is no day like 2026-03-31."),
    ("clients", "clients"): gettext_lazy("clients: “%s” is not a list of subdomains, * or -."),
    ("clients", "unknown"): gettext_lazy("clients: the group may not enter “%s”."),
    ("campaigns", "campaigns"): gettext_lazy("campaigns: “%s” is not written like demoaws:1,2."),
    ("campaigns", "unknown"): gettext_lazy("campaigns: the group may not enter “%s”."),
    ("campaigns", "not listed"): gettext_lazy("campaigns: “%s” is not among the agent’s clients."),
    ("campaigns", "foreign"): gettext_lazy("campaigns: “%s” is not a campaign of the group’s there."),
}
# What a row would do, and what it did.
PLANNED = {
    Kind.NEW: gettext_lazy("new"),
    Kind.CHANGE: gettext_lazy("changes"),
    Kind.UNCHANGED: gettext_lazy("unchanged"),
    Kind.FAULTY: gettext_lazy("faulty"),
    "leaving": gettext_lazy("leaves"),
}
DONE = PLANNED | {
    Kind.NEW: gettext_lazy("added"),
    Kind.CHANGE: gettext_lazy("changed"),
    Kind.FAULTY: gettext_lazy("left out"),
    "leaving": gettext_lazy("disabled"),
}
LAMPS = {
    Kind.NEW: "active",
    Kind.CHANGE: "pending",
    Kind.UNCHANGED: "off",
    Kind.FAULTY: "refused",
    "leaving": "disabled",
}
FAILURES = {
    "faulty": gettext_lazy(
        "Nothing was changed: some rows became faulty since you looked. Here is how the file stands now."
    ),
    "leavers": gettext_lazy(
        "Nothing was changed: more agents would be disabled than when you looked. Here is how the file stands now."
    ),
    "broke": gettext_lazy(
        "Something went wrong, and nothing was changed. Please try again; if it happens twice, tell your operator."
    ),
}


def faults_in_words(notes: list[Note]) -> list[str]:
    """What is wrong with a row."""
    told = []
    for column, code, about in notes:
        text = str(FAULTS.get((column, code), code))
        told.append(text % about if "%s" in text else text)
    return told


def changes_in_words(notes: list[Note]) -> list[dict[str, Any]]:
    """What a row changes: label, old and new."""
    return [{"label": LABELS.get(column, column), "old": old, "new": new} for column, old, new in notes]


def verdict_in_words(kind: str, *, applied: bool) -> str:
    """What a row would do, or did."""
    return str((DONE if applied else PLANNED).get(kind, kind))


def failure_in_words(asked: AgentImport) -> str:
    """Why nothing came of the last attempt to check or apply; "" where something did."""
    if asked.failure:
        return str(FAILURES.get(asked.failure, FAILURES["broke"]))
    if asked.was_interrupted() and asked.state == ImportState.APPLYING:
        return _("Applying the file was interrupted, and nothing was changed. You can apply it again.")
    return ""


def facts_of(asked: AgentImport) -> list[dict[str, Any]]:
    """How many rows of each kind there are, as links to them."""
    kinds = [kind.value for kind in Kind] + (["leaving"] if asked.summary.get("leaving") else [])
    labels = {
        "new": (_("New"), _("Added")),
        "change": (_("Changes"), _("Changed")),
        "unchanged": (_("Unchanged"), _("Unchanged")),
        "faulty": (_("Faulty"), _("Left out")),
        "leaving": (_("Leaving"), _("Disabled")),
    }
    done = asked.state == ImportState.APPLIED
    return [
        {"kind": kind, "label": labels[kind][done], "count": asked.summary.get(kind, 0)} for kind in kinds
    ]
