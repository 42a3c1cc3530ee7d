"""An administrator's groups, and what happens in one of them now."""

from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from accounts.models import Attempt, Event, Outcome
from groups import counting
from groups.console.access import administrator_of
from groups.counting import Logins
from groups.finding_agents import NOT_ACTIVATED
from groups.models import Agent, AgentSession, Client, Group, Membership
from groups.wording import tell, worded_reason
from sso_portal.lib.charts import Bar, chart_of
from sso_portal.lib.web import see_other

WEEK = timedelta(days=7)
DAY = timedelta(hours=24)
LATELY = timedelta(minutes=10)
MOST_LOGINS, MOST_LOCKED = 8, 5
MOST_REASONS, MOST_REASONS_AND_REFUSALS = 5, 8  # the fewer reasons, the more of the latest


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


# --- One group, now --------------------------------------------------------------------------------------------------


def happening_in(group: Group, *, now: datetime) -> dict[str, Any]:
    """What happens in a group now, for its page: facts, charts, the latest logins and refusals, who is locked."""
    zone = timezone.get_current_timezone()
    today = now.astimezone(zone).date()
    logins = counting.logins_since(counting.start_of(today - WEEK, zone), group=group, now=now)
    locked, refusals = _locked(group), _refusals(group, now=now)
    latest = list(
        Event.objects.filter(group_id=group.pk, action=counting.ACTION).order_by("-at", "-pk")[:MOST_LOGINS]
    )
    told = tell([*latest, *refusals["latest"]], groups=[group.pk])
    return {
        "at": now,
        "facts": _facts(group, logins, now=now, zone=zone, locked=len(locked)),
        "today": _chart_of_day(today, zone, logins, now=now),
        "week": _chart_of_week(today, zone, logins),
        "latest": told[: len(latest)],
        "refusals": refusals | {"latest": told[len(latest) :]},
        "locked": locked[:MOST_LOCKED],
        "more_locked": max(len(locked) - MOST_LOCKED, 0),
        "is_quiet": not any(each.issued or each.refused for each in logins.values()),
    }


def addresses_of(group: Group) -> dict[str, str]:
    """Where the group's agents come in: what to show while nobody does yet."""
    address = f"{settings.PORTAL_URL}/sso/group"
    client = Client.objects.filter(entitlements__group=group).first()
    example = f"{address}/{client.subdomain}?group={group.pk}" if client else ""
    return {"direct_address": f"{address}?group={group.pk}", "pop_example": example}


def _facts(
    group: Group, logins: dict[datetime, Logins], *, now: datetime, zone: tzinfo, locked: int
) -> list[dict[str, Any]]:
    local = now.astimezone(zone)
    today = counting.total(logins, since=counting.start_of(local.date(), zone), until=now)
    agents = group.agents.aggregate(all=Count("pk"), pending=Count("pk", filter=NOT_ACTIVATED))
    signed_in = (
        AgentSession.objects.live()
        .filter(agent__group=group)
        .aggregate(
            all=Count("agent", distinct=True),
            lately=Count("agent", distinct=True, filter=Q(last_seen_at__gte=now - LATELY)),
        )
    )
    pending = ngettext("%s not activated", "%s not activated", agents["pending"])
    return [
        {
            "label": _("Signed in now"),
            "value": signed_in["all"],
            "note": _("%s busy in the last ten minutes") % _n(signed_in["lately"]),
        },
        {
            "label": _("Agents"),
            "value": agents["all"],
            "note": pending % _n(agents["pending"]) if agents["pending"] else _("all activated"),
        },
        {
            "label": _("Logins today"),
            "value": today.issued,
            "note": _("%(number)s by this time last %(weekday)s")
            % {
                "number": _n(_issued_a_week_ago(group, logins, local=local)),
                "weekday": date_format(local, "l"),
            },
        },
        {"label": _("Refused today"), "value": today.refused, "note": _share(today)},
        {
            "label": _("Locked now"),
            "value": locked,
            "note": _("after wrong passwords") if locked else _("nobody"),
        },
    ]


def _issued_a_week_ago(group: Group, logins: dict[datetime, Logins], *, local: datetime) -> int:
    """The logins issued on this day of last week, until the clocks showed the same time."""
    then = local - WEEK  # by the clock on the wall
    half_hour = counting.half_hour_of(then)
    since = counting.start_of(then.date(), then.tzinfo or timezone.get_current_timezone())
    whole = counting.total(logins, since=since, until=half_hour).issued
    return whole + counting.issued_between(half_hour, then, group=group)


