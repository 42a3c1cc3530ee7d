"""`GET /bus/sso`: the agent signs in, or is signed in, and his browser takes a code back to the host."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from accounts import lockout
from groups import cookies
from groups.door import UNKNOWN_GROUP, active_group, group_id_of, sign_in_url
from groups.models import AgentSession, Group
from groups.targets import Target
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import why_not_text
from sso_portal.lib.web import NO_REFERRER, caller_of, is_navigation, origin_of, see_other
from tokens.connecting import ISSUE_CODE, issue_code
from tokens.models import ADDRESS_LENGTH, BusUse

LONGEST_STATE = 1024
TOO_MANY = Refusal(
    "too_many_requests",
    gettext_noop("The page that sent you here asks again and again. Please wait a minute."),
    429,
)
NOT_REGISTERED = Refusal(
    "address_not_registered",
    gettext_noop(
        "The page that sent you here is not registered with this group, so the portal does not go back to it."
    ),
    400,
)


@dataclass(frozen=True)
class Asked:
    """What the host asks for."""

    group: Group
    redirect_url: str
    state: str

    @classmethod
    def parse(cls, query: QueryDict) -> "Asked":
        """Read and judge the address. Raises Refused: there is no address yet that an error could go to."""
        group_id = group_id_of(query)
        if group_id is None:
            raise Refused(UNKNOWN_GROUP, {"action": ISSUE_CODE})
        group = active_group(group_id)
        redirect_url = _value_of("redirectUrl", query, group, longest=ADDRESS_LENGTH)
        state = _value_of("state", query, group, longest=LONGEST_STATE)
        registered = group.bus_addresses.filter(use=BusUse.REDIRECT, address=redirect_url)
        if not registered.exists():
            about = {"action": ISSUE_CODE, "group": group, "details": {"redirect_url": redirect_url}}
            raise Refused(NOT_REGISTERED, about)
        return cls(group, redirect_url, state)

    def address_with(self, code: str) -> str:
        """Where the browser goes on to; the address may have a query already."""
        joint = "&" if urlsplit(self.redirect_url).query else "" if self.redirect_url.endswith("?") else "?"
        told = {"code": code} | ({"state": self.state} if self.state else {})
        return f"{self.redirect_url}{joint}{urlencode(told)}"


@require_safe
def sso(request: HttpRequest) -> HttpResponse:
    """Send the signed-in agent back with a code; ask anybody else to sign in first."""
    if not is_navigation(request):
        return HttpResponse(status=204)
    asked = Asked.parse(request.GET)
    session = cookies.sessions_of(request).first()
    if session is None or not session.is_live() or session.agent.group_id != asked.group.pk:
        target = Target(request.get_full_path(), origins=[origin_of(asked.redirect_url)])
        return see_other(sign_in_url(asked.group.pk, target=target))
    AgentSession.objects.touch_if_due(session)
    if not lockout.may_go_on(limit="bus", who=session.sid):
        about = {"action": ISSUE_CODE, "group": asked.group, "agent": session.agent}
        raise Refused(TOO_MANY, about, retry_after=60)
    code = issue_code(session, redirect_url=asked.redirect_url, caller=caller_of(request))
    response = see_other(asked.address_with(code))
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def _value_of(name: str, query: QueryDict, group: Group, *, longest: int) -> str:
    given = query.getlist(name)
    why = "is given twice in this address" if len(given) > 1 else ""
    value = given[0] if given else ""
    if why := why or why_not_text(value, longest=longest):
        raise Refused(Refusal("malformed", f"{name} {why}.", 400), {"action": ISSUE_CODE, "group": group})
    return value
