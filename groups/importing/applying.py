"""Applying a checked file of agents: one transaction, in which each row is judged again and written."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit
from groups.agent_columns import EVERYWHERE, Access
from groups.importing.checking import finish, leavers_of, outcome_of
from groups.importing.judging import Entitled, Kind, Known, Verdict, entitled_clients, judge_rows
from groups.importing.rows import Row, rows_in, table_in
from groups.importing.working import LostTurn, batches, say_alive
from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    AgentImport,
    AgentSession,
    AgentStatus,
    EndReason,
    Group,
    ImportState,
    ProvisionedBy,
    new_subject,
)
from groups.standing import ACTS
from sso_portal.lib.inserting import insert_many
from sso_portal.lib.refusals import Refusal
from sso_portal.lib.times import zone_of
from sso_portal.lib.web import Caller

TRIES = 5
MANY = 2000  # rows of one INSERT
ACTIVE = AgentStatus.ACTIVE.value
DEFAULTS = {"full_name": "", "email": "", "status": ACTIVE, "end_date": None}
FIELDS = {"full_name": "full_name", "email": "email", "status": "status", "end_date": "ends_at"}
KEPT = ["id", "subject", "username_key", "username", *FIELDS.values(), "all_clients"]


NOT_READY = Refusal(
    "import_not_ready", gettext_noop("This file is being worked on, or was applied already."), 409
)
NOT_KEPT = Refusal(
    "import_not_kept", gettext_noop("The file is no longer kept. Please upload it again."), 409
)
HAS_FAULTS = Refusal(
    "import_has_faults", gettext_noop("The file has faulty rows. Only its good rows can be applied."), 409
)
NAMES_NOBODY = Refusal(
    "roster_names_nobody",
    gettext_noop(
        "Some rows of the roster name nobody, so nobody can be said to be missing. Please mend them first."
    ),
    409,
)
NOTHING_TO_DO = Refusal("import_changes_nothing", gettext_noop("The file changes nothing."), 409)
WRONG_NUMBER = Refusal(
    "wrong_number",
    gettext_noop("This is not the number of agents who would be disabled."),
    400,
    field="number",
)


@dataclass(frozen=True, slots=True)
class Named:
    """An agent, to events."""

    subject: str


@dataclass(frozen=True)
class Pen:
    """Who writes, to which group's agents, and what their events say."""

    group: Group
    by: str
    caller: Caller
    details: dict[str, Any]
    provisioned_by: str = ProvisionedBy.IMPORT.value

    def record(self, action: str, agents: Sequence[Agent | Known | Named], **details: Any) -> None:
        """Add one event for each of these agents."""
        told = self.details | details
        audit.record_many(
            action, caller=self.caller, actor=self.by, group=self.group, agents=agents, details=told
        )


class NotAsSeen(Exception):
    """What applying would do is no longer what was agreed to. Says why in one word, and what it would do now."""

    def __init__(self, why: str, outcome: dict[str, Any]) -> None:
        super().__init__(why)
        self.why, self.outcome = why, outcome


def why_not_apply(asked: AgentImport, *, only_good: bool, number: str = "") -> Refusal | None:
    """Why a checked import is not applied like this; None where it is. `number` is what was typed in, for a roster.

    Needs nothing but the summary, and `is_kept`.
    """
    summary = asked.summary
    if asked.state not in (ImportState.CHECKED, ImportState.APPLYING):
        return NOT_READY
    if not is_kept(asked):
        return NOT_KEPT
    if not any(summary[name] for name in (Kind.NEW, Kind.CHANGE, "leaving")):
        return NOTHING_TO_DO
    if summary.get("nameless"):
        return NAMES_NOBODY
    if summary[Kind.FAULTY] and not only_good:
        return HAS_FAULTS
    if summary.get("ask_number") and "".join(c for c in number if c not in " .,") != str(summary["leaving"]):
        return WRONG_NUMBER
    return None


def is_kept(asked: AgentImport) -> bool:
    """Whether the file is still there to be applied."""
    return AgentImport.objects.filter(pk=asked.pk).exclude(content=b"").exists()


