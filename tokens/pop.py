"""The pop: the telephone system opens one address a call, and the agent is in the right CRM (wire.md, section 1)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from groups import cookies, dialling
from groups.dialling import Route
from groups.door import active_group, group_id_of, sign_in_url
from groups.entering import client_at, entry_of, with_entry
from groups.models import AgentSession, Group, HandOff
from groups.targets import Target
from sso_portal.lib.arrivals import Answer, Arrival
from sso_portal.lib.metrics import AGENTS_DOOR, NEEDS_SIGN_IN, count_event
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.telephone import Dialled
from sso_portal.lib.text import last_four, why_not_text
from sso_portal.lib.web import (
    NO_REFERRER,
    Caller,
    Query,
    allow_any_frame,
    caller_of,
    failure_of,
    is_framed,
    is_navigation,
    issued_already,
    reference_of,
    same_with_get,
    see_other,
    see_other_at_once,
    usual_query,
)
from tokens import at_once
from tokens.handing_off import address_of, hand_off, into_crm, origins_on_the_way, way_into
from tokens.issuing import ACTION, CallContext, issue
from tokens.logins import call_of
from tokens.models import Kind, issued_last_minute
from tokens.redeeming import redeem

LONGEST = {"did": 64, "cid": 64, "call_id": 128, "campaign_id": 64, "destination": 64}
# What telephone systems send when they do not know a value: @Call.ANI@  {{Contact.Id}}  {ani}  $.ContactId  %ani%
# %caller% (the last, unencoded, begins with what reads like a percent-encoded byte, and arrives as U+FFFD).
PLACEHOLDER = re.compile(r"@[^@\s]*@|\{\{.*\}\}|\{.*\}|[%\ufffd][^%\s]*%|\[\[?.*\]?\]|\$\{.*\}|\$\.\S+")
DESTINATION = re.compile(r"[A-Za-z0-9:_.-]*")
UNKNOWN_NUMBER = "unknown_number"
POPS = (Kind.HAND_OFF, Kind.LAUNCH, Kind.SIGNED)  # what a pop issues
TOO_MANY = Refusal(
    "too_many_requests", gettext_noop("This is more calls than anybody can take. Please wait a minute."), 429
)


@dataclass(frozen=True)
class PopRequest:
    """What a pop asks for."""

    group_id: int
    subdomain: str  # "" while only the dialled number says which client
    call: CallContext
    placeholders: tuple[str, ...]  # names whose value the telephone system had not filled in

    @classmethod
    def parse(cls, subdomain: str, query: Query) -> "PopRequest":
        """Read a pop's address. Raises Refused (400) for what cannot be meant."""
        group_id = group_id_of(query)
        if group_id is None:
            raise _malformed("The group's number is missing from this address.", subdomain)
        try:
            return cls._with_call(group_id, subdomain, query)
        except Refused as refused:
            refused.about["group"] = Group(pk=group_id)  # so that its administrators find it
            raise

    @classmethod
    def _with_call(cls, group_id: int, subdomain: str, query: Query) -> "PopRequest":
        values = {name: _value_of(name, query, subdomain) for name in LONGEST}
        placeholders = tuple(name for name, value in values.items() if value and PLACEHOLDER.fullmatch(value))
        call = CallContext(**(values | dict.fromkeys(placeholders, "")))
        if not DESTINATION.fullmatch(call.destination):
            raise _malformed("The destination is a name, not an address.", subdomain)
        return cls(group_id, subdomain.lower(), call, placeholders)

    @property
    def dialled(self) -> Dialled:
        """What the dialled number may mean."""
        return Dialled.parse(self.call.did)

    @property
    def details(self) -> dict[str, Any]:
        """What the audit log keeps of it beside the call."""
        return {"placeholders": list(self.placeholders)} if self.placeholders else {}

    def led_to(self, route: Route) -> "PopRequest":
        """The pop of the client that its dialled number leads to."""
        call = self.call._replace(campaign_id=self.call.campaign_id or route.campaign)
        return replace(self, subdomain=route.subdomain, call=call)


