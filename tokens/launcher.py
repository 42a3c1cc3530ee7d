"""The launcher: the clients that a signed-in agent may enter, at the group's own address."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import audit
from groups import cookies
from groups.branding import brand_of
from groups.door import active_group, choose_group, group_id_of, sign_in_url
from groups.entering import entries_of, why_not_enter
from groups.models import Agent, AgentSession
from groups.signing_in import FACTOR_METHOD
from groups.targets import Target
from sso_portal.lib.web import caller_of, same_with_get, see_other
from tokens.issuing import ACTION
from tokens.models import LoginToken
from tokens.pop import PopRequest, is_routed, missed_number, routed_pop


@dataclass(frozen=True)
class Launch:
    """A client to launch, as the page shows it."""

    name: str
    subdomain: str
    url: str
    last_entered: datetime | None


@csrf_exempt  # a telephone system may POST here; nothing is changed
@require_http_methods(["GET", "HEAD", "POST"])
def launcher(request: HttpRequest) -> HttpResponse:
    """Show the signed-in agent his clients, the last entered first; ask anybody else to sign in."""
    if is_routed(request.GET):
        return routed_pop(request)
    if request.method == "POST":
        return see_other(same_with_get(request))
    group_id = group_id_of(request.GET)
    if group_id is None:
        return choose_group(request)
    group = active_group(group_id)
    session = cookies.sessions_of(request).first()
    if session is None or not session.is_live() or session.agent.group_id != group.pk:
        return see_other(sign_in_url(group.pk, target=Target(request.get_full_path())))
    AgentSession.objects.touch_if_due(session)
    if (asked := missed_number(request)) is not None:
        _record_missed(asked, session, request)
    query = request.GET.get("q", "").strip()[:100]
    context = {
        "group": group,
        "brand": brand_of(group),
        "agent": session.agent,
        "clients": [launch for launch in launches_of(session) if query.casefold() in launch.name.casefold()],
        "query": query,
        "switch_url": sign_in_url(group.pk, switch=True),
        "has_factor": FACTOR_METHOD in session.methods,
    }
    return render(request, "tokens/launcher.html", context)


def _record_missed(asked: PopRequest, session: AgentSession, request: HttpRequest) -> None:
    """Tell the administrators: their telephone system popped here without having filled in the dialled number."""
    audit.record(
        ACTION,
        caller=caller_of(request),
        actor=f"agent:{session.agent.subject}",
        refused_for="no_number",
        group=session.agent.group,
        agent=session.agent,
        details={"call": asked.call.for_audit()} | asked.details,
    )


def launches_of(session: AgentSession) -> list[Launch]:
    """The clients that this session's agent may enter now, the last entered first, then by name."""
    agent: Agent = session.agent
    tokens = LoginToken.objects.filter(session=session).values_list("client").annotate(Max("issued_at"))
    last_entered: dict[int, datetime] = dict(tokens)
    launches = [
        Launch(client.name, client.subdomain, _pop_url(client.subdomain, agent), last_entered.get(client.pk))
        for entry in entries_of(agent)
        if (client := entry.client) and why_not_enter(entry) is None
    ]
    return sorted(
        launches, key=lambda launch: -(launch.last_entered.timestamp() if launch.last_entered else 0)
    )


def _pop_url(subdomain: str, agent: Agent) -> str:
    return f"{reverse('pop', args=[subdomain])}?group={agent.group_id}"
