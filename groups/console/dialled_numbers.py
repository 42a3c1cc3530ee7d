"""The group's dialled numbers: the list, adding, changing and removing one, CSV in and out."""

import string
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from accounts import audit
from groups.console.access import group_page, show
from groups.console.clients import routed_url
from groups.dialling import Assignment, add_number, change_number, remove_number
from groups.grants import Granted, granted_to
from groups.models import (
    NAME_LENGTH,
    Campaign,
    DialledNumber,
    Group,
    Membership,
    NumberImport,
    Permission,
    validate_text,
)
from groups.number_imports import (
    COLUMNS,
    KEPT,
    MOST_ROWS,
    Kind,
    Row,
    Verdict,
    apply,
    check,
    judged,
    leave,
    rows_of,
)
from sso_portal.lib import telephone
from sso_portal.lib.csvs import UnreadableCSV, csv_response
from sso_portal.lib.paging import in_batches, page_of
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, is_fragment, see_other

LONGEST_SEARCH = 100
VERDICTS_A_PAGE = 100
TO_LOOK_AT = (Kind.FAULTY, Kind.CHANGE, Kind.NEW, Kind.UNCHANGED)  # what an import's page shows, first of all


class CountryField(forms.ChoiceField):
    """Whose numbers are written without a country code."""

    def __init__(self, **kwargs: Any) -> None:
        none = gettext_lazy("None: begins with +")
        super().__init__(choices=lambda: [("", none), *telephone.countries()], required=False, **kwargs)


