"""One agent: who, in what standing, with which clients, signed in from where, and what happened so far.

The page itself is in tokens/console/agent_page.py: it also tells which clients' systems learned of a log-out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.event_log import page_of_events
from accounts.fresh_factor import ask_for_second_factor, has_fresh_factor
from accounts.models import Event
from groups import second_factors, standing, wording
from groups.agent_columns import last_day_of, with_access
from groups.console.access import group_page, show
from groups.console.agent_codes import direct_address, show_codes
from groups.finding_agents import look_at
from groups.models import Agent, AgentSession, AgentStatus, Membership, Permission
from sso_portal.lib.web import caller_of, see_other

EVENTS = 25  # of the history, on a page
CODE, REMOVE_FACTOR = "activation-code", "remove-factor"
SENSITIVE = {CODE, REMOVE_FACTOR}  # they let somebody in anew


@dataclass(frozen=True)
class Act:
    """Something that is done to one agent. Where a page asks first, `text` says what will happen."""

    label: Any
    title: Any
    text: Any
    done: Any
    act: Callable[..., Any]
    asks: bool = False


def _set_status(agent: Agent, *, status: AgentStatus, **how: Any) -> None:
    standing.set_status(agent, status, **how)


ACTS: dict[str, Act] = {
    "enable": Act(
        gettext_lazy("Enable"),
        gettext_lazy("Enable %(name)s"),
        gettext_lazy("The agent may sign in again."),
        gettext_lazy("%(name)s may sign in again."),
        partial(_set_status, status=AgentStatus.ACTIVE),
    ),
    "unlock": Act(
        gettext_lazy("Unlock"),
        gettext_lazy("Unlock %(name)s"),
        gettext_lazy("The agent may try again at once, with the password they have."),
        gettext_lazy("%(name)s may try to sign in again."),
        standing.unlock,
    ),
    CODE: Act(
        gettext_lazy("Activation code"),
        gettext_lazy("Give %(name)s an activation code"),
        gettext_lazy("A new code, valid for 24 hours and shown once; a code given before is void."),
        "",
        standing.give_activation_code,
    ),
    "suspend": Act(
        gettext_lazy("Suspend"),
        gettext_lazy("Suspend %(name)s"),
        gettext_lazy(
            "The agent is signed out at once, and no door lets them in until you enable them again."
        ),
        gettext_lazy("%(name)s is suspended, and signed out everywhere."),
        partial(_set_status, status=AgentStatus.SUSPENDED),
    ),
    "end-sessions": Act(
        gettext_lazy("End all sessions"),
        gettext_lazy("End the sessions of %(name)s"),
        gettext_lazy("The agent is signed out at once, on every device, and may sign in again."),
        gettext_lazy("%(name)s is signed out everywhere."),
        standing.end_sessions,
    ),
    REMOVE_FACTOR: Act(
        gettext_lazy("Remove the second factor"),
        gettext_lazy("Remove the second factor of %(name)s"),
        gettext_lazy(
            "For a telephone or key that was lost: the authenticator app and all passkeys are removed, and the agent "
            "is signed out everywhere. Until another is set up, the password alone lets this agent in; where the group "
            "demands a second factor, the next sign-in asks to set one up."
        ),
        gettext_lazy("The second factor of %(name)s was removed."),
        standing.remove_factors,
        asks=True,
    ),
    "disable": Act(
        gettext_lazy("Disable"),
        gettext_lazy("Disable %(name)s"),
        gettext_lazy(
            "For agents who have left. The agent is signed out at once and no door lets them in; "
            "the history stays, and the username stays taken."
        ),
        gettext_lazy("%(name)s is disabled, and signed out everywhere."),
        partial(_set_status, status=AgentStatus.DISABLED),
        asks=True,
    ),
}


def agent_of(membership: Membership, subject: str) -> Agent:
    """The group's agent with this subject, with clients and campaigns. Raises Http404."""
    agents = Agent.objects.filter(group=membership.group_id, subject=subject)
    agent = with_access(agents).first()
    if agent is None:
        raise Http404
    agent.group = membership.group
    return agent


