"""The activity of a group: its audit log, to search and to take away."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from accounts import audit
from accounts.event_log import events_in_batches, page_of_events
from accounts.models import Event, Outcome
from accounts.sealing import last_seal
from groups.console.access import group_page, show
from groups.finding_events import Search, find
from groups.models import Client, Group, Membership, Permission
from groups.wording import Family, tell, usernames
from sso_portal.lib.csvs import csv_response
from sso_portal.lib.json_lines import json_lines_response
from sso_portal.lib.web import caller_of

LONGEST_SEARCH = 200
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)
COLUMNS = (
    "at",
    "reference",
    "action",
    "outcome",
    "reason",
    "actor",
    "agent",
    "username",
    "client",
    "object",
    "door",
    "address",
    "agent_header",
    "details",
)


class DayField(forms.DateField):
    """A day, as browsers send it."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def __init__(self, label: Any) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=["%Y-%m-%d"],
            validators=[MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)],
            error_messages={"invalid": gettext_lazy("Write the day like 2026-01-31.")},
        )


class SearchForm(forms.Form):
    """What to look for."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=LONGEST_SEARCH,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": gettext_lazy("username, reference, e-mail…"),
            }
        ),
    )
    what = forms.ChoiceField(
        label=gettext_lazy("What"),
        required=False,
        choices=[("", gettext_lazy("Everything")), *Family.choices],
    )
    outcome = forms.ChoiceField(
        label=gettext_lazy("Outcome"),
        required=False,
        choices=[("", gettext_lazy("Any")), *Outcome.choices],
    )
    client = forms.ChoiceField(label=gettext_lazy("Client"), required=False)
    first = DayField(gettext_lazy("From"))
    last = DayField(gettext_lazy("To"))

    def __init__(self, *args: Any, group: Group, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clients = Client.objects.filter(entitlements__group=group).order_by("name")
        named = [(client.subdomain, client.name) for client in clients]
        asked = self.data.get("client", "")
        if asked and asked not in dict(named):  # one that the group had once
            named.append((asked, asked))
        self.fields["client"].choices = [("", _("All clients")), *named]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        first, last = told.get("first"), told.get("last")
        if first and last and last < first:
            self.add_error("last", _("This day is before the first. Choose a later one."))
        return told

    def search(self) -> Search:
        """What was asked for; fields that are wrong do not matter."""
        self.is_valid()
        told = self.cleaned_data
        return Search(
            words=" ".join(told.get("q", "").split()),
            family=told.get("what", ""),
            outcome=told.get("outcome", ""),
            client=told.get("client", ""),
            first_day=told.get("first"),
            last_day=told.get("last"),
        )


@group_page()
@require_GET
def activity(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Everything that happened in the group, the newest first."""
    group = membership.group
    form = SearchForm(request.GET, group=group)
    search = form.search()
    found = find(search, group=group, zone=timezone.get_current_timezone())
    page = page_of_events(found.events, request.GET)
    filters = urlencode([(name, form.data[name]) for name in form.fields if form.data.get(name)])
    export = reverse("activity_export", args=[group.pk])
    context = {
        "tab": "activity",
        "form": form,
        "page": page,
        "rows": tell(page.rows, groups=[group.pk]),
        "is_narrow": search.is_narrow,
        "since": found.since,
        "csv_url": f"{export}?{filters}{'&' if filters else ''}format=csv",
        "jsonl_url": f"{export}?{filters}{'&' if filters else ''}format=jsonl",
        "zone": timezone.get_current_timezone_name(),
        "kept_days": settings.EVENTS_KEPT.days,
        "seal": last_seal(),
    }
    return show(request, membership, "groups/activity.html", context)


@group_page(Permission.SEE, fresh=True)
@require_GET
def export(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The events that the list shows, all of them, as CSV or as JSON lines. Moments are UTC, words the audit log's."""
    group = membership.group
    search = SearchForm(request.GET, group=group).search()
    is_csv = request.GET.get("format") != "jsonl"
    found = find(search, group=group, zone=timezone.get_current_timezone(), everything=True)
    audit.record(
        "activity.export",
        caller=caller_of(request),
        actor=membership.actor,
        group=group,
        details={"format": "csv" if is_csv else "jsonl"} | search.in_words(),
    )
    name = f"activity-{group.code}-{timezone.localtime():%Y-%m-%d}"
    if is_csv:
        return csv_response(f"{name}.csv", COLUMNS, _cells(found.events, group))
    return json_lines_response(f"{name}.jsonl", _records(found.events, group))


def _records(events: Any, group: Group) -> Iterator[dict[str, Any]]:
    for batch in events_in_batches(events):
        names = usernames(batch, groups=[group.pk])
        for event in batch:
            yield _record(event, names)


def _cells(events: Any, group: Group) -> Iterator[Sequence[object]]:
    for record in _records(events, group):
        details = record["details"]
        told = json.dumps(details, ensure_ascii=False, separators=(",", ":")) if details else ""
        yield [*(record[name] for name in COLUMNS[:-1]), told]


def _record(event: Event, names: dict[str, str]) -> dict[str, Any]:
    told = {name: getattr(event, name, "") for name in COLUMNS}
    return told | {
        "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "username": names.get(event.agent, ""),
    }
