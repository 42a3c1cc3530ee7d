"""Who may enter which client: the one rule, asked when a login is issued and again when it is redeemed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, JSONObject
from django.utils.translation import gettext_noop

from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    AgentStatus,
    Campaign,
    Client,
    Department,
    EntitledCampaign,
    EntitledDepartment,
    Entitlement,
)
from sso_portal.lib.refusals import Refusal
from sso_portal.lib.sql import Joined

ALL = "all"


class Grant(NamedTuple):
    """As which departments and for which campaigns somebody may enter, by the client's own numbers."""

    departments: frozenset[int]
    campaigns: frozenset[int]
    has_every_campaign: bool

    def campaigns_of(self, asked: Collection[int] | None) -> list[int] | str:
        """The campaigns to tell the client: those asked for, else all that are granted."""
        if asked is not None:
            return sorted(asked)
        return ALL if self.has_every_campaign else sorted(self.campaigns)

    def departments_of(self, asked: Collection[int] | None) -> list[int]:
        """The departments to tell the client: those asked for, else all that are granted."""
        return sorted(self.departments if asked is None else asked)


@dataclass(frozen=True)
class Entry:
    """An agent before a client's door, with every row that decides. `grant` is loaded where it is asked about."""

    agent: Agent
    entitlement: Entitlement | None
    is_listed: bool
    asked: str  # the client's subdomain, as it was asked for
    grant: Grant | None = None

    @property
    def client(self) -> Client | None:
        return self.entitlement.client if self.entitlement else None


def why_not_work(agent: Agent) -> Refusal | None:
    """Why this agent, or his whole group, is let in nowhere now; None: he is, where he may enter."""
    if agent.status != AgentStatus.ACTIVE or agent.has_ended():
        detail = agent.status if agent.status != AgentStatus.ACTIVE else "ended"
        return Refusal("agent_disabled", gettext_noop("This agent's access has been stopped."), 403, detail)
    if not agent.group.is_active:
        return Refusal("group_inactive", gettext_noop("This group's access has been stopped."), 403)
    return None


def why_not_enter(
    entry: Entry, *, departments: Collection[int] | None = None, campaigns: Collection[int] | None = None
) -> Refusal | None:
    """Why this agent may not enter this client, now, as these departments and for these campaigns; None: he may.

    A lock-out is not asked about: it stops signing in, or five anonymous guesses would stop a working agent.
    """
    agent, entitlement = entry.agent, entry.entitlement
    if refusal := why_not_work(agent):
        return refusal
    if entitlement is None or not entitlement.client.is_active:
        detail = "no entitlement" if entitlement is None else "client inactive"
        return Refusal(
            "client_unavailable", gettext_noop("Your group has no access to this client."), 403, detail
        )
    if not (agent.all_clients or entry.is_listed):
        return Refusal(
            "client_unavailable",
            gettext_noop("You have no access to this client."),
            403,
            "not among the agent's clients",
        )
    if entitlement.client.is_paused:
        return Refusal(
            "client_unavailable", gettext_noop("This client has paused all sign-ins for now."), 403, "paused"
        )
    return _why_not_granted(entry.grant, departments, campaigns)


def _why_not_granted(
    grant: Grant | None, departments: Collection[int] | None, campaigns: Collection[int] | None
) -> Refusal | None:
    if departments is None and campaigns is None:
        return None
    if grant is None:
        raise TypeError("departments and campaigns are asked about, but the grant was not loaded")
    if unknown := set(departments or ()) - grant.departments:
        return Refusal(
            "unknown_department", f"department_id {_listed(unknown)} is not one of your group's here.", 400
        )
    if unknown := set(campaigns or ()) - grant.campaigns:
        return Refusal(
            "unknown_campaign", f"campaign_id {_listed(unknown)} is not one of your group's here.", 400
        )
    return None


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


Q = TypeVar("Q", bound=QuerySet[Any])
CLIENT_FIELDS = [
    field.attname for field in Client._meta.concrete_fields if not isinstance(field, DateTimeField)
]


def client_at(subdomain: str) -> Subquery:
    """The client of this subdomain, for `with_entry`."""
    return Subquery(Client.objects.filter(subdomain=subdomain).order_by().values("pk"))


