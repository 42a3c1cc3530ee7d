"""Who is at work in a portal that runs.

`python -m tests.live.people` fills it, and prints who is there, as JSON; a number says how many are to be at work,
`sessions` signs all of them in anew.
"""

import json
import sys
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.utils import timezone  # noqa: E402

from groups.models import Agent, HandOff  # noqa: E402
from sso_portal.lib.secrets import new_secret  # noqa: E402
from tests import factories  # noqa: E402

AGENTS, SESSIONS = 60, 3  # as many as a group lets one agent have
SIGNING_IN = 20  # agents who sign in and out while the others work
LOGIN_URL = "https://crm.test/login"


def populate(agents: int = AGENTS) -> dict[str, Any]:
    """A group at work: its agents with their sessions, two clients, what their systems show."""
    group = factories.GroupFactory(name="Northwind", code="northwind")
    crm = factories.ClientFactory(subdomain="demoaws", name="Demo AWS", login_url=LOGIN_URL)
    signed = factories.ClientFactory(
        subdomain="signed", name="Signed", login_url=LOGIN_URL, hand_off=HandOff.SIGNED
    )
    for client in (crm, signed):
        factories.DepartmentFactory(client=client, number=1)
        factories.EntitlementFactory(group=group, client=client)
    party = factories.RelyingPartyFactory(client=crm)
    receiver = factories.RelyingPartyFactory(client=signed, secret="")
    factories.AddressRuleFactory(group=group, network="127.0.0.0/8")
    factories.PlatformKeyFactory(group=group)
    for number in range(agents):
        factories.AgentFactory(group=group, username=f"worker{number}")
    for number in range(SIGNING_IN):
        factories.AgentFactory(group=group, username=f"newcomer{number}")
    for name in ("victim", "leaver"):
        factories.AgentFactory(group=group, username=name)
    factories.MembershipFactory(
        group=group, administrator=factories.SecondFactorFactory(user__email="owner@portal.test").user
    )
    return {
        "group": group.pk,
        "sessions": sign_in(),
        "newcomers": [f"newcomer{number}" for number in range(SIGNING_IN)],
        "party": party.identifier,
        "receiver": receiver.identifier,
    }


def sign_in() -> list[str]:
    """Sessions of everybody at work; what their cookies hold."""
    workers = Agent.objects.filter(username_key__startswith="worker").order_by("pk")
    return [_session(agent) for _ in range(SESSIONS) for agent in workers]


def _session(agent: Agent) -> str:
    secret = new_secret("as_")
    idle_at = timezone.now() + timedelta(hours=1)
    factories.AgentSessionFactory(agent=agent, secret=secret, idle_at=idle_at)
    return secret


if __name__ == "__main__":
    asked = sys.argv[1:]
    json.dump(sign_in() if asked == ["sessions"] else populate(*map(int, asked)), sys.stdout)
