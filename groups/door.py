"""The group's own door: agents sign in by username, unlock, choose a password, sign out."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import audit
from groups import cookies, standing
from groups.forms import ChoosePasswordForm, SignInForm
from groups.models import AgentSession, AgentStatus, Client, Group
from groups.signing_in import MustChoosePassword, SignedIn, choose_password, pending_agent, sign_in
from groups.targets import Target, seal, unseal
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import allow_forms_to, caller_of, see_other

UNKNOWN_GROUP = Refusal("unknown_group", "There is no such group here.", 404)
BAD_GROUP = Refusal("bad_group", "The group must be given once, as a number.", 400)


def group_id_of(query: QueryDict) -> int | None:
    """The group that the address names; None when it names none. Raises Refused when it is no group number."""
    given = query.getlist("group")
    if not given:
        return None
    if len(given) > 1 or not (given[0].isascii() and given[0].isdigit() and len(given[0]) <= 9):
        raise Refused(BAD_GROUP, {"action": "agent.sign_in"})
    return int(given[0])


def active_group(group_id: int) -> Group:
    """The group of this number. Raises Refused for one that is unknown or inactive, alike."""
    group = Group.objects.filter(pk=group_id, is_active=True).first()
    if group is None:
        raise Refused(UNKNOWN_GROUP, {"action": "agent.sign_in"})
    return group


def sign_in_url(group_id: int, *, target: Target | None = None, switch: bool = False) -> str:
    """The address of a group's sign-in page; `switch` asks even somebody who is signed in."""
    query = {"group": str(group_id)}
    if target is not None:
        query["to"] = seal(target)
    if switch:
        query["switch"] = "1"
    return f"{reverse('agent_sign_in')}?{urlencode(query)}"


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """Ask for username and password, or for the password alone when a session went idle; then straight on."""
    group_id = group_id_of(request.GET)
    if group_id is None:
        return choose_group(request)
    group = active_group(group_id)
    session = _open_session(request)
    if request.method == "POST":
        return _answer_sign_in(request, group, session)
    if session and session.is_live() and session.agent.group_id == group.pk and "switch" not in request.GET:
        return see_other(_onward(request, group))
    return _sign_in_form(request, group, session, SignInForm())


def choose_group(request: HttpRequest) -> HttpResponse:
    """The door without a number on it: ask which group."""
    return render(request, "groups/choose_group.html", {"action": reverse("agent_sign_in")})


def _answer_sign_in(request: HttpRequest, group: Group, session: AgentSession | None) -> HttpResponse:
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _sign_in_form(request, group, session, form)
    try:
        result = sign_in(
            group=group,
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password"],
            replaces=session,
            caller=caller_of(request),
        )
    except Refused as refused:
        if refused.refusal.code != "wrong_credentials":
            raise
        audit.record_refusal(refused, caller=caller_of(request))
        form.add_error(None, refused.refusal.message)
        return _sign_in_form(request, group, session, form)
    if isinstance(result, MustChoosePassword):
        response = see_other(f"{reverse('agent_choose_password')}?{request.GET.urlencode()}")
        cookies.keep_pending(response, result.pending)
        return response
    return _straight_on(request, group, result)


def _sign_in_form(
    request: HttpRequest, group: Group, session: AgentSession | None, form: SignInForm, status: int = 200
) -> HttpResponse:
    """The page with this form: only the password is asked of the agent whose session went idle here."""
    unlock = None
    if (
        session
        and not session.is_live()
        and session.agent.group_id == group.pk
        and "switch" not in request.GET
    ):
        unlock = session.agent
        form.for_unlocking(unlock.username)
    context = {
        "form": form,
        "unlock": unlock,
        "action": request.get_full_path(),
        "switch_url": f"{request.path}?{request.GET.urlencode()}&switch=1",
    }
    return _door_page(request, group, "groups/sign_in.html", context, status)


def stale_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in form again, with its target kept, for a POST whose CSRF token was missing or stale."""
    group = active_group(group_id_of(request.GET) or 0)
    form = SignInForm(request.POST)
    form.add_error(None, "This page was open for a long time. Please type your password once more.")
    return _sign_in_form(request, group, None, form, status=403)


@sensitive_post_parameters("new_password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password_page(request: HttpRequest) -> HttpResponse:
    """Let an agent who proved himself choose a password; then straight on to where he was going."""
    group = active_group(group_id_of(request.GET) or 0)
    agent = pending_agent(request.COOKIES.get(settings.PENDING_COOKIE_NAME, ""), group=group)
    if agent is None:
        return see_other(f"{reverse('agent_sign_in')}?{request.GET.urlencode()}")
    form = ChoosePasswordForm(request.POST if request.method == "POST" else None, agent=agent)
    if form.is_valid():
        password, replaces = form.cleaned_data["new_password"], _open_session(request)
        signed_in = choose_password(agent, password, replaces=replaces, caller=caller_of(request))
        if signed_in is None:
            return see_other(f"{reverse('agent_sign_in')}?{request.GET.urlencode()}")
        return _straight_on(request, group, signed_in)
    context = {
        "agent": agent,
        "form": form,
        "rules": password_validators_help_texts(),
        "action": request.get_full_path(),
    }
    return _door_page(request, group, "groups/choose_password.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_out_page(request: HttpRequest) -> HttpResponse:
    """A button on GET; the end of the session on POST."""
    session = _open_session(request)
    group = session.agent.group if session else None
    context = {
        "group": group,
        "agent": session.agent if session else None,
        "signed_out": session is None or request.method == "POST",
        "sign_in_url": sign_in_url(group.pk) if group else reverse("agent_sign_in"),
    }
    if request.method == "POST" and session:
        standing.sign_out(session, caller=caller_of(request))
    response = render(request, "groups/sign_out.html", context)
    if context["signed_out"]:
        cookies.drop_session(response)
    return response


def _open_session(request: HttpRequest) -> AgentSession | None:
    session = cookies.sessions_of(request).first()
    if session is None or not session.is_open() or session.agent.status != AgentStatus.ACTIVE:
        return None
    return session


def _onward(request: HttpRequest, group: Group) -> str:
    """Where the agent was going: the sealed target, else the launcher."""
    target = unseal(request.GET.get("to", ""))
    return target.path if target else f"{reverse('launcher')}?group={group.pk}"


def _straight_on(request: HttpRequest, group: Group, signed_in: SignedIn) -> HttpResponse:
    response = see_other(_onward(request, group))
    cookies.keep_session(response, signed_in.secret)
    return response


def _door_page(
    request: HttpRequest, group: Group, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page of the door, which says who waits; its form may end at the waiting client's origins."""
    target = unseal(request.GET.get("to", ""))
    # Only of the group's own clients: a stranger at the door learns nothing of the others.
    client = (
        Client.objects.filter(entitlements__group=group, subdomain=target.client).first() if target else None
    )
    waiting = {"client_name": client.name, "caller_tail": target.caller_tail} if target and client else None
    response = render(request, template, {"group": group, "waiting": waiting} | context, status=status)
    if client:
        allow_forms_to(response, client.origins)
    return response