def _share(logins: Logins) -> str:
    if not logins.refused:
        return _("none")
    share = 100 * logins.refused / (logins.issued + logins.refused)
    return _("%s %% of what was asked for") % number_format(share, 1)


def _chart_of_day(
    today: date, zone: tzinfo, logins: dict[datetime, Logins], *, now: datetime
) -> dict[str, Any]:
    """Hour by hour, with the same hours of a week ago behind."""
    before = {
        hour.begins_at.hour: hour.logins.issued for hour in counting.hours_of(today - WEEK, zone, logins)
    }
    weekday = date_format(today, "l")
    local = now.astimezone(zone)
    bars, rows = [], []
    for hour in counting.hours_of(today, zone, logins):
        begin = hour.begins_at
        name = f"{begin:%H:%M}–{(begin.hour + 1) % 24:02}:00"
        is_now = (begin.hour, begin.fold) == (local.hour, local.fold)
        earlier = before.get(begin.hour, 0)
        words = _("%(time)s: %(issued)s issued, %(refused)s refused; last %(weekday)s %(before)s issued") % {
            "time": name,
            "issued": _n(hour.logins.issued),
            "refused": _n(hour.logins.refused),
            "weekday": weekday,
            "before": _n(earlier),
        }
        labels = tuple(f"{begin:%H:%M}" if begin.hour % each == 0 else "" for each in (3, 6))
        bars.append(
            Bar(
                words, hour.logins.issued, hour.logins.refused, earlier, (labels[0], labels[1]), is_now=is_now
            )
        )
        is_over = begin <= local
        told = [_n(hour.logins.issued), _n(hour.logins.refused)] if is_over else ["", ""]
        rows.append([name, *told, _n(earlier)])
    return {
        "chart": chart_of(bars),
        "legend": [
            ("main", _("Issued")),
            ("top", _("Refused")),
            ("before", _("Last %s") % weekday),
        ],
        "head": [_("Hour"), _("Issued"), _("Refused"), _("Issued last %s") % weekday],
        "rows": rows,
    }


def _chart_of_week(today: date, zone: tzinfo, logins: dict[datetime, Logins]) -> dict[str, Any]:
    """Day by day: the last seven, and today."""
    bars, rows = [], []
    for back in range(7, -1, -1):
        day = today - timedelta(days=back)
        since, until = (counting.start_of(each, zone) for each in (day, day + timedelta(days=1)))
        n = counting.total(logins, since=counting.half_hour_of(since), until=counting.half_hour_of(until))
        name = date_format(day, "D j M")
        words = _("%(time)s: %(issued)s issued, %(refused)s refused") % {
            "time": name,
            "issued": _n(n.issued),
            "refused": _n(n.refused),
        }
        label = date_format(day, "D") if back else _("today")
        bars.append(Bar(words, n.issued, n.refused, None, (label, label), is_now=not back))
        rows.append([name, _n(n.issued), _n(n.refused)])
    return {
        "chart": chart_of(bars, wide=(560, 220)),
        "legend": [("main", _("Issued")), ("top", _("Refused"))],
        "head": [_("Day"), _("Issued"), _("Refused")],
        "rows": rows,
    }


def _refusals(group: Group, *, now: datetime) -> dict[str, Any]:
    """Whatever was refused in the last 24 hours: by reason, and the latest one by one."""
    refused = Event.objects.filter(group_id=group.pk, outcome=Outcome.REFUSED, at__gte=now - DAY)
    counted = (
        refused.order_by().values_list("reason").annotate(number=Count("pk")).order_by("-number", "reason")
    )
    reasons = [(worded_reason(reason), number) for reason, number in counted]
    most = max((number for _reason, number in reasons), default=0)
    shown = MOST_REASONS_AND_REFUSALS - len(reasons[:MOST_REASONS])
    return {
        "total": sum(number for _reason, number in reasons),
        "reasons": [(reason, number, most) for reason, number in reasons[:MOST_REASONS]],
        "more_reasons": max(len(reasons) - MOST_REASONS, 0),
        "latest": list(refused.order_by("-at", "-pk")[:shown]) if reasons else [],
    }


def _locked(group: Group) -> list[Agent]:
    """The agents whom wrong passwords keep out now, with `locked_until`; who was locked last comes first."""
    names = Attempt.objects.locked().filter(door=group.door)
    until = Subquery(names.filter(name=OuterRef("username_key")).values("locked_until"))
    agents = group.agents.filter(username_key__in=names.values("name")).annotate(locked_until=until)
    return list(agents.order_by(F("locked_until").desc(), "pk"))


def _n(number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)
