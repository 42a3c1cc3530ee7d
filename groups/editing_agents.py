"""Making agents, and changing what is known of them: names, end date, clients and campaigns."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import audit
from groups.agent_columns import campaigns_cell, clients_cell, with_access
from groups.models import (
    Agent,
    AgentCampaign,
    AgentEntitlement,
    Campaign,
    Entitlement,
    Group,
)
from groups.standing import batches, change, end_sessions_of_ended
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

ROWS = 2000  # of one INSERT


@dataclass(frozen=True)
class Access:
    """Which of the group's clients an agent may enter, and for which campaigns of each.

    `campaigns` is keyed by entitlement; no campaigns mean all of them. With `all_clients`, others are as free.
    """

    all_clients: bool
    campaigns: Mapping[int, frozenset[int]]


@dataclass(frozen=True)
class Profile:
    """What an administrator says of an agent."""

    username: str
    full_name: str
    email: str
    ends_at: datetime | None


def create(*, group: Group, profile: Profile, access: Access, by: str, caller: Caller) -> Agent:
    """A new agent, who has no password yet. Raises Refused when the username is taken in the group."""
    with transaction.atomic():
        agent = Agent(
            group=group,
            username=profile.username,
            full_name=profile.full_name,
            email=profile.email,
            ends_at=profile.ends_at,
            all_clients=access.all_clients,
        )
        _save(agent)
        _narrow([agent], access, group=group)
        told = _told_of(with_access(Agent.objects.filter(pk=agent.pk)).get())
        _record("agent.create", agent, by, caller, {name: value for name, value in told.items() if value})
    return agent


def update(
    agent: Agent, *, profile: Profile, access: Access, seen: str, by: str, caller: Caller
) -> dict[str, list[str]]:
    """Change what is known of an agent; what changed, as field: [old, new].

    `seen` is the `stamp_of` of what was shown to whoever changes it. Raises Refused when that is no longer so, and
    when the username is taken in the group. An end date that has come ends his sessions, also when it is put off.
    """
    with transaction.atomic():
        mine = Agent.objects.filter(pk=agent.pk)
        now = with_access(mine.select_for_update(of=("self",)).select_related("group")).get()
        if stamp_of(now) != seen:
            raise Refused(_changed())
        before = _told_of(now)
        end_sessions_of_ended([now])
        now.username, now.full_name, now.email = profile.username, profile.full_name, profile.email
        now.ends_at, now.all_clients = profile.ends_at, access.all_clients
        _save(now)
        _narrow([now], access, group=now.group)
        end_sessions_of_ended([now])
        after = _told_of(with_access(mine).get())
        changed = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
        if changed:
            _record("agent.update", now, by, caller, changed)
    return changed


def stamp_of(agent: Agent) -> str:
    """Changes when what a form shows of the agent does. Needs `with_access`."""
    return hashlib.sha256(json.dumps(_told_of(agent)).encode()).hexdigest()[:16]


def set_end_of_many(
    agents: Sequence[Agent], ends_at: datetime | None, *, group: Group, by: str, caller: Caller
) -> int:
    """Give all of these agents of a group one end date, or none; how many that changes."""
    changed = [agent for agent in agents if agent.ends_at != ends_at]
    with transaction.atomic():
        end_sessions_of_ended(changed)
        change(changed, ends_at=ends_at)
        for agent in changed:
            agent.ends_at = ends_at
        end_sessions_of_ended(changed)
        details = {"end_date": _moment(ends_at)}
        audit.record_many(
            "agent.update", caller=caller, actor=by, group=group, agents=changed, details=details
        )
    return len(changed)


def set_access_of_many(
    agents: Sequence[Agent], access: Access, *, group: Group, by: str, caller: Caller
) -> int:
    """Let all of these agents of a group enter the same clients, for the same campaigns; how many they are."""
    with transaction.atomic():
        change(agents, all_clients=access.all_clients)
        _narrow(agents, access, group=group)
        told = _told_of(with_access(Agent.objects.filter(pk=agents[0].pk)).get()) if agents else {}
        details = {name: told[name] for name in ("clients", "campaigns") if told.get(name)}
        audit.record_many(
            "agent.update", caller=caller, actor=by, group=group, agents=agents, details=details
        )
    return len(agents)


def _save(agent: Agent) -> None:
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:
        message = _("Another agent of this group has this username. Please choose another.")
        raise Refused(Refusal("username_taken", message, 409, field="username")) from error


def _narrow(agents: Sequence[Agent], access: Access, *, group: Group) -> None:
    """Replace what these agents' clients are narrowed to. Raises Refused when a client or a campaign is gone."""
    entitlements = Entitlement.objects.select_for_update(no_key=True).filter(group=group)
    clients = dict(entitlements.filter(pk__in=access.campaigns).values_list("pk", "client"))
    wanted = {(clients.get(pk), campaign) for pk, listed in access.campaigns.items() for campaign in listed}
    there = Campaign.objects.filter(pk__in=[campaign for _client, campaign in wanted])
    if len(clients) != len(access.campaigns) or wanted - set(there.values_list("client", "pk")):
        raise Refused(_changed())
    for some in batches(agents):
        AgentCampaign.objects.filter(narrowing__agent__in=some).delete()
        AgentEntitlement.objects.filter(agent__in=some).delete()
        narrowings = AgentEntitlement.objects.bulk_create(
            [AgentEntitlement(agent=agent, entitlement_id=pk) for agent in some for pk in access.campaigns],
            batch_size=ROWS,
        )
        AgentCampaign.objects.bulk_create(
            [
                AgentCampaign(narrowing=narrowing, campaign_id=campaign)
                for narrowing in narrowings
                for campaign in sorted(access.campaigns[narrowing.entitlement_id])
            ],
            batch_size=ROWS,
        )


def _told_of(agent: Agent) -> dict[str, str]:
    """What forms show and events keep of an agent. Needs `with_access`."""
    return {
        "username": agent.username,
        "full_name": agent.full_name,
        "email": agent.email,
        "end_date": _moment(agent.ends_at),
        "clients": clients_cell(agent),
        "campaigns": campaigns_cell(agent),
    }


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _changed() -> Refusal:
    message = _(
        "Somebody changed this meanwhile. The form now shows how it is; please make your change again."
    )
    return Refusal("changed_meanwhile", message, 409)


def _record(action: str, agent: Agent, by: str, caller: Caller, details: dict[str, Any]) -> None:
    audit.record(action, caller=caller, actor=by, group=agent.group, agent=agent, details=details)
