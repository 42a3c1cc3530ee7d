"""Refusals as pages. They need no database, so that they can also say that it is away."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from groups.door import sign_in_url
from groups.models import Agent, Client, Group
from groups.navigation import THEMES
from sso_portal.lib.refusals import Refusal, problem_of
from sso_portal.lib.web import is_for_software, reference_of
from tokens.handing_off import origins_on_the_way
from tokens.pop import UNKNOWN_NUMBER, target_of

TITLES: dict[int | str, Any] = {
    "stale_form": _("This page is out of date"),
    UNKNOWN_NUMBER: _("This number leads nowhere yet"),
    "unknown_relying_party": _("Nobody knows the system that sent you"),
    "unknown_redirect_uri": _("The way back is not registered"),
    "unknown_client": _("Nobody knows the system that sent you"),
    "unknown_address": _("The way back is not registered"),
    "link_used": _("This link is used up"),
    400: _("This address cannot be read"),
    403: _("You cannot enter here"),
    404: _("There is nothing here"),
    405: _("This page cannot be used that way"),
    413: _("That is too large"),
    421: _("Unknown host name"),
    429: _("Too many at once"),
    500: _("Something broke on our side"),
    503: _("The portal is not available"),
}
ASK_WHO_RUNS_IT = _(
    "Go back and try again. If it happens again, give the reference number to whoever runs that system: they can have "
    "it registered."
)
ASK_BILLING = _(
    "Go back to your billing system and open the link there again. If it happens again, tell whoever runs it the "
    "reference number."
)
ADVICE: dict[int | str, Any] = {
    UNKNOWN_NUMBER: _(
        "Open the client of this call by hand. Then tell your team lead the reference number, so that the number is "
        "assigned before the next call."
    ),
    "unknown_relying_party": ASK_WHO_RUNS_IT,
    "unknown_redirect_uri": ASK_WHO_RUNS_IT,
    "unknown_client": ASK_WHO_RUNS_IT,
    "unknown_address": ASK_WHO_RUNS_IT,
    "link_used": ASK_BILLING,
    "no_place": ASK_BILLING,
    400: _(
        "Go back to your call system and try again. If it happens again, tell your team lead the reference number."
    ),
    403: _("Tell your team lead the reference number. They can see what happened and change it."),
    404: _("Check the address. The group's own address is on your team's notes."),
    429: _("Wait a minute, then try again."),
    500: _(
        "Wait a minute, then load this page again. If it stays like this, tell your team lead the time and which "
        "client you wanted to open."
    ),
    503: _("Try again in a few seconds. Nothing was lost."),
}


def refused(
    request: HttpRequest,
    refusal: Refusal,
    *,
    about: dict[str, Any] | None = None,
    retry_after: int | None = None,
) -> HttpResponse:
    """The page of a refusal: as whom, which group, which client, one plain reason, what to do next."""
    about = about or {}
    agent, group, client = about.get("agent"), about.get("group"), about.get("client")
    context = {
        "status": refusal.status,
        "title": TITLES.get(refusal.code) or TITLES.get(refusal.status, _("This did not work")),
        "message": gettext(refusal.message),
        "reference": reference_of(request),
        "as_whom": agent if isinstance(agent, Agent) else None,
        "group_name": group.name if isinstance(group, Group) else "",
        "client_name": client.name if isinstance(client, Client) else client or "",
        "advice": ADVICE.get(refusal.code) or ADVICE.get(refusal.status, ADVICE[400]),
        "theme": theme if (theme := request.COOKIES.get("theme")) in THEMES else "",
    } | _way_on(request, refusal, agent)
    response = HttpResponse(render_to_string("errors/refused.html", context), status=refusal.status)
    if retry_after or refusal.status == 503:
        response.headers["Retry-After"] = str(retry_after or 5)
    return response


def refused_anywhere(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A refusal from outside the views: problem details for software, a page elsewhere."""
    if not is_for_software(request.path):
        return refused(request, refusal)
    problem = problem_of(refusal, reference=reference_of(request))
    response = JsonResponse(problem, status=refusal.status, content_type="application/problem+json")
    if refusal.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _way_on(request: HttpRequest, refusal: Refusal, agent: object) -> dict[str, Any]:
    """What an agent can do next: choose the client by hand, or sign in as somebody else without losing the call."""
    if not isinstance(agent, Agent):
        return {"next_url": "", "next_label": ""}
    if refusal.code == UNKNOWN_NUMBER:
        return {
            "next_url": f"{reverse('launcher')}?group={agent.group_id}",
            "next_label": _("Show my clients"),
        }
    subdomain = request.resolver_match.kwargs.get("subdomain", "") if request.resolver_match else ""
    origins = origins_on_the_way(subdomain, group_id=agent.group_id) if subdomain else []
    target = target_of(request, subdomain, origins=origins)
    return {
        "next_url": sign_in_url(agent.group_id, target=target, switch=True),
        "next_label": _("Sign in as somebody else"),
    }
