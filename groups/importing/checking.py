"""Checking a file of agents: nothing is changed, each row gets its verdict for the preview."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from groups.importing.judging import Kind, Verdict, entitled_clients, judge_rows
from groups.importing.rows import Row, rows_in, table_in
from groups.importing.working import LostTurn, batches, say_alive, wait_for_turn
from groups.models import (
    Agent,
    AgentImport,
    AgentQuerySet,
    AgentStatus,
    Group,
    ImportKind,
    ImportState,
    ProvisionedBy,
)
from sso_portal.lib.times import zone_of

WITHOUT_QUESTION = 5  # at most one in so many may leave without the number being typed in


def receive(
    content: bytes, *, group: Group, kind: str, file_name: str, with_api: bool = False, by: str
) -> AgentImport:
    """Keep an uploaded file, to be checked by the worker that is named in it. Its dates are in the present time zone.

    `with_api`: in a roster, agents of the SSO API who are missing leave too. Raises UnreadableCSV; Refused while
    another file of the group is at work.
    """
    table, columns = table_in(content)
    with transaction.atomic():
        wait_for_turn(group)
        # Whoever uploads another file has done with his files before that were not applied.
        group.imports.filter(uploaded_by=by).exclude(state=ImportState.APPLIED).delete()
        return AgentImport.objects.create(
            group=group,
            kind=kind,
            file_name=file_name,
            content=content,
            uploaded_by=by,
            rows=len(table.rows),
            options={"time_zone": timezone.get_current_timezone_name(), "with_api": with_api},
            summary={"ignored": columns.ignored},
        )


def check(import_id: int, worker: str) -> None:
    """Give each row of an import its verdict. Raises LostTurn."""
    asked = AgentImport.objects.select_related("group").get(pk=import_id)
    try:
        with timezone.override(zone_of(asked.options.get("time_zone", ""))):
            outcome = _outcome(asked, worker)
    except Exception as error:
        if not isinstance(error, LostTurn):
            finish(import_id, worker, state=ImportState.FAILED, failure="broke")
        raise
    finish(import_id, worker, state=ImportState.CHECKED, failure="", **outcome)


def _outcome(asked: AgentImport, worker: str) -> dict[str, Any]:
    rows = list(rows_in(*table_in(bytes(asked.content))))
    entitled = entitled_clients(asked.group)
    verdicts: list[Verdict] = []
    for some in batches(rows):
        verdicts += judge_rows(some, group=asked.group, entitled=entitled)
        say_alive(asked.pk, worker, rows_done=len(verdicts))
    return outcome_of(asked, verdicts, leavers=leavers_of(asked, rows))


def leavers_of(asked: AgentImport, rows: Iterable[Row]) -> list[Agent]:
    """The group's agents who are missing in a roster; nobody in another file."""
    if asked.kind != ImportKind.ROSTER:
        return []
    there = {row.key for row in rows}
    agents = _may_leave(asked).exclude(status=AgentStatus.DISABLED).order_by("pk")
    return [
        agent for agent in agents.only("subject", "username_key", "status") if agent.username_key not in there
    ]


def outcome_of(
    asked: AgentImport, verdicts: Sequence[Verdict], *, leavers: Collection[Agent]
) -> dict[str, Any]:
    """What an import keeps of these verdicts."""
    counts = Counter(verdict.kind for verdict in verdicts)
    summary = asked.summary | {kind.value: counts[kind] for kind in Kind} | {"leaving": len(leavers)}
    if asked.kind == ImportKind.ROSTER:
        working = _may_leave(asked).working().count()
        summary |= {
            "nameless": sum("username" in verdict.row.faults for verdict in verdicts),
            "stay_disabled": sum(_stays_disabled(verdict) for verdict in verdicts),
            "working": working,
            "ask_number": len(leavers) * WITHOUT_QUESTION > working,
        }
    return {
        "verdicts": [verdict.as_kept() for verdict in verdicts],
        "leavers": [agent.subject for agent in leavers],
        "summary": summary,
    }


def finish(import_id: int, worker: str, **changes: Any) -> None:
    """Write what the work on an import came to. Raises LostTurn."""
    if not AgentImport.objects.filter(pk=import_id, worker=worker).update(**changes):
        raise LostTurn


def _may_leave(asked: AgentImport) -> AgentQuerySet:
    agents = Agent.objects.filter(group=asked.group)
    return agents if asked.options.get("with_api") else agents.exclude(provisioned_by=ProvisionedBy.API)


def _stays_disabled(verdict: Verdict) -> bool:
    is_disabled = verdict.known is not None and verdict.known.status == AgentStatus.DISABLED
    return is_disabled and "status" not in verdict.row.cells
