"""The trace of a pop, found by a reference number: what each refusal page tells people to pass on."""

import re

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from groups import tracing
from groups.console.access import administrator_of
from groups.models import Membership
from sso_portal.lib.times import zone_of
from sso_portal.lib.web import see_other

REFERENCE = re.compile(r"[0-9A-Za-z-]{1,20}")


@login_required
@require_GET
def find_reference(request: HttpRequest) -> HttpResponse:
    """A box for a reference number, and from there to its trace."""
    typed = request.GET.get("reference", "").strip()
    if REFERENCE.fullmatch(typed):
        return see_other(reverse("reference", args=[typed.upper()]))
    context = {"typed": typed, "is_unknown": bool(typed)}
    return render(request, "groups/trace.html", context, status=404 if typed else 200)


@login_required
@require_GET
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """What a reference number stands for, to administrators of the group it happened in."""
    administrator = administrator_of(request)
    memberships = Membership.objects.filter(administrator=administrator).select_related("group")
    groups = {membership.group_id: membership.group for membership in memberships}
    trace = tracing.find(reference, groups=groups.keys(), now=timezone.now())
    if trace is None:  # or it is of a group that is not theirs: the same
        context = {"typed": reference, "is_unknown": True}
        return render(request, "groups/trace.html", context, status=404)
    group = groups[trace.group_id]
    with timezone.override(zone_of(administrator.time_zone, group.time_zone)):
        context = {"trace": trace, "group": group, "current_group": group, "typed": trace.reference}
        return render(request, "groups/trace.html", context)
