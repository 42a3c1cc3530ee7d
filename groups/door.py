"""The group's own door: agents sign in by username, unlock, choose a password, sign out."""

from collections.abc import Iterable
from typing import Any, TypeGuard
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from groups import cookies, password_profiles, second_factors, standing
from groups.branding import brand_of, look_digest, stylesheet
from groups.factor_forms import FactorForms
from groups.forms import ChoosePasswordForm, SignInForm
from groups.models import AgentSession, AgentStatus, Client, Group, GroupLogo
from groups.networks import refuse_outside
from groups.signing_in import (
    MustChoosePassword,
    MustShowFactor,
    Pending,
    Proof,
    SignedIn,
    choose_password,
    proof_in,
    show_second_factor,
    sign_in,
)
from groups.targets import Target, seal, unseal
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Query, allow_forms_to, caller_of, keep_for_good, see_other

UNKNOWN_GROUP = Refusal("unknown_group", gettext_noop("There is no such group here."), 404)
BAD_GROUP = Refusal("bad_group", gettext_noop("The group must be given once, as a number."), 400)


def group_id_of(query: Query) -> int | None:
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
    session = cookies.sessions_of(request).first()
    if request.method == "POST":
        refuse_outside(group, caller=caller_of(request))
        return _answer_sign_in(request, group, session)
    if _is_of(session, group) and session.is_live() and _may_unlock(request):
        return see_other(_onward(request, group))
    refuse_outside(group, caller=caller_of(request))
    return _sign_in_form(request, group, session, SignInForm())


def choose_group(
    request: HttpRequest,
    *,
    action: str = "",
    kept: Iterable[tuple[str, str]] = (),
    client: Client | None = None,
) -> HttpResponse:
    """The door without a number on it: ask which group. `action` gets the answer, with all that is to be kept.

    `client` is the one that waits for the agent, if any: by then he knows that it does.
    """
    waiting = {"client_name": client.name, "caller_tail": ""} if client else None
    context = {"action": action or reverse("agent_sign_in"), "kept": list(kept), "waiting": waiting}
    return render(request, "groups/choose_group.html", context)


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
            target=_target_of(request),
            may_unlock=_may_unlock(request),
        )
    except Refused as refused:
        if refused.refusal.code != "wrong_credentials":
            raise
        audit.record_refusal(refused, caller=caller_of(request))
        form.add_error(None, _(refused.refusal.message))
        return _sign_in_form(request, group, session, form)
    return _go_on(request, group, result)


def _sign_in_form(
    request: HttpRequest, group: Group, session: AgentSession | None, form: SignInForm, status: int = 200
) -> HttpResponse:
    """The page with this form: only the password is asked of the agent whose session went idle here."""
    unlock = None
    if _is_of(session, group) and session.is_idle() and _may_unlock(request):
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
    refuse_outside(group, caller=caller_of(request))
    form = SignInForm(request.POST)
    form.add_error(None, _("This page was open for a long time. Please type your password once more."))
    return _sign_in_form(request, group, None, form, status=403)


