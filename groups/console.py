"""The console: an administrator's groups, and what happens in one of them."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import Administrator, Attempt, Event, Outcome
from groups.models import (
    Agent,
    AgentQuerySet,
    AgentSession,
    AgentStatus,
    Client,
    Group,
    Membership,
    ProvisionedBy,
)
from sso_portal.lib.web import see_other

PAGE = 50  # agents
NOT_ACTIVATED = Q(password="", provisioned_by=ProvisionedBy.ADMINISTRATOR)


def membership_of(request: HttpRequest, group_id: str) -> Membership:
    """The administrator's membership in this group. Raises Http404: a foreign group is a missing one."""
    membership = (
        Membership.objects.select_related("group")
        .filter(group_id=group_id, administrator=_administrator(request))
        .first()
    )
    if membership is None:
        raise Http404
    return membership


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The main door, from inside: the administrator's groups, or his only one."""
    groups = list(
        Membership.objects.filter(administrator=_administrator(request)).values_list("group", flat=True)[:2]
    )
    return see_other(reverse("group", args=groups) if len(groups) == 1 else reverse("groups"))


@login_required
@require_GET
def group_list(request: HttpRequest) -> HttpResponse:
    """The administrator's groups, side by side."""
    live = AgentSession.objects.live().filter(agent__group=OuterRef("group"))
    rows = (
        Membership.objects.filter(administrator=_administrator(request))
        .select_related("group")
        .annotate(
            agents=Count("group__agents"),
            signed_in=Subquery(
                live.order_by().values("agent__group").annotate(n=Count("agent", distinct=True)).values("n")
            ),
        )
        .order_by("group__name")
    )
    memberships = [
        {
            "group": row.group,
            "role": row.get_role_display(),
            "agents": row.agents,
            "signed_in": row.signed_in or 0,
        }
        for row in rows
    ]
    return render(request, "groups/group_list.html", {"memberships": memberships})


@login_required
@require_GET
def group_page(request: HttpRequest, group_id: str) -> HttpResponse:
    """One group: a few facts of now, and its agents."""
    membership = membership_of(request, group_id)
    group = membership.group
    after = request.GET.get("after", "")[:450]
    agents = list(_agents_after(group, after)[: PAGE + 1])
    client_names = [entitlement.client.name for entitlement in group.entitlements.select_related("client")]
    locked = set(Attempt.objects.locked().filter(door=group.door).values_list("name", flat=True))
    more = f"?{urlencode({'after': agents[PAGE - 1].username_key})}" if len(agents) > PAGE else ""
    address = f"{settings.PORTAL_URL}/sso/group"
    context = {
        "group": group,
        "current_group": group,
        "role": membership.get_role_display(),
        "facts": _facts(group, locked),
        "agents": [_row(agent, client_names, locked) for agent in agents[:PAGE]],
        "next_page_url": more,
        "first_page_url": reverse("group", args=[group.pk]) if after else "",
        "direct_address": f"{address}?group={group.pk}",
        "pop_example": f"{address}/{_example_client(group)}?group={group.pk}",
    }
    return render(request, "groups/group_page.html", context)


@login_required
@require_GET
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """What a reference number stands for, to administrators of the group it happened in."""
    groups = Membership.objects.filter(administrator=_administrator(request)).values("group")
    events = list(
        Event.objects.filter(reference=reference.strip().upper(), group_id__in=groups).order_by("pk")
    )
    if not events:
        raise Http404
    return render(request, "errors/reference.html", {"reference": events[0].reference, "events": events})


def _administrator(request: HttpRequest) -> Administrator:
    assert isinstance(request.user, Administrator)  # noqa: S101  (every view here asks for a sign-in)
    return request.user


def _agents_after(group: Group, after: str) -> AgentQuerySet:
    agents = Agent.objects.filter(group=group, username_key__gt=after).order_by("username_key")
    narrowed = agents.prefetch_related("narrowings__entitlement__client")
    return narrowed.annotate(is_signed_in=Exists(AgentSession.objects.live().filter(agent=OuterRef("pk"))))


def _facts(group: Group, locked: set[str]) -> list[dict[str, Any]]:
    now = timezone.now()
    agents = group.agents.aggregate(all=Count("pk"), pending=Count("pk", filter=NOT_ACTIVATED))
    signed_in = AgentSession.objects.live().filter(agent__group=group).values("agent").distinct().count()
    last_day = Event.objects.filter(
        group_id=group.pk, action="login.issue", at__gte=now - timedelta(hours=24)
    )
    logins = last_day.aggregate(
        issued=Count("pk", filter=Q(outcome=Outcome.OK)),
        refused=Count("pk", filter=Q(outcome=Outcome.REFUSED)),
    )
    return [
        _fact(_("Agents"), agents["all"], _("%(number)d not activated"), agents["pending"]),
        _fact(_("Signed in now"), signed_in),
        _fact(_("Logins in 24 hours"), logins["issued"], _("%(number)d refused"), logins["refused"]),
        _fact(_("Locked"), len(locked), _("after wrong passwords")),
    ]


def _fact(label: str, value: int, note: str = "", number: int = 0) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note % {"number": number}}


def _row(agent: Any, client_names: list[str], locked: set[str]) -> dict[str, Any]:
    kind, word = _standing(agent, locked)
    clients = (
        client_names if agent.all_clients else [n.entitlement.client.name for n in agent.narrowings.all()]
    )
    return {
        "username": agent.username,
        "full_name": agent.full_name,
        "subject": agent.subject,
        "status": kind,
        "status_word": word,
        "clients": ", ".join(sorted(clients)),
        "last_signed_in": agent.last_signed_in_at,
        "last_address": agent.last_address,
    }


def _standing(agent: Any, locked: set[str]) -> tuple[str, str]:
    """An agent's standing in one word, the gravest first."""
    if agent.status != AgentStatus.ACTIVE:
        return agent.status, agent.get_status_display()
    if agent.has_ended():
        return "ended", _("ended")
    if agent.username_key in locked:
        return "locked", _("locked")
    if not agent.password and agent.provisioned_by == ProvisionedBy.ADMINISTRATOR:
        return "pending", _("not activated")
    return ("active", _("signed in")) if agent.is_signed_in else ("off", _("active"))


def _example_client(group: Group) -> str:
    client = Client.objects.filter(entitlements__group=group).first()
    return client.subdomain if client else "client"
