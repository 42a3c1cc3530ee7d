"""Where relying parties send agents to sign in: `/oauth/authorize` (wire.md, section 6)."""

from contextlib import nullcontext
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import audit
from groups import cookies
from groups.door import choose_group, sign_in_url
from groups.entering import Entry, entry_of, why_not_enter, with_entry
from groups.models import AgentSession, Entitlement, now_of
from groups.targets import Target
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import (
    NO_REFERRER,
    allow_forms_to,
    allow_frames_of,
    caller_of,
    is_framed,
    is_navigation,
    origin_of,
    reference_of,
    same_with_get,
    see_other,
)
from tokens import families
from tokens.dialects.oidc.requests import (
    CODE,
    FORM_POST,
    FRAGMENT,
    AuthorizationRequest,
    GoBack,
    Sender,
    marked,
    sender_of,
)
from tokens.handing_off import post_form
from tokens.id_tokens import id_token
from tokens.issuing import ACTION, CallContext, IssuedLogin, issue
from tokens.logins import call_of, login_of
from tokens.models import Kind, LoginToken, issued_last_minute
from tokens.pop import TOO_MANY, open_in_tab
from tokens.redeeming import Redemption, Spent, spend
from tokens.signing_keys import read

JUST_NOW = timedelta(minutes=5)  # from a sign-in that was asked for until the browser is back here


@csrf_exempt  # OpenID Connect Core, 3.1.2.1: a request may be posted; nothing is changed by that
@xframe_options_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Sign an agent in to the relying party that sent him here, and send him back with the answer."""
    if request.method == "POST":
        return see_other(same_with_get(request))
    if not is_navigation(request):
        return HttpResponse(status=204)
    sender = sender_of(request.GET)
    try:
        return _answer(request, AuthorizationRequest.parse(sender, request.GET))
    except GoBack as back:
        if back.refused is not None:
            audit.record_refusal(back.refused, caller=caller_of(request))
        return _send_back(request, sender, {"error": back.error, "error_description": back.description})


def _answer(request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
    """The answer to a request that is in order, or the page that comes before. Raises GoBack."""
    if is_framed(request) and not asked.is_silent:
        return open_in_tab(request, client_name=asked.sender.relying_party.client.name)
    session = _session_for(request, asked)
    if session is None or not _will_do(session, asked):
        if asked.is_silent:
            # Not for the log: applications ask this way, time and again, whether somebody is still there.
            raise GoBack("login_required", "Nobody is signed in, or not as this request asks for.")
        return _to_sign_in(request, asked, session)
    if not asked.is_silent:  # nobody sits there because of it
        AgentSession.objects.touch_if_due(session)
    return _send_back(request, asked.sender, _give(request, asked, session))


# --- Who is there ----------------------------------------------------------------------------------------------------


def _session_for(request: HttpRequest, asked: AuthorizationRequest) -> AgentSession | None:
    """This browser's live session, of the group that is asked for if any, with all that decides, in one SELECT."""
    client = asked.sender.relying_party.client
    launch = LoginToken.objects.unspent(asked.login_hint).filter(
        kind=Kind.LAUNCH, agent=OuterRef("agent"), client=client
    )
    sessions = with_entry(cookies.sessions_of(request), client=client, agent="agent")
    session = sessions.annotate(
        codes_last_minute=issued_last_minute("session", kinds=[Kind.CODE]), is_launched=Exists(launch)
    ).first()
    if session is None or not session.is_live():
        return None
    return session if asked.group_id in (None, session.agent.group_id) else None


def _will_do(session: AgentSession, asked: AuthorizationRequest) -> bool:
    """Whether this session is as young as the request wants it, and the agent whom it means.

    A sign-in that this very request asked for will do when it began after that, and the browser came straight back:
    the note of when it was asked is signed, and worth nothing for another request or an older session. A session that
    was unlocked by the password alone is as old as the second factor that it carries on.
    """
    proved, now = session.proved_at, now_of(session)
    if asked.is_silent and asked.id_token_hint:
        hint = read(asked.id_token_hint)
        if hint is None or hint.get("sub") != session.agent.subject:
            return False
    if asked.marked_at is not None and proved > asked.marked_at and now - proved <= JUST_NOW:
        return True
    if asked.wants_new_sign_in:
        return False
    return asked.max_age is None or now - proved <= timedelta(seconds=asked.max_age)


def _to_sign_in(
    request: HttpRequest, asked: AuthorizationRequest, session: AgentSession | None
) -> HttpResponse:
    """To the sign-in page of the agent's group, and back here; where nobody knows which group: ask."""
    sender, group_id = asked.sender, _group_of(asked, session)
    client, way = sender.relying_party.client, [origin_of(sender.redirect_uri)]
    if group_id is None:
        kept = [(name, str(value)) for name, value in request.GET.items() if name != "group"]
        response = choose_group(request, action=request.path, kept=kept, client=client)
        allow_forms_to(response, [*client.origins, *way])
        return response
    is_anew = asked.wants_new_sign_in or asked.max_age is not None
    query = marked(sender, request.GET) if is_anew else request.GET.urlencode()
    target = Target(f"{request.path}?{query}", client.subdomain, origins=way)
    is_asked_for_all = session is not None or asked.wants_new_sign_in
    return see_other(sign_in_url(group_id, target=target, switch=is_asked_for_all))


