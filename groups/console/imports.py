"""CSV files of agents: upload, progress, preview, applying, report."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from groups.console.access import group_page, show
from groups.console.agent_codes import direct_address
from groups.console.import_words import (
    LAMPS,
    changes_in_words,
    facts_of,
    failure_in_words,
    faults_in_words,
    verdict_in_words,
)
from groups.importing.applying import WRONG_NUMBER, apply, why_not_apply
from groups.importing.checking import check, receive
from groups.importing.judging import Kind
from groups.importing.rows import MOST_ROWS, READ, visible
from groups.importing.working import batches, claim, start
from groups.models import Agent, AgentImport, Group, ImportKind, ImportState, Membership, Permission
from groups.standing import give_activation_codes
from sso_portal.lib.csvs import UnreadableCSV, csv_response
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import canonical_name
from sso_portal.lib.web import Caller, caller_of, is_fragment, see_other

ROWS_A_PAGE = 50
IMPORTS_SHOWN = 10
LEAVING = "leaving"
LOOKED_AT_FIRST = ("faulty", LEAVING, "change", "new", "unchanged")


class UploadForm(forms.Form):
    """A CSV file of agents."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Please choose a file.")},
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )


class RosterForm(UploadForm):
    """A CSV file with everybody who works in the group."""

    with_api = forms.BooleanField(
        label=gettext_lazy("Agents made by the SSO API leave too"),
        required=False,
        help_text=gettext_lazy(
            "Otherwise those whom your software made by asking for their first login stay as they are."
        ),
    )


class ApplyForm(forms.Form):
    """How many agents a roster disables, typed in where they are many."""

    number = forms.CharField(
        label=gettext_lazy("How many agents will be disabled?"),
        max_length=12,
        error_messages={"required": gettext_lazy("Please type the number.")},
        help_text=gettext_lazy(
            "These are more than one in five. Type the number, so that a wrong file disables nobody."
        ),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )


