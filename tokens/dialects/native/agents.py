"""`/api/v1/agents`: the agents of the key's group, one by one and many at once.

Whatever is done here is done by the acts of the console's pages, so that rules and audit events are the same.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from groups import editing_agents, standing
from groups.agent_columns import EVERYWHERE, Access, access_of, with_access
from groups.finding_agents import LONGEST_SEARCH, Search, Seen, Standing, look_at
from groups.importing.judging import Entitled, entitled_clients
from groups.models import NAME_LENGTH, Agent, AgentStatus, Group
from sso_portal.lib.refusals import Refusal, Refused
from tokens.dialects.base import json_body
from tokens.dialects.native.door import BearerDoor, cursor_in, query_fields, sealed_cursor
from tokens.dialects.native.fields import Fields
from tokens.models import Scope

MOST_ON_A_PAGE, ON_A_PAGE = 200, 50
NO_AGENT = Refusal("not_found", "No agent of your group has this subject.", 404)
CHANGED = Refusal("changed_meanwhile", "Somebody changed this agent at the same time. Send it again.", 409)


class Agents(BearerDoor):
    """`GET /api/v1/agents`: pages of agents, by username. `POST`: a new agent."""

    scopes = {"GET": Scope.AGENTS_READ, "POST": Scope.AGENTS_WRITE}
    actions = {"POST": "agent.create"}

    def get(self, request: Request) -> Response:
        fields = query_fields(request)
        search = Search(
            words=fields.text("q", longest=LONGEST_SEARCH),
            standing=fields.one_of("standing", Standing.values),
        )
        status = fields.one_of("status", AgentStatus.values)
        size = fields.count("limit", default=ON_A_PAGE, most=MOST_ON_A_PAGE)
        after = cursor_in(fields, str)
        fields.check()
        agents = search.among(self.group)
        if status:
            agents = agents.filter(status=status)
        if after:
            agents = agents.filter(username_key__gt=after[0])
        found = list(with_access(agents.order_by("username_key"))[: size + 1])
        shown = found[:size]
        more = sealed_cursor(shown[-1].username_key) if len(found) > size else None
        return Response({"agents": told_of(shown, group=self.group), "next_cursor": more})

    def post(self, request: Request) -> Response:
        fields = Fields(json_body(request))
        profile = editing_agents.Profile(
            fields.username("username"),
            fields.text("full_name", longest=NAME_LENGTH, required=True),
            fields.email("email"),
            fields.end("ends_at"),
        )
        access = _kept(fields.access() or EVERYWHERE, EVERYWHERE, fields, self.group)
        fields.check()
        agent = editing_agents.create(group=self.group, profile=profile, access=access, **self.how)
        agent = with_access(Agent.objects.filter(pk=agent.pk)).get()
        response = Response(told_of([agent], group=self.group)[0], status=201)
        response.headers["Location"] = f"/api/v1/agents/{agent.subject}"
        return response


class OneAgent(BearerDoor):
    """`GET /api/v1/agents/<subject>`: an agent. `PATCH`: some fields of him changed, the others as they were."""

    scopes = {"GET": Scope.AGENTS_READ, "PATCH": Scope.AGENTS_WRITE}
    actions = {"PATCH": "agent.update"}

    def get(self, request: Request, subject: str) -> Response:
        return Response(told_of([agent_of(self.group, subject)], group=self.group)[0])

    def patch(self, request: Request, subject: str) -> Response:
        agent = agent_of(self.group, subject)
        fields = Fields(json_body(request))
        profile = editing_agents.Profile(
            fields.username("username") if "username" in fields else agent.username,
            fields.text("full_name", longest=NAME_LENGTH, required=True)
            if "full_name" in fields
            else agent.full_name,
            fields.email("email") if "email" in fields else agent.email,
            fields.end("ends_at") if "ends_at" in fields else agent.ends_at,
        )
        now = access_of(agent)
        access = _kept(fields.access() or now, now, fields, self.group)
        fields.check()
        try:
            editing_agents.update(
                agent, profile=profile, access=access, seen=editing_agents.stamp_of(agent), **self.how
            )
        except Refused as refused:
            meanwhile = refused.refusal.code == CHANGED.code
            raise Refused(CHANGED if meanwhile else refused.refusal, {"agent": agent}) from refused
        return Response(told_of([agent_of(self.group, subject)], group=self.group)[0])


class ActOnAgent(BearerDoor):
    """`POST /api/v1/agents/<subject>/<act>`: an agent let in, kept out, unlocked or signed out. Needs no body."""

    ACTS: ClassVar[dict[str, Callable[..., Any]]] = {
        "enable": partial(standing.set_status, status=AgentStatus.ACTIVE),
        "suspend": partial(standing.set_status, status=AgentStatus.SUSPENDED),
        "disable": partial(standing.set_status, status=AgentStatus.DISABLED),
        "unlock": standing.unlock,
        "end-sessions": standing.end_sessions,
    }

    scopes = {"POST": Scope.AGENTS_WRITE}
    actions = {"POST": "agent.update"}

    def post(self, request: Request, subject: str, act: str) -> Response:
        agent = agent_of(self.group, subject)
        self.ACTS[act](agent, **self.how)
        return Response(told_of([agent], group=self.group)[0])


def agent_of(group: Group, subject: str) -> Agent:
    """The group's agent of this subject, with what he may enter. Raises Refused (404): a foreign one is missing."""
    agent = with_access(Agent.objects.filter(group=group, subject=subject).select_related("group")).first()
    if agent is None:
        raise Refused(NO_AGENT)
    return agent