@sensitive_post_parameters("new_password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password_page(request: HttpRequest) -> HttpResponse:
    """Let an agent who proved himself choose a password; then straight on to where he was going."""
    group = active_group(group_id_of(request.GET) or 0)
    refuse_outside(group, caller=caller_of(request))
    proof = _proof_of(request, step=MustChoosePassword, group=group)
    if proof is None:
        return _from_the_start(request)
    agent = proof.agent
    form = ChoosePasswordForm(request.POST if request.method == "POST" else None, agent=agent)
    if form.is_valid():
        password, replaces = form.cleaned_data["new_password"], cookies.sessions_of(request).first()
        result = choose_password(
            agent,
            password,
            replaces=replaces,
            caller=caller_of(request),
            target=_target_of(request),
            may_unlock=_may_unlock(request),
        )
        return _go_on(request, group, result) if result else _from_the_start(request)
    context = {
        "agent": agent,
        "form": form,
        "rules": password_profiles.rules(agent),
        "action": request.get_full_path(),
    }
    return _door_page(request, group, "groups/choose_password.html", context)


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Ask an agent who proved his password for his second factor, or let him set one up; then straight on."""
    group = active_group(group_id_of(request.GET) or 0)
    refuse_outside(group, caller=caller_of(request))
    proof = _proof_of(request, step=MustShowFactor, group=group)
    if proof is None:
        return _from_the_start(request)
    forms = FactorForms(request.POST if request.method == "POST" else None)
    if (shown := forms.shown()) is not None:
        signed_in = show_second_factor(
            proof,
            shown,
            replaces=cookies.sessions_of(request).first(),
            caller=caller_of(request),
            target=_target_of(request),
        )
        if signed_in:
            return _go_on(request, group, signed_in)
        forms.refuse()
    factors = second_factors.factors_of(proof.agent)
    ask = forms.asking if factors else forms.offering
    context = {"agent": proof.agent, "factors": factors, "action": request.get_full_path()}
    context |= ask(proof.agent, factors, nonce=proof.nonce)
    return _door_page(request, group, "groups/second_factor.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_out_page(request: HttpRequest) -> HttpResponse:
    """A button on GET; the end of the session on POST."""
    session = cookies.session_to_end(request)
    group = session.agent.group if session else None
    context = {
        "group": group,
        "brand": brand_of(group) if group else None,
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


@require_safe
def logo(request: HttpRequest, group_id: str, digest: str) -> HttpResponse:
    """A group's logo, for the pages of its door."""
    logo = GroupLogo.objects.filter(group_id=int(group_id), group__is_active=True, digest=digest).first()
    if logo is None:
        raise Http404
    response = HttpResponse(bytes(logo.image), content_type="image/png")
    keep_for_good(response)
    return response


@require_safe
def look(request: HttpRequest, group_id: str, digest: str) -> HttpResponse:
    """A group's colours as a stylesheet, for the pages of its door: they allow no style but from here."""
    group = Group.objects.select_related("logo").filter(pk=group_id, is_active=True).first()
    if group is None:
        raise Http404
    logo = group.logo if hasattr(group, "logo") else None
    if digest != look_digest(group.colour, logo.digest if logo else ""):
        raise Http404
    rules = stylesheet(group.colour, bytes(logo.image) if logo else None)
    response = HttpResponse(rules, content_type="text/css; charset=utf-8")
    keep_for_good(response)
    return response


def _is_of(session: AgentSession | None, group: Group) -> TypeGuard[AgentSession]:
    """Whether this is a session of one of this group's agents, who was not stopped."""
    return (
        session is not None
        and session.agent.group_id == group.pk
        and session.agent.status == AgentStatus.ACTIVE
    )


def _may_unlock(request: HttpRequest) -> bool:
    """Whether the session that is there will do; else everybody is asked for all that a sign-in takes."""
    return "switch" not in request.GET


def _target_of(request: HttpRequest) -> Target | None:
    """Where the agent was going, as a pop sealed it into this page's address."""
    return unseal(request.GET.get("to", ""))


def _onward(request: HttpRequest, group: Group) -> str:
    """Where the agent was going: the sealed target, else the launcher."""
    target = _target_of(request)
    return target.path if target else f"{reverse('launcher')}?group={group.pk}"


def _proof_of(
    request: HttpRequest, *, step: type[MustChoosePassword | MustShowFactor], group: Group
) -> Proof | None:
    return proof_in(request.COOKIES.get(settings.PENDING_COOKIE_NAME, ""), step=step, group=group)


def _from_the_start(request: HttpRequest) -> HttpResponse:
    return see_other(f"{reverse('agent_sign_in')}?{request.GET.urlencode()}")


def _go_on(request: HttpRequest, group: Group, result: SignedIn | Pending) -> HttpResponse:
    """To where the agent was going, or to the page that comes before, with the target kept."""
    if isinstance(result, SignedIn):
        response = see_other(_onward(request, group))
        cookies.keep_session(response, result.secret)
        return response
    page = "agent_choose_password" if isinstance(result, MustChoosePassword) else "agent_second_factor"
    response = see_other(f"{reverse(page)}?{request.GET.urlencode()}")
    cookies.keep_pending(response, result.pending)
    return response


def _door_page(
    request: HttpRequest, group: Group, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page of the door, which says who waits; its form may end at the waiting client's origins."""
    target = _target_of(request)
    # Only of the group's own clients: a stranger at the door learns nothing of the others.
    client = (
        Client.objects.filter(entitlements__group=group, subdomain=target.client).first() if target else None
    )
    waiting = {"client_name": client.name, "caller_tail": target.caller_tail} if target and client else None
    always = {"group": group, "brand": brand_of(group), "waiting": waiting}
    response = render(request, template, always | context, status=status)
    allow_forms_to(response, [*(client.origins if client else []), *(target.origins if target else [])])
    return response