def with_entry(rows: Q, *, client: Any, agent: str = "", grant: bool = False) -> Q:
    """Add what `entry_of` needs to rows that lead to an agent, in the same SELECT.

    `client` is the client as an expression; `agent` the path from the rows to the agent ("" for agents themselves);
    `grant` asks for the departments and campaigns too.
    """
    # As one JSON value: a join would have to go through the group to a row that may not be there, and Django writes
    # such joins (FilteredRelation, with select_related) in an order that no database accepts.
    path = f"{agent}__" if agent else ""
    told: dict[str, Any] = {
        "entitlement": "pk",
        "client": JSONObject(**{name: f"client__{name}" for name in CLIENT_FIELDS}),
        "is_listed": Exists(
            AgentEntitlement.objects.filter(agent=OuterRef(OuterRef(f"{path}pk")), entitlement=OuterRef("pk"))
        ),
    }
    entitlements = Entitlement.objects.filter(group=OuterRef(f"{path}group"), client=client)
    told |= _grant_of_agent(OuterRef(OuterRef(f"{path}pk"))) if grant else {}
    return rows.select_related(f"{path}group").annotate(
        entry=Subquery(entitlements.values(told=JSONObject(**told)))
    )


def entry_of(row: Any, *, agent: Agent, asked: str) -> Entry:
    """The entry that a row of `with_entry` tells of."""
    told = row.entry
    if told is None:
        return Entry(agent, None, is_listed=False, asked=asked)
    client = Client(**told["client"])
    entitlement = Entitlement(pk=told["entitlement"], group=agent.group, client=client)
    grant = _grant_of(told) if "client_campaigns" in told else None
    return Entry(agent, entitlement, bool(told["is_listed"]), asked, grant)


def entries_of(agent: Agent) -> list[Entry]:
    """The agent before each client that his group is entitled to, by the clients' names."""
    listed = AgentEntitlement.objects.filter(agent=agent, entitlement=OuterRef("pk"))
    entitlements = Entitlement.objects.filter(group=agent.group).select_related("client")
    rows = entitlements.annotate(is_listed=Exists(listed)).order_by("client__name")
    return [Entry(agent, row, row.is_listed, row.client.subdomain) for row in rows]


def _grant_of_agent(agent: OuterRef) -> dict[str, Subquery]:
    of_client, of_entitlement = {"client": OuterRef("client")}, {"entitlement": OuterRef("pk")}
    of_agent = {"narrowing__agent": agent, "narrowing__entitlement": OuterRef("pk")}
    return {
        "client_departments": _numbers(Department.objects.filter(**of_client)),
        "client_campaigns": _numbers(Campaign.objects.filter(**of_client)),
        "entitled_departments": _numbers(EntitledDepartment.objects.filter(**of_entitlement), "department__"),
        "entitled_campaigns": _numbers(EntitledCampaign.objects.filter(**of_entitlement), "campaign__"),
        "agent_campaigns": _numbers(AgentCampaign.objects.filter(**of_agent), "campaign__"),
    }


def _numbers(rows: QuerySet[Any], path: str = "") -> Subquery:
    """The numbers of these rows' active departments or campaigns, as text; NULL where there are no rows at all."""
    number = Case(
        When(**{f"{path}is_active": True}, then=Cast(f"{path}number", CharField())), default=Value("")
    )
    return Subquery(rows.order_by().values(together=Value(1)).annotate(all=Joined(number)).values("all"))


def _grant_of(told: dict[str, str | None]) -> Grant:
    departments, campaigns = _parse(told["client_departments"]), _parse(told["client_campaigns"])
    if told["entitled_departments"] is not None:
        departments &= _parse(told["entitled_departments"])
    narrowings = [told[name] for name in ("entitled_campaigns", "agent_campaigns") if told[name] is not None]
    for listed in narrowings:
        campaigns &= _parse(listed)
    return Grant(departments, campaigns, has_every_campaign=not narrowings)


def _parse(numbers: str | None) -> frozenset[int]:
    return frozenset(int(number) for number in (numbers or "").split(",") if number)