def _value_of(name: str, query: Query, subdomain: str) -> str:
    given = query.getlist(name)
    if not given:
        return ""
    if len(given) > 1:
        raise _malformed(f"{name} is given twice in this address.", subdomain)
    value = given[0].strip()
    if why := why_not_text(value, longest=LONGEST[name]):
        raise _malformed(f"{name} {why}.", subdomain)
    return value


def _malformed(message: str, subdomain: str) -> Refused:
    return Refused(Refusal("malformed", message, 400), {"action": ACTION, "client": subdomain})


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def pop(request: HttpRequest, subdomain: str) -> HttpResponse:
    """Take a signed-in agent from the telephone system's pop into the client's CRM."""
    return _take_in(request, subdomain)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def routed_pop(request: HttpRequest) -> HttpResponse:
    """Take a signed-in agent into the CRM of the client that the dialled number leads to."""
    return _take_in(request, subdomain="")


def is_routed(query: QueryDict) -> bool:
    """Whether the address names a dialled number (an unreplaced placeholder is none)."""
    return any(did.strip() and not PLACEHOLDER.fullmatch(did.strip()) for did in query.getlist("did"))


def missed_number(request: HttpRequest) -> PopRequest | None:
    """The routed pop that this would be, had the telephone system filled in the dialled number; None for no pop."""
    if not request.GET.get("did", "").strip() or not is_navigation(request):
        return None
    return PopRequest.parse("", request.GET)


def _take_in(request: HttpRequest, subdomain: str) -> HttpResponse:
    if request.method == "POST":
        return see_other(same_with_get(request))
    if not is_navigation(request):
        return HttpResponse(status=204)
    asked = PopRequest.parse(subdomain, request.GET)
    if is_framed(request):
        return open_in_tab(request)
    if failure := failure_of(request):
        raise failure
    issued: at_once.Issued | None = issued_already(request)
    if issued:
        return into_crm(request, issued.client, secret=issued.secret)
    return _take_in_step_by_step(asked, request)


def pop_at_once(arrival: Arrival, caller: Caller, subdomain: str) -> Answer | None:
    """`pop`, where all is as usual, in one statement. None: nothing was done, or it takes a page to hand off."""
    cookie = arrival.COOKIES.get(settings.AGENT_COOKIE_NAME, "")
    if arrival.method != "GET" or not cookie or is_framed(arrival) or not is_navigation(arrival):
        return None
    try:
        asked = PopRequest.parse(subdomain, usual_query(arrival))
    except (Refused, ValueError):
        return None
    issued = at_once.pop(
        cookie,
        group_id=asked.group_id,
        subdomain=asked.subdomain,
        call=asked.call,
        details=asked.details,
        caller=caller,
    )
    if issued and issued.hand_off != HandOff.REDIRECT:
        arrival.issued = issued  # `pop` words the page
        return None
    return see_other_at_once(address_of(issued, secret=issued.secret)) if issued else None


def _take_in_step_by_step(asked: PopRequest, request: HttpRequest) -> HttpResponse:
    session = _session_before(asked, request)
    if session is None:
        return _to_sign_in(asked, request)
    AgentSession.objects.touch_if_due(session)
    if not asked.subdomain:
        asked = _routed(asked, session)
    actor = f"agent:{session.agent.subject}"
    way = way_into(entry_of(session, agent=session.agent, asked=asked.subdomain), actor=actor)
    issued = issue(
        way.entry,
        kind=way.kind,
        actor=actor,
        caller=caller_of(request),
        call=asked.call,
        session=session,
        details=asked.details,
    )
    return hand_off(request, issued, way)


