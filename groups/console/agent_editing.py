"""Adding an agent, and changing what is known of one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from groups import editing_agents, standing
from groups.console.access import group_page, show
from groups.console.agent_codes import show_codes
from groups.console.agent_forms import AgentForm, NewAgentForm
from groups.console.agent_page import agent_of
from groups.models import Membership, Permission
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, see_other


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_new(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Add an agent; with an activation code, which the answer shows once."""
    group, by, caller = membership.group, membership.actor, caller_of(request)
    form = NewAgentForm(request.POST if request.method == "POST" else None, group=group)
    if form.is_valid():
        try:
            agent = editing_agents.create(
                group=group, profile=form.profile, access=form.access, by=by, caller=caller
            )
        except Refused as refused:
            form.add_error(refused.refusal.field or None, refused.refusal.message)
        else:
            back = reverse("agent", args=[group.pk, agent.subject])
            if form.cleaned_data["give_code"]:
                code = standing.give_activation_code(agent, by=by, caller=caller)
                return show_codes(request, membership, [(agent, code)], back=back, is_new=True)
            messages.success(request, _("%(name)s was added.") % {"name": agent.full_name})
            return see_other(back)
    context = {"tab": "agents", "form": form, "cancel_url": reverse("agents", args=[group.pk])}
    return show(request, membership, "groups/agent_form.html", context)


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_edit(request: HttpRequest, membership: Membership, subject: str) -> HttpResponseBase:
    """Change an agent: names, e-mail address, end date, clients and campaigns."""
    agent = agent_of(membership, subject)
    back = reverse("agent", args=[membership.group_id, subject])
    form = AgentForm(request.POST if request.method == "POST" else None, group=membership.group, agent=agent)
    if form.is_valid():
        try:
            changed = editing_agents.update(
                agent,
                profile=form.profile,
                access=form.access,
                seen=form.cleaned_data["seen"],
                by=membership.actor,
                caller=caller_of(request),
            )
        except Refused as refused:
            if refused.refusal.code == "changed_meanwhile":
                form = AgentForm(group=membership.group, agent=agent_of(membership, subject))
                messages.error(request, refused.refusal.message)
            else:
                form.add_error(refused.refusal.field or None, refused.refusal.message)
        else:
            told = _("The changes were saved.") if changed else _("Nothing was changed.")
            messages.success(request, told)
            return see_other(back)
    context = {"tab": "agents", "form": form, "agent": agent, "cancel_url": back}
    return show(request, membership, "groups/agent_form.html", context)
