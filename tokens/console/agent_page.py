"""The page of one agent. Here, because it also tells which clients' systems learned of a log-out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from groups import wording
from groups.console.access import group_page, show
from groups.console.agent_page import agent_of, known_of
from groups.models import Agent, AgentSession, Membership
from tokens.logging_out import answer_of, word_of
from tokens.models import Handoff, HandoffState, RelyingParty

MOST = 60  # of the latest sessions' entries
MOST_TOLD = 10  # log-outs, on the page


LAMPS = {HandoffState.TOLD: "active", HandoffState.GIVEN_UP: "refused", HandoffState.PENDING: "pending"}


@dataclass(frozen=True)
class Told:
    """One log-out at one client's system, and what became of telling it."""

    party: RelyingParty
    session: AgentSession
    state: HandoffState
    at: datetime | None  # told, or given up
    why: str  # it was not taken at the last try, in words
    tries: int
    next_try_at: datetime | None

    @property
    def lamp(self) -> str:
        """How the state shows."""
        return LAMPS[self.state]


@group_page()
@require_GET
def agent_page(request: HttpRequest, membership: Membership, subject: str) -> HttpResponseBase:
    """One agent, with the acts that his standing leaves to do, where his sessions have been, and his history."""
    agent = agent_of(membership, subject)
    known = known_of(agent, request)
    context = known | {"tab": "agents"} | entries_of(agent, sessions=known["sessions"])
    return show(request, membership, "groups/agent.html", context)


def entries_of(agent: Agent, *, sessions: list[AgentSession]) -> dict[str, Any]:
    """Which clients' systems know of his open sessions (on each of these), and which were told of those that ended."""
    rows = Handoff.objects.filter(session__agent=agent).select_related("session", "relying_party__client")
    latest = rows.order_by("-session__started_at", "-pk")[:MOST]
    # A session and what renewed it are one to a relying party: the latest row tells of both.
    each = {(row.session.sid, row.relying_party_id): row for row in reversed(latest)}
    known_at: dict[str, set[str]] = {}
    ended = []
    for row in sorted(each.values(), key=_order, reverse=True):
        if row.state != HandoffState.OPEN:
            ended.append(_told(row))
        else:
            known_at.setdefault(row.session.sid, set()).add(row.relying_party.client.name)
    for session in sessions:
        session.known_at = sorted(known_at.get(session.sid, ()))  # type: ignore[attr-defined]  # for the template
    return {"logouts": ended[:MOST_TOLD]}


def _order(handoff: Handoff) -> tuple[datetime, int]:
    return handoff.session.ended_at or handoff.session.started_at, handoff.pk


def _told(handoff: Handoff) -> Told:
    why, answer = wording.worded_why(word_of(handoff.failure)), answer_of(handoff.failure)
    state = handoff.state
    return Told(
        handoff.relying_party,
        handoff.session,
        state,
        at=handoff.told_at or handoff.given_up_at,
        why=f"{why} ({answer})" if answer else why,
        tries=handoff.tries,
        next_try_at=handoff.next_try_at if state == HandoffState.PENDING and handoff.failure else None,
    )