@require_http_methods(["GET", "HEAD"])
def enter(request: HttpRequest) -> HttpResponse:
    """Spend a login that software asked for, and hand its agent off the way the client wants it.

    Nobody is signed in by it. Where the hand-off is `oidc`, the CRM begins an ordinary sign-in, which asks an agent
    without a session here to sign in to the group that the login was issued in.
    """
    if not is_navigation(request):
        return HttpResponse(status=204)
    caller = caller_of(request)
    redemption = redeem(request.GET.get("token", ""), kind=Kind.ENTRANCE, caller=caller)
    token = redemption.token
    actor = f"agent:{token.agent.subject}"
    way = way_into(redemption.entry, actor=actor)
    issued = issue(
        way.entry,
        kind=way.kind,
        actor=actor,
        caller=caller,
        call=call_of(token),
        departments=token.departments,
        campaigns=token.campaigns,
    )
    return hand_off(request, issued, way)


def _session_before(asked: PopRequest, request: HttpRequest) -> AgentSession | None:
    """The live session of the asked group, with all that decides, in one SELECT. None: sign in first."""
    sessions: QuerySet[AgentSession] = cookies.sessions_of(request)
    if asked.subdomain:
        client = client_at(asked.subdomain)
    else:
        client = dialling.client_of(asked.dialled, group_id=asked.group_id)
        sessions = dialling.with_route(sessions, dialled=asked.dialled, group_id=asked.group_id)
    sessions = with_entry(sessions, client=client, agent="agent")
    session = sessions.annotate(pops_last_minute=issued_last_minute("session", kinds=POPS)).first()
    if session is None or not session.is_live() or session.agent.group_id != asked.group_id:
        return None
    if not session.agent.group.is_active:
        active_group(asked.group_id)
    if settings.RATE_LIMITS and session.pops_last_minute >= settings.LIMITS_PER_MINUTE["pop"]:
        about = {"action": ACTION, "group": session.agent.group, "agent": session.agent}
        raise Refused(TOO_MANY, about, retry_after=60)
    return session


def _routed(asked: PopRequest, session: AgentSession) -> PopRequest:
    """The pop of the client that the number leads to. Raises Refused (404) for a number that leads nowhere."""
    route = dialling.route_of(session, dialled=asked.dialled)
    if route is None:
        agent = session.agent
        about = {
            "action": ACTION,
            "actor": f"agent:{agent.subject}",
            "group": agent.group,
            "agent": agent,
            "details": {"call": asked.call.for_audit()} | asked.details,
        }
        raise Refused(unknown_number(asked.call.did), about)
    return asked.led_to(route)


def unknown_number(did: str) -> Refusal:
    """The refusal of a call whose dialled number leads nowhere."""
    tail = last_four(did)
    named = _("No client is assigned to the number …%(tail)s.") % {"tail": tail}
    message = named if tail else _("No client is assigned to this number.")
    return Refusal(UNKNOWN_NUMBER, message, 404)


def _to_sign_in(asked: PopRequest, request: HttpRequest) -> HttpResponse:
    active_group(asked.group_id)
    subdomain = asked.subdomain
    if not subdomain and (route := dialling.find_route(asked.dialled, group_id=asked.group_id)):
        subdomain = route.subdomain
    origins = origins_on_the_way(subdomain, group_id=asked.group_id)
    count_event(action=ACTION, outcome=NEEDS_SIGN_IN, door=AGENTS_DOOR)
    return see_other(sign_in_url(asked.group_id, target=target_of(request, subdomain, origins=origins)))


def target_of(request: HttpRequest, subdomain: str, *, origins: Iterable[str] = ()) -> Target:
    """Where this pop was going, for the pages that come in between: they say which client and caller wait."""
    return Target(
        request.get_full_path(),
        subdomain,
        last_four(request.GET.get("cid", ""))[-2:],
        reference=reference_of(request),
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        origins=list(origins),
    )


def open_in_tab(request: HttpRequest, *, client_name: str = "") -> HttpResponse:
    """A frame of another site gets no cookie: offer the same address in a tab.

    `client_name` is the client whose page framed it; "" where a telephone system did.
    """
    context = {"url": request.get_full_path(), "client_name": client_name}
    response = render(request, "tokens/open_in_tab.html", context)
    response.headers["Referrer-Policy"] = NO_REFERRER
    allow_any_frame(response)
    return response
