"""`/api/v1/agents/bulk`: up to a thousand agents made or changed at once, with a verdict on each."""

from collections.abc import Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from groups.agent_columns import campaigns_cell, clients_cell, end_date_cell
from groups.importing.at_once import MOST_ROWS, Faulty, write_at_once
from groups.importing.judging import Kind, Verdict
from groups.importing.rows import ROW, Row
from groups.models import NAME_LENGTH, Agent, AgentStatus, Group
from sso_portal.lib.refusals import Refusal
from sso_portal.lib.text import canonical_name
from tokens.dialects.base import json_body
from tokens.dialects.native.door import BearerDoor
from tokens.dialects.native.fields import Fields, Problem
from tokens.models import Scope

FAULTY_ROWS = Refusal("faulty_rows", "Some rows cannot be taken, so nothing was changed. See rows.", 400)
VERDICTS = {Kind.NEW: "created", Kind.CHANGE: "changed", Kind.UNCHANGED: "unchanged", Kind.FAULTY: "faulty"}
# What is wrong with a row beside its fields' shape: the field, and why.
FAULTS = {
    ("full_name", "missing"): ("full_name", "full_name is required for a new agent."),
    ("clients", "unknown"): ("clients", "clients names what the group may not enter: {}."),
    ("campaigns", "unknown"): ("clients", "clients names what the group may not enter: {}."),
    ("campaigns", "foreign"): ("clients", "clients names campaigns that are not the group's: {}."),
}


class BulkOfAgents(BearerDoor):
    """`POST /api/v1/agents/bulk`: each row makes the agent of its username, or changes what it says of him."""

    scopes = {"POST": Scope.AGENTS_WRITE}
    actions = {"POST": "agent.import"}

    def post(self, request: Request) -> Response:
        fields = Fields(json_body(request))
        only_good = fields.boolean("only_good", default=False)
        given = fields.told.get("agents")
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_ROWS:
            fields.refuse("agents", f"must be a list of 1 to {MOST_ROWS} objects.")
        elif not all(isinstance(row, dict) for row in given):
            fields.refuse("agents", "must hold objects only.")
        fields.check()
        rows, errors = _rows_in(fields.told["agents"])
        try:
            verdicts = write_at_once(rows, group=self.group, only_good=only_good, **self.how)
        except Faulty as faulty:
            raise Problem(FAULTY_ROWS, **_told(faulty.verdicts, errors, self.group)) from faulty
        return Response(_told(verdicts, errors, self.group))


def _rows_in(given: Sequence[dict[str, Any]]) -> tuple[list[Row], dict[int, dict[str, list[str]]]]:
    """The rows as an import knows them, and what is wrong with the fields of some, by the row's number."""
    rows, errors, first = [], {}, dict[str, int]()
    for number, told in enumerate(given):
        fields = Fields(told)
        row = _row_of(number, fields)
        if row.key in first:
            fields.refuse("username", f"is that of row {first[row.key]} already.")
        elif row.key:
            first[row.key] = number
        if fields.errors:
            errors[number] = fields.errors
            row.faults[ROW] = ("unreadable", "")
        rows.append(row)
    return rows, errors


def _row_of(number: int, fields: Fields) -> Row:
    username = fields.username("username")
    row = Row(number, canonical_name(username), {"username": username}, {"username": username})
    if "full_name" in fields:
        _say(row, "full_name", fields.text("full_name", longest=NAME_LENGTH, required=True))
    if "email" in fields:
        _say(row, "email", fields.email("email"))
    if "status" in fields:
        _say(row, "status", fields.one_of("status", AgentStatus.values))
    if "ends_at" in fields:
        end = fields.end("ends_at")
        row.cells["end_date"], row.values["end_date"] = end_date_cell(end), end
    access = fields.access()
    if access is not None:
        row.cells |= {"clients": clients_cell(access), "campaigns": campaigns_cell(access)}
        row.values["clients"] = None if access.all_clients else frozenset(access.listed)
        row.values["campaigns"] = {name: numbers for name, numbers in access.listed.items() if numbers}
    return row


def _say(row: Row, column: str, value: str) -> None:
    row.cells[column] = row.values[column] = value


def _told(
    verdicts: Sequence[Verdict], errors: dict[int, dict[str, list[str]]], group: Group
) -> dict[str, Any]:
    """The verdicts, one a row, and how many there are of each."""
    keys = [verdict.row.key for verdict in verdicts]
    agents = Agent.objects.filter(group=group, username_key__in=keys)
    subjects = dict(agents.values_list("username_key", "subject"))
    rows = [
        {
            "row": verdict.row.line,
            "username": verdict.row.cells["username"] or None,
            "verdict": VERDICTS[Kind(verdict.kind)],
            "subject": subjects.get(verdict.row.key),
            "errors": errors.get(verdict.row.line) or _faults(verdict),
        }
        for verdict in verdicts
    ]
    counted = {word: sum(row["verdict"] == word for row in rows) for word in VERDICTS.values()}
    return {"summary": counted, "rows": rows}


def _faults(verdict: Verdict) -> dict[str, list[str]]:
    if verdict.kind != Kind.FAULTY:
        return {}
    errors: dict[str, list[str]] = {}
    for column, code, about in verdict.notes:
        field, why = FAULTS.get((column, code), (column, "{}"))
        errors.setdefault(field, []).append(why.format(about))
    return errors
