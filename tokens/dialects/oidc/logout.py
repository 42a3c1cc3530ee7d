"""Log-out that a relying party begins (OpenID Connect RP-Initiated Logout 1.0): its agent is asked, then sent back."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_noop
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from groups import cookies, standing
from groups.branding import brand_of
from groups.door import sign_in_url
from groups.models import AgentSession
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import why_not_text
from sso_portal.lib.web import allow_forms_to, caller_of, origin_of, same_with_get, see_other
from tokens import signing_keys
from tokens.models import RelyingParty, Use

ACTION = "agent.sign_out"
CONFIRMED = "csrfmiddlewaretoken"  # our own form alone brings it
LONGEST = {
    "id_token_hint": 8192,
    "client_id": 64,
    "post_logout_redirect_uri": 500,
    "state": 1024,
}  # others, as ui_locales and logout_hint, say nothing that is needed
UNKNOWN_ADDRESS = Refusal(
    "unknown_address",
    gettext_noop("The client’s system asks to go on to an address that it has not registered."),
    400,
)
UNKNOWN_PARTY = Refusal(
    "unknown_client", gettext_noop("The system that asks to sign you out is not known here."), 400
)
BAD_HINT = Refusal("invalid_hint", gettext_noop("The portal did not make the login that this is about."), 400)
MALFORMED = Refusal("malformed", gettext_noop("This request to sign out cannot be read."), 400)


@dataclass(frozen=True)
class LogoutRequest:
    """What a relying party asks for: whose log-out, and where the browser goes afterwards ("" for nowhere)."""

    relying_party: RelyingParty | None
    subject: str  # "" where it does not say whom it means
    onward: str

    @classmethod
    def parse(cls, query: QueryDict) -> "LogoutRequest":
        """Read the request. Raises Refused (400) for a party, a hint or an address that is not right."""
        given = {name: _value_of(name, query) for name in LONGEST}
        hint = _read_hint(given["id_token_hint"], given["client_id"])
        identifier = given["client_id"] or str(hint.get("aud", ""))
        party = _party_of(identifier) if identifier else None
        onward = _onward(party, given["post_logout_redirect_uri"], state=given["state"])
        return cls(party, str(hint.get("sub", "")), onward)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def logout(request: HttpRequest) -> HttpResponseBase:
    """`/oauth/logout`: a button on GET; on the POST of that button, the end of the session and the way back.

    The POST of a relying party brings neither the agent's cookie nor our token: it becomes a GET, and ends nothing.
    """
    if request.method == "POST" and CONFIRMED not in request.POST:
        return see_other(same_with_get(request))
    return _ask_or_sign_out(request)


@csrf_protect
def _ask_or_sign_out(request: HttpRequest) -> HttpResponseBase:
    asked = LogoutRequest.parse(request.GET)
    session = cookies.session_to_end(request)
    if request.method == "POST" and session:
        standing.sign_out(session, caller=caller_of(request))
    if session is None or request.method == "POST":
        response = see_other(asked.onward) if asked.onward else _signed_out(request, session)
        cookies.drop_session(response)
        return response
    return _ask(request, asked, session)


def _ask(request: HttpRequest, asked: LogoutRequest, session: AgentSession) -> HttpResponse:
    client = asked.relying_party.client if asked.relying_party else None
    context: dict[str, Any] = _about(session) | {
        "agent": session.agent,
        "client_name": client.name if client else "",
        "onward": asked.onward,
        "is_somebody_else": bool(asked.subject) and asked.subject != session.agent.subject,
        "action": request.get_full_path(),
    }
    response = render(request, "tokens/oidc_logout.html", context)
    allow_forms_to(response, [origin_of(asked.onward)] if asked.onward else [])
    return response


def _signed_out(request: HttpRequest, session: AgentSession | None) -> HttpResponse:
    """The portal's own last page, where the relying party named none."""
    sign_in = sign_in_url(session.agent.group_id) if session else reverse("agent_sign_in")
    context = _about(session) | {"signed_out": True, "sign_in_url": sign_in}
    return render(request, "groups/sign_out.html", context)


def _about(session: AgentSession | None) -> dict[str, Any]:
    group = session.agent.group if session else None
    return {"group": group, "brand": brand_of(group) if group else None}


def _value_of(name: str, query: QueryDict) -> str:
    given = query.getlist(name)
    value = given[0] if given else ""
    if len(given) > 1 or why_not_text(value, longest=LONGEST[name]):
        raise Refused(MALFORMED, {"action": ACTION})
    return value


def _read_hint(hint: str, identifier: str) -> dict[str, Any]:
    """What the ID token says that the relying party has, expired or not; nothing without one."""
    if not hint:
        return {}
    claims = signing_keys.read(hint)
    if claims is None or (identifier and claims.get("aud") != identifier):
        raise Refused(BAD_HINT, {"action": ACTION})
    return claims


def _party_of(identifier: str) -> RelyingParty:
    party = (
        RelyingParty.objects.select_related("client").filter(identifier=identifier, is_active=True).first()
    )
    if party is None:
        raise Refused(UNKNOWN_PARTY, {"action": ACTION})
    return party


def _onward(party: RelyingParty | None, address: str, *, state: str) -> str:
    """Where the browser goes afterwards: an address that this very party registered, letter by letter."""
    if not address:
        return ""
    if party is None or not party.addresses.filter(use=Use.LOGGED_OUT, address=address).exists():
        raise Refused(UNKNOWN_ADDRESS, {"action": ACTION, "client": party.client if party else None})
    if not state:
        return address
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode({'state': state})}"
