"""Refusals as pages. They need no database, so that they can also say that it is away."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from groups.door import sign_in_url
from groups.models import Agent, Client, Group
from groups.navigation import THEMES
from groups.targets import Target
from sso_portal.lib.refusals import Refusal
from sso_portal.lib.web import reference_of

TITLES = {
    400: "This address cannot be read",
    403: "You cannot enter here",
    404: "There is nothing here",
    405: "This page cannot be used that way",
    413: "That is too large",
    421: "Unknown host name",
    429: "Too many at once",
    503: "The portal is resting",
}
ADVICE = {
    400: "Go back to your call system and try again. If it happens again, tell your team lead the reference number.",
    403: "Tell your team lead the reference number. They can see what happened and change it.",
    404: "Check the address. The group's own address is on your team's notes.",
    429: "Wait a minute, then try again.",
    503: "Try again in a few seconds. Nothing was lost.",
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
        "title": TITLES.get(refusal.status, "This did not work"),
        "message": refusal.message,
        "reference": reference_of(request),
        "as_whom": agent if isinstance(agent, Agent) else None,
        "group_name": group.name if isinstance(group, Group) else "",
        "client_name": client.name if isinstance(client, Client) else client or "",
        "advice": ADVICE.get(refusal.status, ADVICE[400]),
        "theme": theme if (theme := request.COOKIES.get("theme")) in THEMES else "",
    } | _way_on(request, agent)
    response = HttpResponse(render_to_string("errors/refused.html", context), status=refusal.status)
    if retry_after or refusal.status == 503:
        response.headers["Retry-After"] = str(retry_after or 5)
    return response


def _way_on(request: HttpRequest, agent: object) -> dict[str, str]:
    """What an agent can do next: sign in as somebody else without losing the call."""
    if not isinstance(agent, Agent):
        return {"next_url": "", "next_label": ""}
    target = Target(request.get_full_path())
    return {
        "next_url": sign_in_url(agent.group_id, target=target, switch=True),
        "next_label": "Sign in as somebody else",
    }