def told_of(agents: Collection[Agent], *, group: Group) -> list[dict[str, Any]]:
    """These agents as this API tells of them. Needs `with_access`; two queries, however many they are."""
    return [_told(seen) for seen in look_at(list(agents), group=group)]


def moment(at: datetime | None) -> str | None:
    """A moment as this API writes it: RFC 3339, UTC, whole seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else None


def _told(seen: Seen) -> dict[str, Any]:
    agent, access = seen.agent, access_of(seen.agent)
    return {
        "subject": agent.subject,
        "username": agent.username,
        "full_name": agent.full_name,
        "email": agent.email or None,
        "status": agent.status,
        "standing": seen.standing.value,
        "ends_at": moment(agent.ends_at),
        "all_clients": access.all_clients,
        "clients": [
            {"client": subdomain, "campaigns": sorted(numbers) or "all"}
            for subdomain, numbers in sorted(access.listed.items())
        ],
        "provisioned_by": agent.provisioned_by,
        "locked_until": moment(seen.locked_until),
        "last_signed_in_at": moment(agent.last_signed_in_at),
        "created_at": moment(agent.created_at),
    }


def _kept(wanted: Access, now: Access, fields: Fields, group: Group) -> editing_agents.Access:
    """What is wanted, by the rows that keep it; what the group may not enter is refused.

    What the agent has already, he may keep: that it is granted no more, the doors know.
    """
    entitled: dict[str, Entitled] = entitled_clients(group) if wanted.listed else {}
    if unknown := wanted.listed.keys() - entitled.keys():
        fields.refuse("clients", f"names what the group may not enter: {', '.join(sorted(unknown))}.")
        return editing_agents.Access(all_clients=False, campaigns={})
    for subdomain, numbers in sorted(wanted.listed.items()):
        allowed = entitled[subdomain].granted | now.listed.get(subdomain, frozenset())
        if foreign := numbers - allowed:
            listed = ", ".join(str(number) for number in sorted(foreign))
            fields.refuse("clients", f"names campaigns that are not the group's at {subdomain}: {listed}.")
    campaigns = {
        entitled[subdomain].pk: frozenset(
            entitled[subdomain].campaigns[number]
            for number in numbers
            if number in entitled[subdomain].campaigns
        )
        for subdomain, numbers in wanted.listed.items()
    }
    return editing_agents.Access(wanted.all_clients, campaigns)