def known_of(agent: Agent, request: HttpRequest) -> dict[str, Any]:
    """What the page of an agent tells: the acts that his standing leaves to do, his clients, sessions and history."""
    group, subject = agent.group, agent.subject
    seen = look_at([agent], group=group)[0]
    history = page_of_events(Event.objects.filter(agent=subject, group_id=group.pk), request.GET, size=EVENTS)
    day, at = last_day_of(agent.ends_at) if agent.ends_at else (None, None)
    sessions = list(AgentSession.objects.live().filter(agent=agent).order_by("-last_seen_at"))
    return {
        "agent": agent,
        "seen": seen,
        "last_day": day,
        "last_time": at,
        "why": _why(seen.standing.value),
        "clients": _clients(agent),
        "sessions": sessions,
        "factors": second_factors.factors_of(agent),
        "acts": [(name, ACTS[name].label) for name in _acts_for(agent, locked=bool(seen.locked_until))],
        "direct_address": direct_address(group),
        "history": history,
        "events": wording.tell(history.rows, groups=[group.pk]),
    }


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_act(request: HttpRequest, membership: Membership, subject: str, act: str) -> HttpResponseBase:
    """Do something to one agent; a GET asks whether it should be done."""
    agent, chosen = agent_of(membership, subject), ACTS.get(act)
    if chosen is None:
        raise Http404
    if act in SENSITIVE and not has_fresh_factor(request):
        return ask_for_second_factor(request)
    back = reverse("agent", args=[membership.group_id, subject])
    name = {"name": agent.full_name or agent.username}
    if request.method == "GET":
        context = {
            "tab": "agents",
            "title": chosen.title % name,
            "text": chosen.text,
            "items": [f"{agent.full_name} ({agent.username})"],
            "button": chosen.title % name,
            "kind": "danger" if chosen.asks else "",
            "action": request.path,
            "cancel_url": back,
        }
        return show(request, membership, "groups/confirm.html", context)
    done = chosen.act(agent, by=membership.actor, caller=caller_of(request))
    if act == CODE:
        return show_codes(request, membership, [(agent, done)], back=back)
    messages.success(request, chosen.done % name)
    return see_other(back)


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_end_session(request: HttpRequest, membership: Membership, subject: str) -> HttpResponseBase:
    """End one session of the agent."""
    agent = agent_of(membership, subject)
    sid = request.POST.get("session", "")[:32].replace("\0", "")
    if standing.end_session(agent, sid, by=membership.actor, caller=caller_of(request)):
        messages.success(request, _("The session was ended."))
    elif request.method == "POST":
        messages.info(request, _("This session had ended already."))
    return see_other(reverse("agent", args=[membership.group_id, subject]))


def _acts_for(agent: Agent, *, locked: bool) -> list[str]:
    """What is left to do, the most likely first."""
    if agent.status == AgentStatus.DISABLED:
        return ["enable"]
    if agent.status == AgentStatus.SUSPENDED:
        return ["enable", "disable"]
    return [*(["unlock"] if locked else []), CODE, "suspend", "disable"]


def _why(standing: str) -> str:
    """What an agent's standing means to him."""
    return {
        "active": _("May sign in; is not signed in now."),
        "signed_in": _("Signed in now."),
        "locked": _("Too many wrong passwords: signing in is stopped. A running session goes on."),
        "pending": _("Has not chosen a password yet: an activation code lets them in the first time."),
        "suspended": _("Stopped by an administrator, for now: no door lets them in."),
        "disabled": _("Has left: no door lets them in."),
        "ended": _("The end date has passed: no door lets them in."),
    }[standing]


def _clients(agent: Agent) -> list[dict[str, Any]]:
    """The clients that the agent may enter, each with the campaigns that he is narrowed to."""
    narrowed = {row.entitlement_id: list(row.campaigns.all()) for row in agent.narrowings.all()}
    entitlements = agent.group.entitlements.select_related("client").order_by("client__name")
    return [
        {"client": row.client, "campaigns": narrowed.get(row.pk, [])}
        for row in entitlements
        if agent.all_clients or row.pk in narrowed
    ]