def apply(import_id: int, worker: str, *, only_good: bool, by: str, caller: Caller) -> None:
    """Do what a checked import says, wholly or not at all; with `only_good`, faulty rows are left out.

    Where that is no longer what the preview showed, nothing is done, and the preview is brought up to date.
    Raises LostTurn.
    """
    asked = AgentImport.objects.select_related("group").get(pk=import_id)
    try:
        with timezone.override(zone_of(asked.options.get("time_zone", ""))):
            rows = _prepared(asked, worker)
            pen = Pen(asked.group, by, caller, {"import": asked.pk})
            _write_in_turn(asked, worker, rows, only_good=only_good, pen=pen)
    except NotAsSeen as refused:
        finish(import_id, worker, state=ImportState.CHECKED, failure=refused.why, **refused.outcome)
    except Exception as error:
        if not isinstance(error, LostTurn):
            finish(import_id, worker, state=ImportState.CHECKED, failure="broke")
        raise


def _prepared(asked: AgentImport, worker: str) -> list[Row]:
    rows: list[Row] = []
    for some in batches(rows_in(*table_in(bytes(asked.content)))):
        rows += some
        say_alive(asked.pk, worker, rows_done=len(rows))
    return rows


def _write_in_turn(asked: AgentImport, worker: str, rows: list[Row], *, only_good: bool, pen: Pen) -> None:
    """Write once nobody else is in the way: a row that is locked, an agent of the same name made just now."""
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                _write(asked, worker, rows, only_good=only_good, pen=pen)
            return
        except (IntegrityError, OperationalError):
            if not left:
                raise
            time.sleep(1)
            say_alive(asked.pk, worker, rows_done=len(rows))


def _write(asked: AgentImport, worker: str, rows: list[Row], *, only_good: bool, pen: Pen) -> None:
    # While the row is locked, nobody can claim the import, however long the writing takes.
    mine = AgentImport.objects.select_for_update().filter(
        pk=asked.pk, worker=worker, state=ImportState.APPLYING
    )
    if not list(mine.values_list("pk")):
        raise LostTurn
    entitled = entitled_clients(pen.group)
    verdicts: list[Verdict] = []
    for some in batches(rows):
        verdicts += judge_to_write(some, entitled, pen.group)
        if only_good or not any(verdict.kind == Kind.FAULTY for verdict in verdicts):
            write_some(verdicts[-len(some) :], entitled, pen)
    leavers = leavers_of(asked, rows)
    outcome = outcome_of(asked, verdicts, leavers=leavers)
    if outcome["summary"]["faulty"] and not only_good:
        raise NotAsSeen("faulty", outcome)
    if not set(outcome["leavers"]) <= set(asked.leavers):
        raise NotAsSeen("leavers", outcome)
    for gone in batches(leavers):
        Agent.objects.filter(pk__in=[agent.pk for agent in gone]).update(status=AgentStatus.DISABLED)
        _stop([agent.pk for agent in gone])
        pen.record(ACTS[AgentStatus.DISABLED], gone)
    done = {name: outcome["summary"][name] for name in (*Kind.values, "leaving")}
    audit.record("agent.import", caller=pen.caller, actor=pen.by, group=pen.group, details=pen.details | done)
    applied = {"content": b"", "applied_at": timezone.now(), "state": ImportState.APPLIED, "failure": ""}
    finish(asked.pk, worker, **outcome, **applied)


def judge_to_write(rows: Sequence[Row], entitled: dict[str, Entitled], group: Group) -> list[Verdict]:
    """Verdicts that hold: agents that will change are locked, and judged once more as they are then."""
    verdicts = judge_rows(rows, group=group, entitled=entitled)
    changing = [verdict.row for verdict in verdicts if verdict.kind == Kind.CHANGE]
    again = judge_rows(changing, group=group, entitled=entitled, lock=True) if changing else []
    by_line = {verdict.row.line: verdict for verdict in again}
    return [by_line.get(verdict.row.line, verdict) for verdict in verdicts]


def write_some(verdicts: Sequence[Verdict], entitled: dict[str, Entitled], pen: Pen) -> None:
    """Do what some rows say."""
    if new := [verdict for verdict in verdicts if verdict.kind == Kind.NEW]:
        _create(new, entitled, pen)
    changed = [verdict for verdict in verdicts if verdict.kind == Kind.CHANGE]
    if by_agent := {verdict.known.pk: verdict for verdict in changed if verdict.known}:
        _change(by_agent, entitled, pen)


