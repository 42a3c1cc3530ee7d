"""The trace of a pop: from any reference number that it left behind, each step from the click to the redemption."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Event, Outcome
from groups.models import Client, HandOff
from groups.wording import usernames, why_of, worded, worded_actor, worded_details
from sso_portal.lib.secrets import canonical_code
from sso_portal.lib.web import origin_of

ISSUE, REDEEM, SIGN_IN = "login.issue", "login.redeem", "agent.sign_in"
ENTRANCE = "entrance"  # a login that the portal itself redeems, to hand its agent off
LAUNCH, CODE, SIGNED = "launch", "code", "signed"  # begins a sign-in, ends one, needs none
AT_THE_DOOR = (SIGN_IN, "agent.second_factor", "agent.enrol_factor", "agent.choose_password")
TOKEN = "token:"  # noqa: S105  (begins the name of a token in the audit log)
MOST = 60  # events of one trace
ROUNDS = 3  # from a login to the next: software asks, the portal hands off, the CRM redeems
LONGEST_AT_THE_DOOR = timedelta(minutes=30)
CLICKS_KNOWN = timedelta(days=1)  # a first click has no event of its own: it is looked for among the sign-ins
METHODS = {
    "pwd": gettext_lazy("password"),
    "otp": gettext_lazy("activation code"),
    "hwk": gettext_lazy("passkey"),
    "swk": gettext_lazy("passkey"),
    "mfa": gettext_lazy("second factor"),
}


@dataclass(frozen=True)
class Step:
    """One rung of the ladder. `state` is done, refused, or waiting."""

    at: datetime
    what: str
    state: str = "done"
    why: str = ""
    code: str = ""  # the reason word, as software was told it
    facts: list[tuple[str, str]] = field(default_factory=list)
    reference: str = ""
    gap: str = ""  # how long after the step before


@dataclass(frozen=True)
class Trace:
    """What a reference number stands for."""

    reference: str
    steps: list[Step]
    group_id: int
    summary: str
    state: str
    is_cut: bool  # there is more than is shown


@dataclass(frozen=True)
class Pop:
    """The click of an agent who was not signed in yet, as his sign-in remembers it."""

    reference: str
    at: datetime
    client: str


def find(reference: str, *, groups: Collection[int], now: datetime) -> Trace | None:
    """The trace that this reference number belongs to, as far as it lies in these groups; None for an unknown one."""
    mine = Event.objects.filter(group_id__in=list(groups))
    spelled = spellings_of(reference)
    found = list(mine.filter(reference__in=spelled).order_by("pk")[: MOST + 1])
    if not found:
        found = _signed_in_after(spelled, mine, now=now)
    if not found:
        return None
    is_cut = len(found) > MOST
    events = _connected(found[:MOST], mine)
    names = usernames(events, groups=groups)
    steps = _Ladder(events, names, _clients(events, groups), now).steps()
    summary, state = _summary(events, names, steps)
    shown = found[0].reference if found[0].reference in spelled else spelled[-1]
    return Trace(shown, steps, found[0].group_id or 0, summary, state, is_cut)


def spellings_of(reference: str) -> list[str]:
    """The reference as it was typed, and as it is meant: dashes may be missing, an O is a nought."""
    typed, code = reference.strip().upper(), canonical_code(reference.strip())
    meant = "-".join(code[i : i + 4] for i in (0, 4, 8)) if len(code) == 12 else typed
    return [typed, meant] if meant != typed else [typed]


# --- Finding what belongs together -----------------------------------------------------------------------------------


def _signed_in_after(spelled: list[str], mine: QuerySet[Event], *, now: datetime) -> list[Event]:
    """The sign-ins that a first click with this reference led to."""
    lately = mine.filter(action=SIGN_IN, at__gte=now - CLICKS_KNOWN)
    return list(lately.filter(details__pop__reference__in=spelled).order_by("pk")[:MOST])


def _connected(found: list[Event], mine: QuerySet[Event]) -> list[Event]:
    """The events of the same pop, first to last: the sign-in before, the logins, their redemptions."""
    events = {event.pk: event for event in found}
    for sign_in in [event for event in found if event.action in AT_THE_DOOR]:
        events |= _at_the_door(sign_in, mine)
    looked_for: set[str] = set()
    for _round in range(ROUNDS):
        logins = [event for event in events.values() if event.action in (ISSUE, REDEEM)]
        asked = {event.object for event in logins if event.object.startswith(TOKEN)}
        asked |= {event.reference for event in logins}
        if asked <= looked_for:
            break
        looked_for |= asked
        same = Q(object__in=[each for each in asked if each.startswith(TOKEN)])
        same |= Q(reference__in=[each for each in asked if not each.startswith(TOKEN)])
        logins = list(mine.filter(same, action__in=(ISSUE, REDEEM)).order_by("pk")[:MOST])
        events |= {event.pk: event for event in logins}
    first = min((event for event in events.values() if event.action == ISSUE), key=_order, default=None)
    if first is not None and not any(event.action in AT_THE_DOOR for event in events.values()):
        events |= _before(first, mine)
    return sorted(events.values(), key=_order)


def _before(issued: Event, mine: QuerySet[Event]) -> dict[int, Event]:
    """The sign-in that this login waited for, with what else happened at the door; nothing where he was signed in."""
    if not issued.agent or issued.actor != f"agent:{issued.agent}":
        return {}
    signed_in = mine.filter(agent=issued.agent, action=SIGN_IN, outcome=Outcome.OK, at__lte=issued.at)
    sign_in = signed_in.filter(at__gte=issued.at - LONGEST_AT_THE_DOOR).order_by("-at", "-pk").first()
    door = _at_the_door(sign_in, mine) if sign_in is not None else {}
    return door if issued.pk in door else {}


def _at_the_door(event: Event, mine: QuerySet[Event]) -> dict[int, Event]:
    """From a sign-in that a pop waited for: the other tries, and the login that came of it."""
    pop = pop_of(event)
    if pop is None or not event.agent:
        return {}
    span = {"at__gte": pop.at - timedelta(seconds=5), "at__lte": pop.at + LONGEST_AT_THE_DOOR}
    around = mine.filter(agent=event.agent, group_id=event.group_id, **span)
    seen: dict[int, Event] = {}
    signed_in = None
    for each in around.filter(action__in=(*AT_THE_DOOR, ISSUE)).order_by("pk")[:MOST]:
        own = pop_of(each)
        if each.action == ISSUE:
            if signed_in is not None and each.client == pop.client:
                return seen | {each.pk: each}
        elif own is None or own.reference == pop.reference:
            seen[each.pk] = each
            if each.action == SIGN_IN and each.outcome == Outcome.OK and own is not None:
                signed_in = each
    return seen


def pop_of(event: Event) -> Pop | None:
    """The click that a sign-in remembers."""
    told = _detail(event, "pop")
    if not isinstance(told, dict):
        return None
    try:
        at = parse_datetime(str(told.get("at", "")))
    except ValueError:
        at = None
    if at is None or not is_aware(at):
        return None
    return Pop(str(told.get("reference", "")), at, str(told.get("client", "")))


def _clients(events: list[Event], groups: Collection[int]) -> dict[str, Client]:
    """The clients of these events by subdomain: those of these groups, for others' are not to be told about."""
    named = {event.client for event in events} | {pop.client for event in events if (pop := pop_of(event))}
    clients = Client.objects.filter(subdomain__in=named, entitlements__group__in=list(groups))
    return {client.subdomain: client for client in clients}


