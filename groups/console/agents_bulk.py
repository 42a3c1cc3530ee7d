"""Doing something to many agents at once: to those ticked, or to all that a search finds. Asks first."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.urls import reverse
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.fresh_factor import ask_for_second_factor, has_fresh_factor, kept_form
from groups import editing_agents, standing
from groups.console.access import group_page, show
from groups.console.agent_codes import show_codes
from groups.console.agent_forms import AccessForm, EndDateForm
from groups.finding_agents import Search
from groups.models import Agent, AgentQuerySet, AgentStatus, Group, Membership, Permission
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of, see_other

NAMED = 5  # on the page that asks
MOST_TICKED = 200
MOST_CODES = 200  # a sheet for a shift
CODES = "activation-codes"
SUBJECT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ManyAct:
    """Something that can be done to many agents, and how it is worded."""

    label: Any
    title: Any
    text: Any
    done: Any
    act: Callable[..., Any]
    form: type[Form] | None = None
    is_danger: bool = False


def _set_end(agents: list[Agent], *, form: EndDateForm, **how: Any) -> int:
    return editing_agents.set_end_of_many(agents, form.ends_at, **how)


def _set_access(agents: list[Agent], *, form: AccessForm, **how: Any) -> int:
    return editing_agents.set_access_of_many(agents, form.access, **how)


def _set_status(agents: list[Agent], *, status: AgentStatus, **how: Any) -> int:
    return standing.set_status_of_many(agents, status, **how)


ACTS: dict[str, ManyAct] = {
    "suspend": ManyAct(
        gettext_lazy("Suspend"),
        ngettext_lazy("Suspend %(number)s agent", "Suspend %(number)s agents", "count"),
        gettext_lazy("They are signed out at once, and no door lets them in until you enable them again."),
        ngettext_lazy("%(number)s agent was suspended.", "%(number)s agents were suspended.", "count"),
        partial(_set_status, status=AgentStatus.SUSPENDED),
        is_danger=True,
    ),
    "disable": ManyAct(
        gettext_lazy("Disable"),
        ngettext_lazy("Disable %(number)s agent", "Disable %(number)s agents", "count"),
        gettext_lazy(
            "For agents who have left: they are signed out at once, and no door lets them in. Their history stays."
        ),
        ngettext_lazy("%(number)s agent was disabled.", "%(number)s agents were disabled.", "count"),
        partial(_set_status, status=AgentStatus.DISABLED),
        is_danger=True,
    ),
    "enable": ManyAct(
        gettext_lazy("Enable"),
        ngettext_lazy("Enable %(number)s agent", "Enable %(number)s agents", "count"),
        gettext_lazy(
            "Those who are suspended or disabled may sign in again, unless their end date has passed."
        ),
        ngettext_lazy("%(number)s agent was enabled.", "%(number)s agents were enabled.", "count"),
        partial(_set_status, status=AgentStatus.ACTIVE),
    ),
    "unlock": ManyAct(
        gettext_lazy("Unlock"),
        ngettext_lazy("Unlock %(number)s agent", "Unlock %(number)s agents", "count"),
        gettext_lazy("Those whom wrong passwords locked may try again at once."),
        ngettext_lazy("%(number)s agent was unlocked.", "%(number)s agents were unlocked.", "count"),
        standing.unlock_many,
    ),
    "end-sessions": ManyAct(
        gettext_lazy("End sessions"),
        ngettext_lazy(
            "End the sessions of %(number)s agent", "End the sessions of %(number)s agents", "count"
        ),
        gettext_lazy("They are signed out at once, on every device, and may sign in again."),
        ngettext_lazy("%(number)s agent was signed out.", "%(number)s agents were signed out.", "count"),
        standing.end_sessions_of_many,
        is_danger=True,
    ),
    CODES: ManyAct(
        gettext_lazy("Give activation codes"),
        ngettext_lazy(
            "Give %(number)s agent an activation code", "Give %(number)s agents activation codes", "count"
        ),
        gettext_lazy(
            "Each gets a new code, valid for 24 hours; earlier codes are void. Passwords stay as they are. "
            "The codes are shown once, on a sheet to print. Agents who cannot sign in are left out."
        ),
        "",
        standing.give_activation_codes,
    ),
    "end-date": ManyAct(
        gettext_lazy("Set the end date"),
        ngettext_lazy(
            "Set the end date of %(number)s agent", "Set the end date of %(number)s agents", "count"
        ),
        gettext_lazy("The same for all of them, in place of the one they have."),
        ngettext_lazy(
            "The end date of %(number)s agent was changed.",
            "The end date of %(number)s agents was changed.",
            "count",
        ),
        _set_end,
        form=EndDateForm,
    ),
    "clients": ManyAct(
        gettext_lazy("Set the clients"),
        ngettext_lazy("Set the clients of %(number)s agent", "Set the clients of %(number)s agents", "count"),
        gettext_lazy("The same for all of them, in place of what they have."),
        ngettext_lazy(
            "The clients of %(number)s agent were set.", "The clients of %(number)s agents were set.", "count"
        ),
        _set_access,
        form=AccessForm,
    ),
}


@dataclass(frozen=True)
class Asked:
    """What a form asks for: what, to whom, and to how many it said it would be done."""

    act: str
    subjects: list[str]
    search: Search | None  # all that it finds, in place of `subjects`
    expected: int | None  # None: not confirmed yet
    back: str  # the list as it was left: "?…"

    @classmethod
    def parse(cls, form: QueryDict, *, is_confirmed: bool) -> "Asked":
        search = Search.parse(QueryDict(form.get("query", "")[:2000]))
        expected = form.get("expected", "") if is_confirmed else ""
        return cls(
            act=form.get("act", ""),
            subjects=[each for each in form.getlist("agents")[:MOST_TICKED] if SUBJECT.fullmatch(each)],
            search=search if form.get("scope") == "all" else None,
            expected=int(expected)
            if expected.isascii() and expected.isdigit() and len(expected) < 9
            else None,
            back=f"?{search.query}" if search.query else "",
        )

    def chosen(self, group: Group) -> AgentQuerySet:
        """The agents that are meant."""
        if self.search is not None:
            return self.search.among(group)
        return Agent.objects.filter(group=group, subject__in=self.subjects)

    def again(self, count: int) -> list[tuple[str, str]]:
        """The same as hidden fields, confirmed for this many."""
        fields = [("act", self.act), ("query", self.back.removeprefix("?")), ("expected", str(count))]
        if self.search is not None:
            return [*fields, ("scope", "all")]
        return [*fields, *(("agents", subject) for subject in self.subjects)]


def choices_of_bulk() -> list[tuple[str, str]]:
    """What can be done to many agents: name and label."""
    return [(name, str(act.label)) for name, act in ACTS.items()]


@group_page(Permission.MANAGE_AGENTS)
@require_http_methods(["GET", "POST"])
def agents_bulk(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Ask before something is done to many agents; then, confirmed, do it."""
    group = membership.group
    # Back from showing the second factor: it is asked anew. From signing in again: nothing was kept.
    sent = request.POST if request.method == "POST" else kept_form(request)
    if sent is None:
        return see_other(reverse("agents", args=[group.pk]))
    asked = Asked.parse(sent, is_confirmed=request.method == "POST")
    back = reverse("agents", args=[group.pk]) + asked.back
    if problem := _why_not_ask(asked, group):
        messages.error(request, problem)
        return see_other(back)
    if asked.act == CODES and not has_fresh_factor(request):
        return ask_for_second_factor(request)
    form = _form_of(asked, request, group)
    if asked.expected is None or (form is not None and not form.is_valid()):
        return _ask(request, membership, asked, form, back)
    how: dict[str, Any] = {"group": group, "by": membership.actor, "caller": caller_of(request)}
    how |= {"form": form} if form is not None else {}
    chosen = asked.chosen(group)
    try:
        done = standing.act_on_all(
            chosen, expected=asked.expected, act=lambda agents: ACTS[asked.act].act(agents, **how)
        )
    except Refused as refused:
        messages.error(request, refused.refusal.message)
        return see_other(back)
    if done is None:
        messages.warning(request, _("The list changed meanwhile. Please look at it again before you go on."))
        return _ask(request, membership, asked, form, back)
    if asked.act == CODES:
        return show_codes(request, membership, done, back=back)
    messages.success(request, worded(ACTS[asked.act].done, done))
    return see_other(back)