# --- Upload ------------------------------------------------------------------------------------------------------


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_import(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Take a CSV file of agents, new ones or known ones."""
    return _upload_page(request, membership, ImportKind.AGENTS, UploadForm)


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agent_roster(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Take a CSV file with everybody who works in the group: who is missing has left."""
    return _upload_page(request, membership, ImportKind.ROSTER, RosterForm)


@group_page(Permission.MANAGE_AGENTS)
@require_GET
def agent_import_template(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """A file that names the columns, to be filled in."""
    return csv_response("agents.csv", READ, [])


def _upload_page(
    request: HttpRequest, membership: Membership, kind: ImportKind, form_class: type[UploadForm]
) -> HttpResponseBase:
    form = form_class(request.POST, request.FILES) if request.method == "POST" else form_class()
    if form.is_valid() and (asked := _receive(form, membership, kind)):
        start(partial(check, asked.pk, asked.worker))
        return see_other(_page_of(asked))
    context = {
        "tab": "agents",
        "form": form,
        "is_roster": kind == ImportKind.ROSTER,
        "imports": AgentImport.objects.filter(group=membership.group).light().order_by("-pk")[:IMPORTS_SHOWN],
        "most_rows": MOST_ROWS,
        "example": _example(membership.group),
    }
    return show(request, membership, "groups/import.html", context)


def _receive(form: UploadForm, membership: Membership, kind: ImportKind) -> AgentImport | None:
    file = form.cleaned_data["file"]
    try:
        return receive(
            file.read(),
            group=membership.group,
            kind=kind,
            file_name=visible(file.name),
            with_api=form.cleaned_data.get("with_api", False),
            by=membership.actor,
        )
    except UnreadableCSV as unreadable:
        form.add_error("file", str(unreadable))
    except Refused as refused:
        form.add_error("file", _(refused.refusal.message))
    return None


def _example(group: Group) -> str:
    """A file for this group: its own clients, so that it can be imported as it is."""
    clients = list(group.entitlements.order_by("pk").values_list("client__subdomain", flat=True)[:2])
    return "\n".join(
        [
            "username;full_name;email;end_date;clients",
            f"j.doe;Jane Doe;jane.doe@example.com;;{'*' if clients else ''}",
            f"k.low;Kim Low;;{timezone.localdate().year + 1}-03-31;{' '.join(clients)}",
        ]
    )


# --- One import --------------------------------------------------------------------------------------------------


@group_page(Permission.MANAGE_AGENTS)
@require_GET
def agent_import_page(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """How far an import is; then what it would do, row by row; then what it did."""
    asked = _import_of(membership, import_id)
    if not is_fragment(request):
        return _show_import(request, membership, asked, ApplyForm())
    if not asked.is_at_work():
        return HttpResponse(headers={"HX-Refresh": "true"})
    return show(request, membership, "groups/_import_progress.html", {"import": asked})


@group_page(Permission.MANAGE_AGENTS)
@require_POST
def agent_import_check(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """Go on with a check that was interrupted."""
    asked = _import_of(membership, import_id)
    worker = _claimed(request, asked, ImportState.CHECKING)
    if worker:
        start(partial(check, asked.pk, worker))
    return see_other(_page_of(asked))


@group_page(Permission.MANAGE_AGENTS)
@require_POST
def agent_import_apply(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """Do what a checked import says."""
    asked = _import_of(membership, import_id)
    only_good = request.POST.get("rows") == "good"
    refusal = why_not_apply(asked, only_good=only_good, number=request.POST.get("number", ""))
    if refusal == WRONG_NUMBER:
        form = ApplyForm(request.POST)
        if not form.has_error("number"):
            form.add_error("number", _(refusal.message))
        return _show_import(request, membership, asked, form)
    if refusal:
        return _back_with(request, asked, refusal)
    worker = _claimed(request, asked, ImportState.APPLYING)
    if worker:
        how: dict[str, Any] = {"only_good": only_good, "by": membership.actor, "caller": caller_of(request)}
        start(partial(apply, asked.pk, worker, **how))
    return see_other(_page_of(asked))


@group_page(Permission.MANAGE_AGENTS)
@require_GET
def agent_import_report(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """The verdict on each row, as CSV."""
    asked = _import_of(membership, import_id)
    applied = asked.state == ImportState.APPLIED
    rows = [
        (line, username, verdict_in_words(kind, applied=applied), " ".join(_told(kind, notes)))
        for line, username, kind, notes in asked.verdicts
    ]
    leavers = _leavers(asked, asked.leavers)
    rows += [("", agent.username, verdict_in_words(LEAVING, applied=applied), "") for agent in leavers]
    header = [_("Line"), _("Username"), _("Verdict"), _("Why")]
    return csv_response(f"import-{asked.pk}.csv", header, rows)


@group_page(Permission.MANAGE_AGENTS, fresh=True)
@require_http_methods(["GET", "POST"])
def agent_import_codes(request: HttpRequest, membership: Membership, import_id: str) -> HttpResponseBase:
    """New activation codes for the agents whom an import added and who have no password yet, as CSV, shown once."""
    asked = _import_of(membership, import_id)
    if request.method == "GET":  # back from showing the second factor: the button is there
        return see_other(_page_of(asked))
    if asked.state != ImportState.APPLIED:
        raise Http404
    names = [username for _line, username, kind, _notes in asked.verdicts if kind == Kind.NEW]
    rows = _codes(asked.group, names, by=membership.actor, caller=caller_of(request))
    header = [_("Username"), _("Name"), _("Activation code"), _("Valid until (UTC)"), _("Where to sign in")]
    return csv_response(f"activation-codes-{asked.pk}.csv", header, rows)


def _import_of(membership: Membership, import_id: str) -> AgentImport:
    """The import, without its rows, which are loaded when they are asked for. Raises Http404."""
    asked = AgentImport.objects.filter(group=membership.group).light().filter(pk=import_id).first()
    if asked is None:
        raise Http404
    asked.group = membership.group
    return asked


def _page_of(asked: AgentImport) -> str:
    return reverse("agent_import_page", args=[asked.group_id, asked.pk])


def _back_with(request: HttpRequest, asked: AgentImport, refusal: Refusal) -> HttpResponseBase:
    messages.error(request, _(refusal.message))
    return see_other(_page_of(asked))


def _claimed(request: HttpRequest, asked: AgentImport, to: ImportState) -> str | None:
    """The name of whoever is to work on it; None, with a message unless somebody does so already."""
    try:
        return claim(asked, to=to)
    except Refused as refused:
        messages.error(request, _(refused.refusal.message))
        return None


def _show_import(
    request: HttpRequest, membership: Membership, asked: AgentImport, form: ApplyForm
) -> HttpResponseBase:
    context: dict[str, Any] = {
        "tab": "agents",
        "import": asked,
        "is_roster": asked.kind == ImportKind.ROSTER,
        "failure": failure_in_words(asked),
        "is_at_work": asked.is_at_work(),
    }
    if asked.state in (ImportState.CHECKED, ImportState.APPLIED) or (
        asked.state == ImportState.APPLYING and asked.was_interrupted()
    ):
        context |= _rows_shown(request, asked) | {"form": form if asked.summary.get("ask_number") else None}
        refusal = why_not_apply(asked, only_good=True, number=str(asked.summary["leaving"]))
        context |= {
            "facts": facts_of(asked),
            "applied": asked.state == ImportState.APPLIED,
            "why_not": _(refusal.message) if refusal else "",
            "to_do": sum(asked.summary[name] for name in ("new", "change")),
        }
    return show(request, membership, "groups/import_page.html", context)


def _rows_shown(request: HttpRequest, asked: AgentImport) -> dict[str, Any]:
    """Some of the rows of one kind."""
    order = LOOKED_AT_FIRST if asked.kind == ImportKind.AGENTS else (LEAVING, *LOOKED_AT_FIRST)
    there = [kind for kind in order if asked.summary.get(kind)]
    kind = request.GET.get("show", "")
    kind = kind if kind in LOOKED_AT_FIRST else next(iter(there), "new")
    typed = request.GET.get("from", "")
    begins = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else 0
    if kind == LEAVING:
        count, some = len(asked.leavers), asked.leavers[begins : begins + ROWS_A_PAGE]
        rows = [{"line": None, "username": a.username, "told": [a.full_name]} for a in _leavers(asked, some)]
    else:
        found = [verdict for verdict in asked.verdicts if verdict[2] == kind]
        count, rows = len(found), [_row(*verdict) for verdict in found[begins : begins + ROWS_A_PAGE]]
    ends = begins + ROWS_A_PAGE
    return {
        "kind": kind,
        "rows": rows,
        "lamp": LAMPS[kind],
        "verdict": verdict_in_words(kind, applied=asked.state == ImportState.APPLIED),
        "next_url": f"?show={kind}&from={ends}#rows" if ends < count else "",
        "previous_url": f"?show={kind}&from={max(begins - ROWS_A_PAGE, 0)}#rows" if begins else "",
    }


def _row(line: int, username: str, kind: str, notes: list[list[str]]) -> dict[str, Any]:
    told = faults_in_words(notes) if kind == Kind.FAULTY else []
    changes = changes_in_words(notes) if kind == Kind.CHANGE else []
    return {"line": line, "username": username, "told": told, "changes": changes}


def _told(kind: str, notes: list[list[str]]) -> list[str]:
    if kind == Kind.FAULTY:
        return faults_in_words(notes)
    return [f"{one['label']}: {one['old']} → {one['new']}." for one in changes_in_words(notes)]


def _leavers(asked: AgentImport, subjects: list[str]) -> Iterator[Agent]:
    """The agents of these subjects, in their order."""
    for some in batches(subjects):
        agents = Agent.objects.filter(group=asked.group, subject__in=some).only(
            "subject", "username", "full_name"
        )
        by_subject = {agent.subject: agent for agent in agents}
        yield from (by_subject[subject] for subject in some if subject in by_subject)


def _codes(group: Group, usernames: list[str], *, by: str, caller: Caller) -> Iterator[list[str]]:
    for some in batches(usernames):
        keys = [canonical_name(username) for username in some]
        agents = Agent.objects.filter(group=group, username_key__in=keys, password="")
        given = give_activation_codes(list(agents.order_by("pk")), group=group, by=by, caller=caller)
        until = _utc(timezone.now() + settings.ACTIVATION_CODE_LIFETIME)
        for agent, code in given:
            yield [agent.username, agent.full_name, code, until, direct_address(group)]


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