def _detail(event: Event, name: str) -> Any:
    return event.details.get(name) if isinstance(event.details, dict) else None


def _order(event: Event) -> tuple[datetime, int]:
    return event.at, event.pk


# --- The ladder ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ladder:
    """Words the events of one trace, and what lies between them."""

    events: list[Event]
    names: dict[str, str]
    clients: dict[str, Client]
    now: datetime

    def steps(self) -> list[Step]:
        """All steps, first to last, each with the time since the one before."""
        told = [step for event in self.events for step in self._of(event)]
        if pop := next((pop for event in self.events if (pop := pop_of(event))), None):
            told = [*self._click(pop), *told]
        told += self._unredeemed()
        return _with_gaps(sorted(told, key=lambda step: step.at))

    def _of(self, event: Event) -> list[Step]:
        if event.action == ISSUE:
            return self._login(event)
        if event.action == REDEEM:
            return [self._redemption(event)]
        return [self._plain(event)]

    def _click(self, pop: Pop) -> list[Step]:
        client = self._client_name(pop.client)
        issued = next((event for event in self.events if event.action == ISSUE), None)
        facts = [(_("Client"), client), *(_call(issued) if issued else [])]
        return [
            Step(
                pop.at,
                _("The phone system opened the address of the call"),
                facts=facts,
                reference=pop.reference,
            ),
            Step(pop.at, _("Nobody was signed in: the sign-in page, with the call kept")),
        ]

    def _plain(self, event: Event) -> Step:
        is_refused = event.outcome == Outcome.REFUSED
        by = [] if event.action in AT_THE_DOOR else [(_("By"), worded_actor(event, self.names))]
        facts = [*by, *self._whom(event), *self._where(event)]
        if methods := _detail(event, "methods"):
            facts.append((_("By means of"), ", ".join(str(METHODS.get(each, each)) for each in methods)))
        return Step(
            event.at,
            worded(event.action, refused=is_refused, client=event.client),
            state="refused" if is_refused else "done",
            why=why_of(event),
            code=event.reason,
            facts=facts + worded_details(event),
            reference=event.reference,
        )

    def _login(self, event: Event) -> list[Step]:
        is_refused, by_software = event.outcome == Outcome.REFUSED, event.actor.startswith("key:")
        steps = []
        if by_software:
            steps.append(self._arrival(event, _("Call-center software asked for a login")))
        elif not self._goes_on(event):
            steps.append(self._arrival(event, self._how_it_began(event)))
        if is_refused:
            refused = Step(
                event.at,
                worded(event.action, refused=True, client=self._client_name(event.client)),
                state="refused",
                why=why_of(event),
                code=event.reason,
                facts=self._whom(event),
                reference=event.reference,
            )
            return [*steps, refused]
        granted = [
            (name, value) for name, value in worded_details(event) if name not in ("placeholders", "demo")
        ]
        checked = [*self._whom(event), (_("Client"), self._client_name(event.client)), *granted]
        token = event.object.removeprefix(TOKEN)
        steps.append(Step(event.at, _("Allowed: agent, group and client were checked"), facts=checked))
        steps.append(
            Step(
                event.at,
                _("Login issued: it works once, for %s seconds") % _lifetime().seconds,
                facts=[(_("Trace of the login"), token)] if token else [],
                reference=event.reference,
            )
        )
        steps.append(self._hand_off(event))
        return steps

    def _how_it_began(self, event: Event) -> str:
        if _detail(event, "kind") == CODE:
            return _("%(client)s asked for a sign-in") % {"client": self._client_name(event.client)}
        return _("The phone system opened the address of the call")

    def _arrival(self, event: Event, what: str) -> Step:
        facts = [] if event.outcome == Outcome.OK else [(_("Client"), self._client_name(event.client))]
        facts += [(_("By"), worded_actor(event, self.names))] if event.actor.startswith("key:") else []
        return Step(
            event.at, what, facts=facts + self._where(event) + _call(event), reference=event.reference
        )

    def _goes_on(self, event: Event) -> bool:
        """Whether this login follows from a step that is shown: a sign-in, or a login that was opened."""
        if any(pop_of(each) for each in self.events if each.pk < event.pk):
            return True
        return any(
            each.action == REDEEM and each.reference == event.reference and each.outcome == Outcome.OK
            for each in self.events
        )

    def _hand_off(self, event: Event) -> Step:
        client = self.clients.get(event.client)
        if event.actor.startswith("key:"):
            return Step(event.at, _("The address of the login was given to the software"))
        if client is None:
            return Step(event.at, _("Sent on to the client"))
        told, kind = {"client": client.name}, _detail(event, "kind")
        if kind == LAUNCH:
            return Step(event.at, _("%(client)s was asked to begin a sign-in") % told)
        if kind == CODE:
            return Step(event.at, _("Sent back to %(client)s, with a code") % told)
        is_post = client.hand_off == HandOff.FORM_POST or kind == SIGNED
        way = _("by a form that sends itself") if is_post else _("by redirect")
        return Step(
            event.at,
            _("Sent on to %(client)s, %(way)s") % {"client": client.name, "way": way},
            facts=[(_("To"), origin_of(client.login_url).partition("//")[2])],
        )

    def _redemption(self, event: Event) -> Step:
        is_refused = event.outcome == Outcome.REFUSED
        issued = self._issue_of(event.object)
        took = [(_("After the login was issued"), lasted(event.at - issued.at))] if issued else []
        facts = [*took, *self._where(event)]
        if event.actor == "portal" and issued and _detail(issued, "kind") == LAUNCH:
            what = _("%(client)s began the sign-in") % {"client": self._client_name(event.client)}
        elif event.actor == "portal":
            what = (
                _("The address of the login could not be opened")
                if is_refused
                else _("The agent opened the address")
            )
        else:
            facts.append((_("By"), worded_actor(event, self.names)))
            what = worded(REDEEM, refused=is_refused, client=self._client_name(event.client))
        state = "refused" if is_refused else "done"
        return Step(event.at, what, state, why_of(event), event.reason, facts, event.reference)

    def _unredeemed(self) -> list[Step]:
        """For each login that nobody redeemed: that it waits, or that it ended."""
        redeemed = {e.object for e in self.events if e.action == REDEEM and e.outcome == Outcome.OK}
        steps = []
        for event in self.events:
            if (
                event.action != ISSUE
                or event.outcome != Outcome.OK
                or not event.object
                or event.object in redeemed
                or _detail(event, "kind") == SIGNED
            ):
                continue
            ends_at = event.at + _lifetime()
            by = (
                _("the agent’s browser")
                if _detail(event, "kind") == ENTRANCE
                else self._client_name(event.client)
            )
            if self.now < ends_at:
                steps.append(Step(self.now, _("Waiting for %s to redeem it") % by, state="waiting"))
            else:
                why = (
                    _(
                        "Nothing came back from %s in time. Whoever runs that CRM can look for the trace above."
                    )
                    % by
                )
                steps.append(Step(ends_at, _("Never redeemed: the login expired"), state="refused", why=why))
        return steps

    def _issue_of(self, token: str) -> Event | None:
        return next((e for e in self.events if e.action == ISSUE and token and e.object == token), None)

    def _whom(self, event: Event) -> list[tuple[str, str]]:
        return [(_("Agent"), self.names.get(event.agent, _("a former agent")))] if event.agent else []

    def _where(self, event: Event) -> list[tuple[str, str]]:
        return [(_("From"), event.address)] if event.address else []

    def _client_name(self, subdomain: str) -> str:
        client = self.clients.get(subdomain)
        return client.name if client else subdomain