def _create(verdicts: Sequence[Verdict], entitled: dict[str, Entitled], pen: Pen) -> None:
    by_subject = {new_subject(): verdict for verdict in verdicts}
    insert_many(
        Agent,
        common={"group_id": pen.group.pk, "provisioned_by": pen.provisioned_by},
        own=KEPT[1:],
        rows=(_values(subject, verdict) for subject, verdict in by_subject.items()),
    )
    narrowed = [subject for subject, verdict in by_subject.items() if verdict.access != EVERYWHERE]
    agents = Agent.objects.filter(subject__in=narrowed).values_list("pk", "subject")
    _list_clients({pk: by_subject[subject].access for pk, subject in agents}, entitled)
    pen.record("agent.create", [Named(subject) for subject in by_subject])


def _values(subject: str, verdict: Verdict) -> list[Any]:
    said = verdict.row.values
    row = [subject, verdict.row.key, said["username"]]
    row += [said.get(column, DEFAULTS[column]) for column in FIELDS]
    return [*row, verdict.access is None or verdict.access.all_clients]


def _change(verdicts: dict[int, Verdict], entitled: dict[str, Entitled], pen: Pen) -> None:
    rows = [
        dict(zip(KEPT, row, strict=True)) for row in Agent.objects.filter(pk__in=verdicts).values_list(*KEPT)
    ]
    # Before an end that has come is put off, or what they were given before it would be worth something again.
    now = timezone.now()
    _stop([row["id"] for row in rows if row["ends_at"] and row["ends_at"] <= now])
    for row in rows:
        verdict = verdicts[row["id"]]
        said = [column for column, _, _ in verdict.notes if column in FIELDS]
        row |= {FIELDS[column]: verdict.row.values[column] for column in said}
        row |= {"all_clients": verdict.access.all_clients} if verdict.access else {}
    insert_many(  # all of them are there: one statement that changes each row its own way
        Agent,
        common={"group_id": pen.group.pk},
        own=KEPT,
        rows=([row[name] for name in KEPT] for row in rows),
        or_update=[*FIELDS.values(), "all_clients"],
    )
    narrowed = {pk: verdict.access for pk, verdict in verdicts.items() if verdict.access}
    AgentCampaign.objects.filter(narrowing__agent__in=narrowed).delete()
    AgentEntitlement.objects.filter(agent__in=narrowed).delete()
    _list_clients(narrowed, entitled)
    _stop(
        [row["id"] for row in rows if row["status"] != ACTIVE or (row["ends_at"] and row["ends_at"] <= now)]
    )
    _record_changes(verdicts.values(), pen)


def _list_clients(narrowed: Mapping[int, Access | None], entitled: dict[str, Entitled]) -> None:
    """Write the clients that agents are narrowed to, by the agents' keys; there are none of theirs yet."""
    listed = [
        (AgentEntitlement(agent_id=pk, entitlement_id=entitled[client].pk), entitled[client], numbers)
        for pk, access in narrowed.items()
        if access
        for client, numbers in access.listed.items()
    ]
    AgentEntitlement.objects.bulk_create([narrowing for narrowing, _, _ in listed], batch_size=MANY)
    AgentCampaign.objects.bulk_create(
        [
            AgentCampaign(narrowing=narrowing, campaign_id=client.campaigns[number])
            for narrowing, client, numbers in listed
            for number in sorted(numbers)
        ],
        batch_size=MANY,
    )


def _stop(agents: Sequence[int]) -> None:
    """End the sessions of agents whom the doors let in no more."""
    AgentSession.objects.filter(agent__in=agents).end(EndReason.STOPPED)


def _record_changes(verdicts: Iterable[Verdict], pen: Pen) -> None:
    """One event for an agent's new standing, one for whatever else changed."""
    by_fields: dict[tuple[str, ...], list[Known]] = defaultdict(list)
    by_status: dict[str, list[Known]] = defaultdict(list)
    for verdict in verdicts:
        columns = [note[0] for note in verdict.notes]
        if verdict.known and "status" in columns:
            by_status[verdict.row.values["status"]].append(verdict.known)
        if verdict.known and columns != ["status"]:
            by_fields[tuple(column for column in columns if column != "status")].append(verdict.known)
    for status, agents in by_status.items():
        pen.record(ACTS[AgentStatus(status)], agents)
    for fields, agents in by_fields.items():
        pen.record("agent.update", agents, changed=list(fields))
