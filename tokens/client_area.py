"""The client area: where a client company's own people arrive from their billing system, and go on into their CRM.

    /oauth/singlesignon.php?access_token=…   the entrance is spent, the session begins
    /client/<subdomain>/                     the portal's own page: who he is, where he can go, signing out
    /client/<subdomain>/?open=home           on into the CRM, at its home
    /client/<subdomain>/<path>               on into the CRM, at this path

Nobody signs in here: somebody without a session is told to come by his billing system. The last two mint a login that
the CRM redeems; `tokens.issuing_to_people` tells what it is. Where the client's hand-off is OpenID Connect, they are
pages that say that people are not handed over that way.
"""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods

from accounts import lockout
from groups import cookies
from groups.destinations import linked
from groups.models import ClientSession, HandOff, why_not_path
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import NO_REFERRER, caller_of, is_framed, is_navigation, see_other
from tokens.handing_off_people import hand_off_person
from tokens.issuing_to_people import HAND_OFF
from tokens.pop import open_in_tab
from tokens.redeeming_for_people import enter, sign_out

DOOR = "clients"
HOME = "open"  # the CRM's home, since the address without a path is the portal's own page
NO_PLACE = Refusal("no_place", gettext_noop("This is no place in the client's system."), 400)
USED_UP = Refusal(
    "link_used",
    gettext_noop("This link has been used already, or it is too old: it opens once, within a minute."),
    403,
)
TOO_MANY = Refusal(
    "too_many_requests", gettext_noop("This was tried very often just now. Please wait a minute."), 429
)


@require_http_methods(["GET", "HEAD"])
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Spend the entrance that a billing system asked for, and take its person to where he was going."""
    if not is_navigation(request):
        return HttpResponse(status=204)
    if is_framed(request):
        return open_in_tab(request)
    given = request.GET.getlist("access_token")
    secret = given[0].strip().lower() if len(given) == 1 else ""
    try:
        entered = enter(
            secret, replaces=cookies.client_sessions_of(request), caller=caller_of(request, door=DOOR)
        )
    except Refused as refused:
        refused.refusal = USED_UP
        raise
    token = entered.token
    response = see_other(
        f"{settings.PORTAL_URL}{address_of(token.client.subdomain, token.destination, token.path)}"
    )
    cookies.keep_client_session(response, entered.secret)
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


def address_of(subdomain: str, destination: str, path: str) -> str:
    """Where in the client area somebody goes on from: its page, or on into the CRM."""
    area = f"{reverse('client_area', args=[subdomain])}/"
    return f"{area}?{urlencode({HOME: 'home'})}" if destination and not path else f"{area}{path}"


@require_http_methods(["GET", "HEAD", "POST"])
def client_area(request: HttpRequest, subdomain: str) -> HttpResponse:
    """Show somebody who he is here and where he can go; on POST, sign him out."""
    if request.method == "POST":
        return _signed_out(request)
    if HOME in request.GET:
        return _take_on(request, subdomain, "")
    session = _session(request, subdomain)
    if session is None:
        return _come_in_again(request)
    client = session.person.client
    context = {
        "person": session.person,
        "client": client,
        "is_handed_on": client.hand_off != HandOff.OIDC,
        "home_url": address_of(client.subdomain, HOME, ""),
        "places": [
            {"label": label, "url": address_of(client.subdomain, label, path)}
            for label, path in linked(client)
        ],
    }
    return render(request, "tokens/client_area.html", context)


@require_http_methods(["GET", "HEAD"])
def into_crm(request: HttpRequest, subdomain: str, path: str) -> HttpResponse:
    """Take somebody on into his client's CRM, at this path."""
    query = request.META.get("QUERY_STRING", "")
    return _take_on(request, subdomain, f"{path}?{query}" if query else path)


def _take_on(request: HttpRequest, subdomain: str, path: str) -> HttpResponse:
    if not is_navigation(request):
        return HttpResponse(status=204)
    if is_framed(request):
        return open_in_tab(request)
    session = _session(request, subdomain)
    if session is None:
        return _come_in_again(request)
    client = session.person.client
    about = {"action": HAND_OFF, "actor": f"person:{session.person_id}", "client": client}
    if why_not_path(path):
        raise Refused(NO_PLACE, about)
    if client.hand_off == HandOff.OIDC:
        context = {"client": client, "area_url": address_of(client.subdomain, "", "")}
        return render(request, "tokens/client_not_handed_on.html", context, status=409)
    if not lockout.may_go_on(limit="pop", who=f"person:{session.person_id}"):
        raise Refused(TOO_MANY, about, retry_after=60)
    return hand_off_person(request, session, path=path)


def _session(request: HttpRequest, subdomain: str) -> ClientSession | None:
    """The live session of one of this client's people."""
    sessions = cookies.client_sessions_of(request).live()
    session = sessions.filter(person__client__subdomain=subdomain.lower()).first()
    if session is not None:
        ClientSession.objects.touch(session)
    return session


def _come_in_again(request: HttpRequest) -> HttpResponse:
    return render(request, "tokens/client_signed_out.html", {"was_signed_out": False}, status=403)


def _signed_out(request: HttpRequest) -> HttpResponse:
    sign_out(cookies.client_sessions_of(request), caller=caller_of(request, door=DOOR))
    response = render(request, "tokens/client_signed_out.html", {"was_signed_out": True})
    cookies.drop_client_session(response)
    return response
