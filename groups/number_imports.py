"""Imports of dialled numbers: read a CSV file, judge each row, and do what the good ones say, all at once.

A checked file waits in the database until somebody says yes: it may be larger than any form, and what happens then
is what was checked, judged anew against the numbers of that moment.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import models, transaction
from django.db.models import functions
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from groups.dialling import Assignment, locked
from groups.grants import Granted, granted_to
from groups.models import NAME_LENGTH, Campaign, DialledNumber, Group, NumberImport
from sso_portal.lib.csvs import SURPLUS, UnreadableCSV, read
from sso_portal.lib.telephone import NotANumber, e164, readable, without_country
from sso_portal.lib.text import canonical_name, why_not_text
from sso_portal.lib.web import Caller

COLUMNS = ("number", "client", "campaign", "note")
NEEDED = ("number", "client")
MOST_ROWS = 20_000
KEPT = timedelta(days=1)
BATCH = 1000


class Kind(models.TextChoices):
    """What a row of the file would do."""

    NEW = "new", gettext_lazy("new")
    CHANGE = "change", gettext_lazy("change")
    UNCHANGED = "unchanged", gettext_lazy("unchanged")
    FAULTY = "faulty", gettext_lazy("faulty")


class Row(NamedTuple):
    """One row of the file. Of a column that the file has not, there is None: what is so already stays so."""

    line: int
    number: str  # E.164; as it was written where that cannot be dialled
    fault: str  # why the row cannot be meant, whatever the group's numbers are
    client: str
    campaign: str | None
    note: str | None


class Now(NamedTuple):
    """Where a number leads now, as far as rows are compared with it."""

    client_id: int
    client: str
    campaign_id: int | None
    campaign: int | None
    note: str


@dataclass(frozen=True)
class Verdict:
    """What a row would do now."""

    row: Row
    kind: Kind
    fault: str = ""
    assignment: Assignment | None = None  # what is to be so
    before: Now | None = None

    @property
    def number(self) -> str:
        """The number as people write it."""
        return readable(self.row.number)

    @property
    def words(self) -> str:
        """Where the number will lead, and led so far; or what is wrong. (Worded when asked: files are long.)"""
        if self.assignment is None:
            return self.fault
        campaign = self.assignment.campaign
        now = _where(self.assignment.client.name, campaign.number if campaign else None)
        if self.kind != Kind.CHANGE or self.before is None:
            return now
        before = _where(self.before.client, self.before.campaign)
        if now == before:
            return _("%(now)s; another note") % {"now": now}
        return _("%(now)s; so far %(before)s") % {"now": now, "before": before}


def check(group: Group, content: bytes, *, country: str, file_name: str, by: str) -> NumberImport:
    """Read a file and keep it until it is applied or a day is over. Raises UnreadableCSV."""
    rows = list(read_rows(content, country=country))
    with transaction.atomic():
        left = models.Q(uploaded_by=by) | models.Q(created_at__lt=functions.Now() - KEPT)
        group.number_imports.filter(left).delete()
        return group.number_imports.create(file_name=file_name[:200], uploaded_by=by, rows=rows)


def read_rows(content: bytes, *, country: str) -> Iterable[Row]:
    """The rows of a CSV file. `country` is that of the numbers without a country code. Raises UnreadableCSV."""
    table = read(content, most_rows=MOST_ROWS)
    if missing := [name for name in NEEDED if name not in table.header]:
        raise UnreadableCSV(
            _("The column “%s” is missing. The first line must name the columns.") % missing[0]
        )
    if not table.rows:
        raise UnreadableCSV(_("The file has a first line, but no rows below it."))
    first_lines: dict[str, int] = {}
    for line, cells in table.rows:
        row = _row(line, cells, country)
        if not row.fault and (first := first_lines.setdefault(row.number, line)) != line:
            fault = _("This number is on line %(line)s already.") % {"line": first}
            row = row._replace(fault=fault)
        yield row


def _row(line: int, cells: dict[str, str], country: str) -> Row:
    written, fault = cells["number"], ""
    try:
        number = e164(written, country=country)
    except NotANumber as error:
        number, fault = written[:40], str(error)
    if SURPLUS in cells:
        fault = _("This line has more cells than the first line has columns.")
    note = cells.get("note")
    if note is not None and why_not_text(note, longest=NAME_LENGTH):
        fault = fault or _(
            "The note is longer than %(longest)s characters, or holds some that cannot be shown."
        ) % {"longest": NAME_LENGTH}
        note = ""
    campaign = cells.get("campaign")
    return Row(line, number, fault, cells["client"][:NAME_LENGTH], campaign and campaign[:20], note)


def rows_of(number_import: NumberImport) -> list[Row]:
    """The rows that were kept."""
    return [Row(*row) for row in number_import.rows]


def judged(group: Group, rows: Iterable[Row]) -> list[Verdict]:
    """What each row would do now."""
    clients = _Clients(granted_to(group))
    columns = ("client", "client__name", "campaign", "campaign__number", "note")
    now = {number: Now(*told) for number, *told in group.dialled_numbers.values_list("number", *columns)}
    return [_judge(row, clients, now.get(row.number)) for row in rows]


def apply(number_import: NumberImport, *, by: str, caller: Caller) -> Counter[Kind] | None:
    """Do what the good rows say, all of them or, if anything fails, none; how many there were of each kind.

    None when the import has been applied or left by somebody else.
    """
    rows = rows_of(number_import)
    with transaction.atomic():
        group = locked(number_import.group)
        taken, _by_model = NumberImport.objects.filter(pk=number_import.pk).delete()
        if not taken:
            return None
        verdicts = judged(group, rows)
        wanted = [verdict.assignment for verdict in verdicts if verdict.kind in (Kind.NEW, Kind.CHANGE)]
        DialledNumber.objects.bulk_create(
            [_filled(group, assignment, at=timezone.now()) for assignment in wanted if assignment],
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["group", "number"],
            update_fields=["client", "campaign", "note"],
        )
        counted = Counter(verdict.kind for verdict in verdicts)
        audit.record(
            "dialled_numbers.import",
            caller=caller,
            actor=by,
            group=group,
            details={"file": number_import.file_name} | {str(kind): counted[kind] for kind in Kind},
        )
    return counted


def leave(number_import: NumberImport) -> None:
    """Forget a checked file; nothing has happened."""
    NumberImport.objects.filter(pk=number_import.pk).delete()


class _Clients:
    """The clients that rows may name, by subdomain or name, and the campaigns granted of each."""

    def __init__(self, granted: list[Granted]) -> None:
        self.by_name = {canonical_name(one.client.name): one for one in granted}
        self.by_name |= {one.client.subdomain: one for one in granted}
        self.campaigns = {(one.client.pk, str(c.number)): c for one in granted for c in one.campaigns}
        self.campaigns_by_id: dict[int | None, Campaign] = {c.pk: c for c in self.campaigns.values()}


def _judge(row: Row, clients: _Clients, before: Now | None) -> Verdict:
    if row.fault:
        return Verdict(row, Kind.FAULTY, row.fault)
    granted = clients.by_name.get(canonical_name(row.client))
    if granted is None:
        fault = _("The group has no client “%(client)s”.") % {"client": row.client}
        return Verdict(row, Kind.FAULTY, fault if row.client else _("The client is missing."))
    client, campaign = granted.client, None
    if row.campaign:
        campaign = clients.campaigns.get((client.pk, row.campaign.lstrip("0") or "0"))
        if campaign is None:
            said = {"campaign": row.campaign, "client": client.name}
            fault = _("Campaign %(campaign)s of %(client)s is not granted to this group.") % said
            return Verdict(row, Kind.FAULTY, fault)
    elif row.campaign is None and before and before.client_id == client.pk:
        campaign = clients.campaigns_by_id.get(before.campaign_id)
    note = (before.note if before else "") if row.note is None else row.note
    assignment = Assignment(row.number, client, campaign, note)
    if before is None:
        return Verdict(row, Kind.NEW, assignment=assignment)
    wanted = (client.pk, campaign.pk if campaign else None, note)
    is_so = wanted == (before.client_id, before.campaign_id, before.note)
    return Verdict(row, Kind.UNCHANGED if is_so else Kind.CHANGE, assignment=assignment, before=before)


def _where(client: str, campaign: int | None) -> str:
    if campaign is None:
        return client
    return _("%(client)s, campaign %(campaign)s") % {"client": client, "campaign": campaign}


def _filled(group: Group, assignment: Assignment, *, at: datetime) -> DialledNumber:
    # `at` is given, for the database's own clock would be asked for row by row.
    national = without_country(assignment.number)
    return assignment.fill(DialledNumber(group=group, national=national, created_at=at))