def worded(text: Any, count: int) -> str:
    """A text about this many, in the right number."""
    return str(text % {"count": count, "number": localize(count)})


def _why_not_ask(asked: Asked, group: Group) -> str:
    if asked.act not in ACTS:
        return _("Please choose what to do with the agents.")
    count = asked.chosen(group).count()
    if not count:
        return _("Please tick the agents first, or choose all that match.")
    if asked.act == CODES and count > MOST_CODES:
        return _("Codes are given to at most %(number)s agents at a time. Please narrow the list.") % {
            "number": localize(MOST_CODES)
        }
    return ""


def _form_of(asked: Asked, request: HttpRequest, group: Group) -> Form | None:
    kind, typed = ACTS[asked.act].form, None if asked.expected is None else request.POST
    if kind is not None and issubclass(kind, AccessForm):
        return kind(typed, group=group)
    return kind(typed) if kind is not None else None


def _ask(
    request: HttpRequest, membership: Membership, asked: Asked, form: Form | None, back: str
) -> HttpResponseBase:
    act, chosen = ACTS[asked.act], asked.chosen(membership.group)
    count, named = chosen.count(), chosen.order_by("username_key")[:NAMED]
    context = {
        "tab": "agents",
        "title": worded(act.title, count),
        "text": act.text,
        "items": [f"{agent.full_name} ({agent.username})" for agent in named],
        "more": max(count - NAMED, 0),
        "hidden": asked.again(count),
        "form": form,
        "button": worded(act.title, count),
        "kind": "danger" if act.is_danger else "",
        "action": reverse("agents_bulk", args=[membership.group.pk]),
        "cancel_url": back,
    }
    template = "groups/agents_bulk_clients.html" if isinstance(form, AccessForm) else "groups/confirm.html"
    return show(request, membership, template, context)
