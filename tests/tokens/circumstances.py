"""What can happen to an agent, his group or a client between two steps; and what can happen to a token."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from groups.models import Agent, AgentStatus, Client, Entitlement, Group
from tokens.models import LoginToken


@dataclass(frozen=True)
class Stop:
    """One way to keep an agent out: the act, the public code, and the private reason."""

    name: str
    act: Callable[[Agent, Entitlement], object]
    code: str
    why: str


def _change_agent(**fields) -> Callable[[Agent, Entitlement], object]:
    return lambda agent, entitlement: Agent.objects.filter(pk=agent.pk).update(**fields)


def _change_client(**fields) -> Callable[[Agent, Entitlement], object]:
    return lambda agent, entitlement: Client.objects.filter(pk=entitlement.client_id).update(**fields)


def _withdraw(agent: Agent, entitlement: Entitlement) -> object:
    return Entitlement.objects.filter(pk=entitlement.pk).delete()


def _stop_group(agent: Agent, entitlement: Entitlement) -> object:
    return Group.objects.filter(pk=agent.group_id).update(is_active=False)


STOPPED_AGENTS = [
    Stop("disabled", _change_agent(status=AgentStatus.DISABLED), "agent_disabled", "disabled"),
    Stop("suspended", _change_agent(status=AgentStatus.SUSPENDED), "agent_disabled", "suspended"),
    Stop("ended", _change_agent(ends_at=timezone.now() - timedelta(days=1)), "agent_disabled", "ended"),
]
CLOSED_CLIENTS = [
    Stop("withdrawn", _withdraw, "client_unavailable", "no entitlement"),
    Stop("client-inactive", _change_client(is_active=False), "client_unavailable", "client inactive"),
    Stop("client-paused", _change_client(is_paused=True), "client_unavailable", "paused"),
    Stop(
        "not-listed", _change_agent(all_clients=False), "client_unavailable", "not among the agent's clients"
    ),
]
STOPPED_GROUPS = [Stop("group-inactive", _stop_group, "group_inactive", "group_inactive")]
STOPS = STOPPED_AGENTS + CLOSED_CLIENTS + STOPPED_GROUPS


def name_of(stop: Stop) -> str:
    """For `ids=`."""
    return stop.name


def age(token: LoginToken, by: timedelta) -> None:
    """Make a token older than it is."""
    LoginToken.objects.filter(pk=token.pk).update(
        issued_at=F("issued_at") - by, expires_at=F("expires_at") - by
    )