def _call(event: Event) -> list[tuple[str, str]]:
    """What the telephone system told of the call, as far as the audit log keeps it."""
    call, placeholders = _detail(event, "call"), _detail(event, "placeholders")
    told = call if isinstance(call, dict) else {}
    facts = [
        (_("Dialled number"), f"…{told['did']}" if told.get("did") else ""),
        (_("Caller"), f"…{told['cid']}" if told.get("cid") else ""),
        (_("Call"), str(told.get("call_id", ""))),
        (
            _("Came as a placeholder"),
            ", ".join(str(each) for each in placeholders) if isinstance(placeholders, list) else "",
        ),
    ]
    return [(name, value) for name, value in facts if value]


def _lifetime() -> timedelta:
    lifetime: timedelta = settings.LOGIN_TOKEN_LIFETIME
    return lifetime


def _with_gaps(steps: list[Step]) -> list[Step]:
    told = steps[:1]
    for before, step in pairwise(steps):
        gap = step.at - before.at
        told.append(replace(step, gap=lasted(gap)) if gap >= timedelta(milliseconds=50) else step)
    return told


def lasted(time: timedelta) -> str:
    """How long something took, as people say it."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 10:
        return _("%s s") % f"{seconds:.1f}"
    if seconds < 60:
        return _("%s s") % f"{seconds:.0f}"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    return ngettext("%(hours)s h %(minutes)s min", "%(hours)s h %(minutes)s min", hours) % {
        "hours": hours,
        "minutes": minutes,
    }


def _summary(events: Iterable[Event], names: dict[str, str], steps: list[Step]) -> tuple[str, str]:
    """The outcome of a pop in one sentence, and its state; "" for what is no pop."""
    logins = [event for event in events if event.action in (ISSUE, REDEEM)]
    if not logins:
        return "", ""
    last = steps[-1]
    who = next((names[event.agent] for event in logins if event.agent in names), _("The agent"))
    took = lasted(last.at - steps[0].at)
    redeemed = [e for e in logins if e.action == REDEEM and e.outcome == Outcome.OK and e.actor != "portal"]
    if redeemed:
        told = {"who": who, "client": redeemed[-1].client, "took": lasted(redeemed[-1].at - steps[0].at)}
        return _("%(who)s was in %(client)s after %(took)s.") % told, "done"
    if last.state == "waiting":
        return _("On the way: issued, not redeemed yet."), "waiting"
    refused = next((step for step in reversed(steps) if step.state == "refused"), None)
    if refused is not None:
        return _("%(who)s did not get in: %(why)s.") % {"who": who, "why": _clause(refused)}, "refused"
    return _("%(who)s was sent on, %(took)s after the first step.") % {"who": who, "took": took}, "done"


def _clause(step: Step) -> str:
    words = (step.why if step.code else step.what).rstrip(".")
    return words[:1].lower() + words[1:]
