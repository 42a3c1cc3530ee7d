"""An agent's own page on his second factors: a lost telephone shall not be the end of his shift."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from groups import cookies, second_factors
from groups.branding import brand_of
from groups.changing_factors import add_factor, is_fresh, nonce_of, remove_factor
from groups.door import active_group, group_id_of, sign_in_url
from groups.factor_forms import FactorForms
from groups.models import AgentSession
from groups.networks import refuse_outside
from groups.targets import Target
from sso_portal.lib.web import caller_of, see_other


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def own_factors_page(request: HttpRequest) -> HttpResponse:
    """Show the signed-in agent his second factors; let him add and remove some, when he has just shown one."""
    group = active_group(group_id_of(request.GET) or 0)
    here = f"{reverse('agent_own_factors')}?group={group.pk}"
    session = cookies.sessions_of(request).first()
    if session is None or not session.is_live() or session.agent.group_id != group.pk:
        return see_other(sign_in_url(group.pk, target=Target(here)))
    refuse_outside(group, caller=caller_of(request))
    AgentSession.objects.touch_if_due(session)
    may_change = is_fresh(session)
    forms = FactorForms(request.POST if request.method == "POST" and "remove" not in request.POST else None)
    if request.method == "POST":
        if not may_change:
            return see_other(here)
        if _change(request, session, forms):
            return see_other(here)
    factors = second_factors.factors_of(session.agent)
    context = {
        "group": group,
        "brand": brand_of(group),
        "agent": session.agent,
        "factors": factors,
        "may_change": may_change,
        "may_remove": may_change and (len(factors) > 1 or not group.needs_second_factor),
        "asks_again": not may_change and bool(factors or group.needs_second_factor),
        "sign_in_url": sign_in_url(group.pk, target=Target(here), switch=True),
        "action": here,
    }
    if may_change:
        context |= forms.offering(session.agent, factors, nonce=nonce_of(session, session.agent))
    return render(request, "groups/own_factors.html", context)


def _change(request: HttpRequest, session: AgentSession, forms: FactorForms) -> bool:
    """Do what was asked for; whether the page begins anew."""
    caller = caller_of(request)
    if "remove" in request.POST:
        if remove_factor(session, request.POST["remove"], caller=caller):
            messages.success(request, _("It was removed. From now on it lets nobody in."))
        return True
    shown = forms.shown()
    if shown is None:
        return False
    if not add_factor(session, shown, caller=caller):
        forms.refuse()
        return False
    messages.success(request, _("It was added. From the next sign-in on you can use it."))
    return True