class NumberForm(forms.Form):
    """A dialled number and where it leads."""

    number = forms.CharField(
        label=gettext_lazy("Dialled number"),
        max_length=telephone.LONGEST,
        help_text=gettext_lazy("The number that callers dial, as in +1 800 555 0101."),
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off", "autofocus": True}),
    )
    country = CountryField(
        label=gettext_lazy("Country"),
        help_text=gettext_lazy("Whose number it is, where the country code is left out."),
    )
    client = forms.ChoiceField(label=gettext_lazy("Leads to"))
    campaign = forms.ChoiceField(
        label=gettext_lazy("Campaign"),
        required=False,
        help_text=gettext_lazy(
            "The client's CRM is told this campaign, unless the telephone system names one."
        ),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=NAME_LENGTH,
        required=False,
        validators=[validate_text],
        help_text=gettext_lazy("For yourselves: where this number is printed, for instance."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, granted: list[Granted], url: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.granted = {one.client.subdomain: one for one in granted}
        self.fields["client"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            ("", _("Choose a client")),
            *((subdomain, one.client.name) for subdomain, one in self.granted.items()),
        ]
        # With script, only the chosen client's campaigns are offered; without, those of every client, by client.
        self.fields["client"].widget.attrs |= {
            "hx-get": url,
            "hx-target": "#campaign-of-client",
            "hx-include": "this",
        }
        self.fields["campaign"].choices = [("", _("Every campaign")), *self._campaigns()]  # type: ignore[attr-defined]  # as above

    def _campaigns(self) -> list[Any]:
        chosen = self.granted.get(str(self["client"].value() or ""))
        if chosen and not self.is_bound:
            return _named(chosen)
        return [(one.client.name, _named(one)) for one in self.granted.values() if one.campaigns]

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        if "number" in typed:
            try:
                self.number_in_full = telephone.e164(typed["number"], country=typed.get("country", ""))
            except telephone.NotANumber as error:
                self.add_error("number", str(error))
        if typed.get("client") and typed.get("campaign") and self._campaign is None:
            self.add_error("campaign", _("This campaign belongs to another client. Please choose again."))
        return typed

    @property
    def _campaign(self) -> Campaign | None:
        campaigns = self.granted[self.cleaned_data["client"]].campaigns
        return next((one for one in campaigns if str(one.pk) == self.cleaned_data["campaign"]), None)

    @property
    def assignment(self) -> Assignment:
        """What was typed into a form that is valid."""
        client = self.granted[self.cleaned_data["client"]].client
        return Assignment(self.number_in_full, client, self._campaign, self.cleaned_data["note"])


class ImportForm(forms.Form):
    """A CSV file of dialled numbers."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Please choose a file.")},
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )
    country = CountryField(
        label=gettext_lazy("Country of the numbers"),
        help_text=gettext_lazy("Whose numbers they are, where the country code is left out."),
    )


def _named(granted: Granted) -> list[tuple[str, str]]:
    return [(str(one.pk), f"{one.number}: {one.name}") for one in granted.campaigns]


# --- The list --------------------------------------------------------------------------------------------------------


@group_page()
@require_GET
def dialled_numbers(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The group's dialled numbers, as they are searched for; to htmx the list alone."""
    group = membership.group
    query = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    subdomain = request.GET.get("client", "")[:63]
    clients = [entitlement.client for entitlement in group.entitlements.select_related("client")]
    found = _found(group, query=query, subdomain=subdomain)
    page = page_of(found.select_related("client", "campaign"), request.GET, order=["number"])
    granted = {client.pk for client in clients}
    context = {
        "tab": "group_clients",
        "query": query,
        "subdomain": subdomain,
        "clients": sorted(clients, key=lambda client: client.name.casefold()),
        "page": page,
        "rows": [{"number": row, "is_granted": row.client_id in granted} for row in page.rows],
        "count": (count := found.count()),
        "has_numbers": bool(count) or group.dialled_numbers.exists(),
        "routed_url": routed_url(group),
        "is_fragment": is_fragment(request),
    }
    template = "groups/_dialled_numbers_found.html" if is_fragment(request) else "groups/dialled_numbers.html"
    return show(request, membership, template, context)


def _found(group: Group, *, query: str, subdomain: str) -> QuerySet[DialledNumber]:
    """Numbers by their digits, however these are written, or by the client's name and the note."""
    numbers = DialledNumber.objects.filter(group=group)
    if subdomain:
        numbers = numbers.filter(client__subdomain=subdomain)
    if not query:
        return numbers
    digits = "".join(c for c in query if c in string.digits)
    if any(c.isalpha() for c in query) or not digits:
        named = Q(client__name__icontains=query) | Q(client__subdomain__icontains=query)
        return numbers.filter(named | Q(note__icontains=query))
    return numbers.filter(Q(number__contains=digits.lstrip("0") or digits) | Q(note__icontains=query))


@group_page(fresh=True)
@require_GET
def export_numbers(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Every dialled number of the group, as CSV; an import reads it again."""
    group = membership.group
    audit.record(
        "dialled_numbers.export",
        caller=caller_of(request),
        actor=membership.actor,
        group=group,
        details={"numbers": group.dialled_numbers.count()},
    )
    return csv_response(f"numbers-{group.code}.csv", COLUMNS, _exported(group))


def _exported(group: Group) -> Iterator[list[object]]:
    for batch in in_batches(DialledNumber.objects.filter(group=group).select_related("client", "campaign")):
        for row in batch:
            yield [row.number, row.client.subdomain, row.campaign.number if row.campaign else "", row.note]


# --- One number ------------------------------------------------------------------------------------------------------


@group_page(Permission.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def add_number_page(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Let another number lead to a client."""
    initial = {name: request.GET.get(name, "") for name in ("number", "client", "country")}
    form = _number_form(request, membership.group, reverse("add_number", args=[membership.group.pk]), initial)
    if is_fragment(request) and request.method == "GET":
        return show(request, membership, "groups/_dialled_numbers_campaign.html", {"form": form})
    if form.is_valid():
        try:
            row = add_number(
                membership.group, form.assignment, by=membership.actor, caller=caller_of(request)
            )
        except Refused as refused:
            form.add_error(refused.refusal.field or None, refused.refusal.message)
        else:
            _say_done(request, _("%(number)s leads to %(client)s from now on."), row)
            return see_other(_back(request, membership.group, form))
    return _number_page(request, membership, form, title=_("Add a dialled number"), button=_("Add number"))


@group_page(Permission.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def change_number_page(request: HttpRequest, membership: Membership, number_id: str) -> HttpResponseBase:
    """Let a number lead elsewhere."""
    row = _number_or_404(membership.group, number_id)
    initial = {
        "number": row.readable,
        "client": row.client.subdomain,
        "campaign": str(row.campaign_id or ""),
        "note": row.note,
    }
    url = reverse("add_number", args=[membership.group.pk])
    form = _number_form(request, membership.group, url, initial)
    if form.is_valid():
        try:
            change_number(row, form.assignment, by=membership.actor, caller=caller_of(request))
        except Refused as refused:
            form.add_error(refused.refusal.field or None, refused.refusal.message)
        else:
            row = form.assignment.fill(row)
            _say_done(request, _("%(number)s leads to %(client)s from now on."), row)
            return see_other(_back(request, membership.group, form))
    title = _("Change %(number)s") % {"number": row.readable}
    return _number_page(request, membership, form, title=title, button=_("Save"), row=row)


@group_page(Permission.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def remove_number_page(request: HttpRequest, membership: Membership, number_id: str) -> HttpResponseBase:
    """Ask, then let a number lead nowhere."""
    row = _number_or_404(membership.group, number_id)
    said = {"number": row.readable, "client": row.client.name}
    list_url = reverse("dialled_numbers", args=[membership.group.pk])
    if request.method == "POST":
        remove_number(row, by=membership.actor, caller=caller_of(request))
        messages.success(request, _("%(number)s leads nowhere from now on.") % said)
        return see_other(list_url)
    context = {
        "tab": "group_clients",
        "title": _("Remove %(number)s") % said,
        "text": _(
            "Calls to this number lead to %(client)s now. Once it is removed, a routed pop for it opens no client: "
            "the agent is told so, and chooses by hand."
        )
        % said,
        "button": _("Remove number"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": list_url,
    }
    return show(request, membership, "groups/confirm.html", context)


def _number_or_404(group: Group, number_id: str) -> DialledNumber:
    row = group.dialled_numbers.select_related("group", "client", "campaign").filter(pk=number_id).first()
    if row is None:
        raise Http404
    return row


def _number_form(request: HttpRequest, group: Group, url: str, initial: dict[str, str]) -> NumberForm:
    typed = request.POST if request.method == "POST" else None
    return NumberForm(typed, initial=initial, granted=granted_to(group), url=url)


def _number_page(
    request: HttpRequest,
    membership: Membership,
    form: NumberForm,
    *,
    title: str,
    button: str,
    row: DialledNumber | None = None,
) -> HttpResponseBase:
    context = {
        "tab": "group_clients",
        "form": form,
        "title": title,
        "button": button,
        "number": row,
        "has_clients": bool(form.granted),
    }
    return show(request, membership, "groups/dialled_numbers_form.html", context)


def _say_done(request: HttpRequest, text: str, row: DialledNumber) -> None:
    messages.success(request, text % {"number": row.readable, "client": row.client.name})
    if not telephone.is_usual(row.number):
        messages.info(
            request, _("Please check it once more: its country gives out no numbers like this one.")
        )


def _back(request: HttpRequest, group: Group, form: NumberForm) -> str:
    """Where the form was opened from: the client's page, or the list."""
    subdomain = request.GET.get("client", "")
    if subdomain and subdomain == form.cleaned_data["client"]:
        return reverse("group_client", args=[group.pk, subdomain])
    return reverse("dialled_numbers", args=[group.pk])


# --- CSV -------------------------------------------------------------------------------------------------------------


@group_page(Permission.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def import_numbers(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Take a CSV file and check it; nothing changes yet."""
    group = membership.group
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            checked = check(
                group,
                file.read(),
                country=form.cleaned_data["country"],
                file_name=file.name or "",
                by=membership.actor,
            )
        except UnreadableCSV as error:
            form.add_error("file", str(error))
        else:
            return see_other(reverse("number_import", args=[group.pk, checked.pk]))
    context = {
        "tab": "group_clients",
        "form": form,
        "most_rows": MOST_ROWS,
        "example": _example(group),
    }
    return show(request, membership, "groups/dialled_numbers_import.html", context)


def _example(group: Group) -> str:
    subdomains = list(
        group.entitlements.values_list("client__subdomain", flat=True).order_by("client__name")[:2]
    )
    first, second = (subdomains * 2)[:2] or ("demoaws", "demoaws")
    return f"number,client,campaign,note\n+1 800 555 0101,{first},1,web site\n+44 20 7183 8750,{second},,"


@group_page(Permission.MANAGE_CLIENTS)
@require_http_methods(["GET", "POST"])
def number_import(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """What a checked file would do, row by row; then do it, or forget it."""
    checked = _import_or_404(membership.group, import_id)
    list_url = reverse("dialled_numbers", args=[membership.group.pk])
    if request.method == "POST" and request.POST.get("act") == "leave":
        leave(checked)
        messages.success(request, _("The file was put aside. Nothing has changed."))
        return see_other(list_url)
    if request.method == "POST":
        counted = apply(checked, by=membership.actor, caller=caller_of(request))
        if counted is None:
            raise Http404  # somebody else was faster
        messages.success(request, _said(counted))
        return see_other(list_url)
    verdicts = judged(membership.group, rows_of(checked))
    return show(
        request, membership, "groups/dialled_numbers_checked.html", _checked(request, checked, verdicts)
    )


@group_page(Permission.MANAGE_CLIENTS)
@require_GET
def number_import_faults(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """The faulty rows of a checked file with what is wrong with each, as CSV."""
    checked = _import_or_404(membership.group, import_id)
    rows = (
        _fault_row(one.row, one.words)
        for one in judged(membership.group, rows_of(checked))
        if one.kind == Kind.FAULTY
    )
    return csv_response("faulty-rows.csv", ["line", *COLUMNS, "fault"], list(rows))


def _fault_row(row: Row, words: str) -> list[object]:
    return [row.line, row.number, row.client, row.campaign, row.note, words]


def _import_or_404(group: Group, import_id: str) -> NumberImport:
    checked = group.number_imports.select_related("group").filter(pk=import_id).first()
    if checked is None:
        raise Http404
    return checked


def _checked(request: HttpRequest, checked: NumberImport, verdicts: list[Verdict]) -> dict[str, Any]:
    counted = Counter(verdict.kind for verdict in verdicts)
    asked = request.GET.get("show", "")
    first = next(kind for kind in TO_LOOK_AT if counted[kind])
    kind = Kind(asked) if asked in Kind.values else first
    after = int(given) if (given := request.GET.get("after", "")).isdecimal() and len(given) < 9 else 0
    beyond = [verdict for verdict in verdicts if verdict.kind == kind and verdict.row.line > after]
    shown = beyond[:VERDICTS_A_PAGE]
    return {
        "tab": "group_clients",
        "checked": checked,
        "counts": [
            (one, one.label, counted[one]) for one in (Kind.NEW, Kind.CHANGE, Kind.UNCHANGED, Kind.FAULTY)
        ],
        "kind": kind,
        "verdicts": shown,
        "faulty": counted[Kind.FAULTY],
        "to_do": counted[Kind.NEW] + counted[Kind.CHANGE],
        "next_url": f"?show={kind}&after={shown[-1].row.line}" if len(beyond) > len(shown) else "",
        "first_url": f"?show={kind}" if after else "",
        "kept_hours": int(KEPT.total_seconds()) // 3600,
    }


def _said(counted: Counter[Kind]) -> str:
    parts = [
        ngettext("%(n)s number added", "%(n)s numbers added", counted[Kind.NEW])
        % {"n": f"{counted[Kind.NEW]:,}"},
        ngettext("%(n)s changed", "%(n)s changed", counted[Kind.CHANGE]) % {"n": f"{counted[Kind.CHANGE]:,}"},
    ]
    if faulty := counted[Kind.FAULTY]:
        parts.append(
            ngettext("%(n)s faulty row left out", "%(n)s faulty rows left out", faulty) % {"n": f"{faulty:,}"}
        )
    return ", ".join(parts) + "."