def _group_of(asked: AuthorizationRequest, session: AgentSession | None) -> int | None:
    """Where to sign in: as the request says, else the group of the session or launch, else the only one entitled."""
    if asked.group_id is not None:
        return asked.group_id
    if session is not None and session.entry is not None:  # type: ignore[attr-defined]  # annotated
        return session.agent.group_id
    client = asked.sender.relying_party.client
    launches = LoginToken.objects.unspent(asked.login_hint).filter(kind=Kind.LAUNCH, client=client)
    launched = launches.values_list("group", flat=True).first() if asked.login_hint else None
    if launched is not None:
        return launched
    entitled = Entitlement.objects.filter(client=client, group__is_active=True)
    groups = list(entitled.order_by("pk").values_list("group", flat=True)[:2])
    return groups[0] if len(groups) == 1 else None


# --- What he gets ----------------------------------------------------------------------------------------------------


def _give(request: HttpRequest, asked: AuthorizationRequest, session: AgentSession) -> dict[str, str]:
    """The code or the tokens, written down. Raises GoBack for an agent who may not enter, or comes too often."""
    client = asked.sender.relying_party.client
    entry = entry_of(session, agent=session.agent, asked=client.subdomain)
    about = {
        "action": ACTION,
        "actor": f"agent:{session.agent.subject}",
        "group": session.agent.group,
        "client": client,
        "agent": session.agent,
    }
    codes: int = session.codes_last_minute  # type: ignore[attr-defined]  # annotated
    if settings.RATE_LIMITS and codes >= settings.LIMITS_PER_MINUTE["pop"]:
        raise GoBack("temporarily_unavailable", "Too many sign-ins. Wait a minute.", Refused(TOO_MANY, about))
    if refusal := why_not_enter(entry):
        raise _denied(request, Refused(refusal, about))
    is_one_act = asked.response_type == CODE and not session.is_launched  # type: ignore[attr-defined]  # annotated
    try:
        with nullcontext() if is_one_act else transaction.atomic():
            issued = _issue(request, asked, session, entry)
            if asked.response_type == CODE:
                return {"code": issued.secret}
            return _tokens(request, asked, issued)
    except Refused as refused:
        refused.about, refused.recorded = about | refused.about, False  # its event went with the transaction
        raise _denied(request, refused) from refused


def _denied(request: HttpRequest, refused: Refused) -> GoBack:
    """The "no" of the one rule, as OAuth words it; the reference leads the group's administrators to the reason."""
    description = f"{refused.refusal.message} Reference: {reference_of(request)}."
    return GoBack("access_denied", description, refused)


def _issue(
    request: HttpRequest, asked: AuthorizationRequest, session: AgentSession, entry: Entry
) -> IssuedLogin:
    """Issue the code, with the call that the launch brings, if there is one. In a transaction."""
    launched = _launched(request, asked, session)
    call, departments, campaigns = CallContext(), None, None
    if launched is not None:
        token, entry = launched.token, launched.entry
        call, departments, campaigns = call_of(token), token.departments, token.campaigns
    return issue(
        entry,
        kind=Kind.CODE,
        actor=f"agent:{session.agent.subject}",
        caller=caller_of(request),
        call=call,
        session=session,
        issued_to=asked.sender.relying_party,
        terms={
            "redirect_uri": asked.sender.redirect_uri,
            "scope": asked.scope,
            "nonce": asked.nonce,
            "challenge": asked.challenge,
        },
        departments=departments,
        campaigns=campaigns,
    )


def _launched(request: HttpRequest, asked: AuthorizationRequest, session: AgentSession) -> Redemption | None:
    """What the portal began this sign-in with: spent, so that another tab never gets its call.

    None for any other hint, one that was just spent included: the sign-in goes on without a call.
    """
    if not session.is_launched:  # type: ignore[attr-defined]  # annotated
        return None
    spent: Spent = spend(asked.login_hint, kind=Kind.LAUNCH, relying_party=None, caller=caller_of(request))
    return spent.redemption() if not spent.why else None


def _tokens(request: HttpRequest, asked: AuthorizationRequest, issued: IssuedLogin) -> dict[str, str]:
    """ID token and access token, by the same way that a code takes. In a transaction."""
    party = asked.sender.relying_party
    spent = spend(issued.secret, kind=Kind.CODE, relying_party=party, caller=caller_of(request))
    redemption = spent.redemption()
    family = families.start(redemption, relying_party=party, scope=asked.scope, nonce=asked.nonce)
    tokens = families.give(family, refresh=False)
    signed = id_token(
        login_of(redemption),
        relying_party=party,
        scope=asked.scope,
        nonce=asked.nonce,
        access_token=tokens.access,
    )
    return {
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": str(int(tokens.access_lifetime.total_seconds())),
        "scope": asked.scope,
        "id_token": signed,
    }


# --- The way back ----------------------------------------------------------------------------------------------------


def _send_back(request: HttpRequest, sender: Sender, told: dict[str, str]) -> HttpResponse:
    """The answer, at the registered address, in the response mode that was asked for."""
    told = told | ({"state": sender.state} if sender.state else {}) | {"iss": settings.PORTAL_URL}
    if sender.mode == FORM_POST:
        client = sender.relying_party.client
        response = post_form(request, client, address=sender.redirect_uri, fields=told)
        if is_framed(request):  # silent, and by the application itself
            allow_frames_of(response, [origin_of(sender.redirect_uri)])
    else:
        glue = "#" if sender.mode == FRAGMENT else "&" if "?" in sender.redirect_uri else "?"
        response = see_other(f"{sender.redirect_uri}{glue}{urlencode(told)}")
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response
