"""Rows of agents that software sends, judged and written while it waits: as a file is, but for the preview."""

import time
from collections.abc import Sequence

from django.db import IntegrityError, OperationalError, transaction

from accounts import audit
from groups.importing.applying import Pen, judge_to_write, write_some
from groups.importing.judging import Kind, Verdict, entitled_clients
from groups.importing.rows import Row
from groups.importing.working import batches
from groups.models import Group, ProvisionedBy
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

MOST_ROWS = 1000
TRIES = 5


class Faulty(Exception):
    """Some rows cannot be taken, so nothing was written; with the verdict on each row."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__("faulty rows")
        self.verdicts = verdicts


def write_at_once(
    rows: Sequence[Row], *, group: Group, only_good: bool, by: str, caller: Caller
) -> list[Verdict]:
    """Do what some rows say in one transaction, and tell what became of each.

    Raises Faulty where a row cannot be taken; with `only_good`, those are left out instead. Raises Refused with
    `changed_meanwhile` where others go on making agents of the same names.
    """
    pen = Pen(group, by, caller, {}, ProvisionedBy.ADMINISTRATOR.value)
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return _write(rows, pen, only_good=only_good)
        except (IntegrityError, OperationalError) as error:
            if not left and isinstance(error, OperationalError):
                raise
        time.sleep(0.1)
    raise Refused(
        Refusal("changed_meanwhile", "Somebody made the same agents at the same time. Send it again.", 409)
    )


def _write(rows: Sequence[Row], pen: Pen, *, only_good: bool) -> list[Verdict]:
    entitled = entitled_clients(pen.group)
    verdicts = [verdict for some in batches(rows) for verdict in judge_to_write(some, entitled, pen.group)]
    if not only_good and any(verdict.kind == Kind.FAULTY for verdict in verdicts):
        raise Faulty(verdicts)
    for some in batches(verdicts):
        write_some(some, entitled, pen)
    done = {kind.value: sum(verdict.kind == kind for verdict in verdicts) for kind in Kind}
    audit.record("agent.import", caller=pen.caller, actor=pen.by, group=pen.group, details=done)
    return verdicts
