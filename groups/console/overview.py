"""An administrator's groups, and what happens in one of them now."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import Attempt, Event, Outcome
from groups.console.access import administrator_of, group_page, show
from groups.models import AgentSession, Client, Group, Membership, ProvisionedBy
from sso_portal.lib.web import see_other

NOT_ACTIVATED = Q(password="", provisioned_by=ProvisionedBy.ADMINISTRATOR)


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The main door, from inside: the administrator's groups, or his only one."""
    groups = list(
        Membership.objects.filter(administrator=administrator_of(request)).values_list("group", flat=True)[:2]
    )
    return see_other(reverse("group", args=groups) if len(groups) == 1 else reverse("groups"))


@login_required
@require_GET
def group_list(request: HttpRequest) -> HttpResponse:
    """The administrator's groups, side by side."""
    live = AgentSession.objects.live().filter(agent__group=OuterRef("group"))
    rows = (
        Membership.objects.filter(administrator=administrator_of(request))
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


@group_page()
@require_GET
def overview(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """One group: what happens now."""
    group = membership.group
    locked = set(Attempt.objects.locked().filter(door=group.door).values_list("name", flat=True))
    address = f"{settings.PORTAL_URL}/sso/group"
    context = {
        "tab": "group",
        "facts": _facts(group, locked),
        "direct_address": f"{address}?group={group.pk}",
        "pop_example": f"{address}/{_example_client(group)}?group={group.pk}",
    }
    return show(request, membership, "groups/overview.html", context)


@login_required
@require_GET
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """What a reference number stands for, to administrators of the group it happened in."""
    groups = Membership.objects.filter(administrator=administrator_of(request)).values("group")
    events = list(
        Event.objects.filter(reference=reference.strip().upper(), group_id__in=groups).order_by("pk")
    )
    if not events:
        raise Http404
    return render(request, "errors/reference.html", {"reference": events[0].reference, "events": events})


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


def _example_client(group: Group) -> str:
    client = Client.objects.filter(entitlements__group=group).first()
    return client.subdomain if client else "client"
