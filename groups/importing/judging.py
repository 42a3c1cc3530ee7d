"""The verdict on each row: what it would change, or why it cannot be taken."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from groups.agent_columns import (
    EVERYWHERE,
    Access,
    access_to,
    campaigns_cell,
    clients_cell,
    end_date_cell,
)
from groups.importing.rows import Row, visible
from groups.models import (
    USERNAME_LENGTH,
    Agent,
    AgentEntitlement,
    AgentQuerySet,
    Campaign,
    EntitledCampaign,
    Entitlement,
    Group,
)

ACCESS = frozenset({"clients", "campaigns"})
Note = list[str]  # a change: column, old, new; a fault: column, code, what it is about


class Kind(TextChoices):
    NEW = "new", _("new")
    CHANGE = "change", _("change")
    UNCHANGED = "unchanged", _("unchanged")
    FAULTY = "faulty", _("faulty")


@dataclass(frozen=True)
class Entitled:
    """A client that the group may enter: the entitlement, and the campaigns it can be narrowed to, by number."""

    pk: int
    campaigns: dict[int, int]
    granted: frozenset[int]


@dataclass(frozen=True, slots=True)
class Known:
    """An agent as he is now: what an export would write of him, in the columns that are asked about."""

    pk: int
    subject: str
    status: str
    cells: dict[str, str]
    access: Access


@dataclass(slots=True)
class Verdict:
    """What becomes of a row."""

    row: Row
    kind: str
    notes: list[Note] = field(default_factory=list)
    known: Known | None = None  # None: a new agent
    access: Access | None = None  # where it changes, or the agent is new

    def as_kept(self) -> list[Any]:
        """The verdict as an import keeps it."""
        username = visible(self.row.cells.get("username", ""), longest=USERNAME_LENGTH)
        return [self.row.line, username, self.kind, self.notes]


def entitled_clients(group: Group) -> dict[str, Entitled]:
    """The clients that the group may enter, by subdomain."""
    rows = list(Entitlement.objects.filter(group=group).select_related("client"))
    campaigns: dict[int, dict[int, int]] = {row.client_id: {} for row in rows}
    for pk, client, number in Campaign.objects.filter(client__in=campaigns).values_list(
        "pk", "client", "number"
    ):
        campaigns[client][number] = pk
    listed: dict[int, set[int]] = {}
    entitled = EntitledCampaign.objects.filter(entitlement__group=group)
    for entitlement, number in entitled.values_list("entitlement", "campaign__number"):
        listed.setdefault(entitlement, set()).add(number)
    return {
        row.client.subdomain: Entitled(
            row.pk,
            campaigns[row.client_id],
            frozenset(listed.get(row.pk, campaigns[row.client_id])),
        )
        for row in rows
    }


def judge_rows(
    rows: Sequence[Row], *, group: Group, entitled: dict[str, Entitled], lock: bool = False
) -> list[Verdict]:
    """Give each of some rows its verdict, by how the group's agents are now. At most five hundred or so at once.

    With `lock`, those agents cannot be changed by anybody else until the transaction ends.
    """
    agents = Agent.objects.filter(group=group, username_key__in=[row.key for row in rows if row.key])
    if lock:
        agents = agents.select_for_update(no_key=True).order_by("username_key")  # in one order: no deadlock
    known = _known(agents, columns={column for row in rows for column in row.cells})
    return [judge(row, known.get(row.key), entitled=entitled) for row in rows]


def judge(row: Row, known: Known | None, *, entitled: dict[str, Entitled]) -> Verdict:
    """The verdict on one row about this agent, None for a new one."""
    before = known.cells if known else {}
    # What a file only repeats is not held against it, even where it would not be taken today.
    said = {column for column, cell in row.cells.items() if before.get(column) != cell}
    faults = [
        [column, *fault] for column, fault in row.faults.items() if column in said or column not in row.cells
    ]
    if known is None and not row.cells.get("full_name"):
        faults.append(["full_name", "missing", ""])
    access = None
    if ACCESS & said and not ACCESS & set(row.faults):
        now = known.access if known else EVERYWHERE
        access = _access_wanted(row, now)
        faults += _why_not_access(row, now, entitled)
    if faults:
        return Verdict(row, Kind.FAULTY, sorted(faults), known)
    if known is None:
        return Verdict(row, Kind.NEW, access=access or EVERYWHERE)
    changes = [
        [column, visible(before[column]), visible(cell)]
        for column, cell in _cells_after(row, said, access).items()
        if cell != before[column]
    ]
    kind = Kind.CHANGE if changes else Kind.UNCHANGED
    return Verdict(row, kind, changes, known, access if changes else None)


def _known(agents: AgentQuerySet, *, columns: Collection[str]) -> dict[str, Known]:
    """These agents by their canonical username. Rows of values, for there may be many and often."""
    rows = agents.values_list(
        "pk", "subject", "username_key", "username", "full_name", "email", "status", "ends_at", "all_clients"
    )
    found = list(rows)
    listed = _listed([row[0] for row in found]) if ACCESS & set(columns) else None
    known = {}
    for pk, subject, key, username, full_name, email, status, ends_at, all_clients in found:
        cells = {"username": username, "full_name": full_name, "email": email, "status": status}
        if "end_date" in columns:
            cells["end_date"] = end_date_cell(ends_at)
        access = EVERYWHERE
        if listed is not None:
            access = access_to(listed.get(pk, {}), all_clients=all_clients)
            cells |= _cells_of_access(access)
        known[key] = Known(pk, subject, status, cells, access)
    return known


def _listed(agents: Collection[int]) -> dict[int, dict[str, set[int]]]:
    """The clients that agents are narrowed to, with the numbers of their campaigns, by the agent."""
    listed: dict[int, dict[str, set[int]]] = {}
    rows = AgentEntitlement.objects.filter(agent__in=agents)
    for agent, client, number in rows.values_list(
        "agent", "entitlement__client__subdomain", "campaigns__number"
    ):
        numbers = listed.setdefault(agent, {}).setdefault(client, set())
        if number is not None:
            numbers.add(number)
    return listed


def _cells_after(row: Row, said: Collection[str], access: Access | None) -> dict[str, str]:
    """What an export would write once the row is applied, in the columns that the row is about."""
    cells = {column: row.values[column] for column in ("full_name", "email", "status") if column in said}
    if "end_date" in said:
        cells["end_date"] = end_date_cell(row.values["end_date"])
    return cells | (_cells_of_access(access) if access else {})


def _cells_of_access(access: Access) -> dict[str, str]:
    return {"clients": clients_cell(access), "campaigns": campaigns_cell(access)}


def _access_wanted(row: Row, now: Access) -> Access:
    """What the agent shall be able to enter: what the row does not say stays as it is."""
    campaigns: dict[str, frozenset[int]] = row.values.get("campaigns", now.listed)
    clients: Collection[str] | None = None if now.all_clients else now.listed
    clients = row.values.get("clients", clients)
    if clients is None:
        return Access(True, {client: numbers for client, numbers in campaigns.items() if numbers})
    return Access(False, {client: campaigns.get(client, frozenset()) for client in clients})


def _why_not_access(row: Row, now: Access, entitled: dict[str, Entitled]) -> list[Note]:
    """What is wrong with the clients and campaigns that a row says. What the agent has already, he may keep."""
    faults = []
    clients = row.values.get("clients") or frozenset()
    if unknown := clients - entitled.keys():
        faults.append(["clients", "unknown", visible(", ".join(sorted(unknown)))])
    campaigns: dict[str, frozenset[int]] = row.values.get("campaigns", {})
    if unknown := campaigns.keys() - entitled.keys():
        return [*faults, ["campaigns", "unknown", visible(", ".join(sorted(unknown)))]]
    wanted = _access_wanted(row, now)
    if not wanted.all_clients and (others := campaigns.keys() - wanted.listed.keys()):
        faults.append(["campaigns", "not listed", visible(", ".join(sorted(others)))])
    for client, numbers in sorted(campaigns.items()):
        if foreign := numbers - entitled[client].granted - now.listed.get(client, frozenset()):
            listed = ",".join(map(str, sorted(foreign)))
            faults.append(["campaigns", "foreign", visible(f"{client}:{listed}")])
    return faults
