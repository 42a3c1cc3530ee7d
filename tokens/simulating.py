"""A call that nobody made: each step of its pop, as it would go now. Nothing is issued, and nothing written."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import lockout
from groups.dialling import find_route
from groups.door import UNKNOWN_GROUP
from groups.entering import ALL, Entry, Grant, client_at, entry_of, why_not_enter, with_entry
from groups.models import Agent, AgentSession, Client, Group, HandOff
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.telephone import readable
from tokens.dialects.native import told
from tokens.handing_off import NOBODY_RECEIVES, receiver_of
from tokens.issuing import CallContext
from tokens.logins import login_of
from tokens.models import LoginToken, RelyingPartySecret
from tokens.pop import PopRequest, unknown_number
from tokens.redeeming import Redemption

# At which step a refusal of `why_not_enter` belongs: by its code, else by its detail.
STEP_OF = {
    "agent_disabled": "agent",
    "group_inactive": "group",
    "no entitlement": "entitlement",
    "client inactive": "client",
    "paused": "client",
    "not among the agent's clients": "own_clients",
}


class Outcome(StrEnum):
    """How a step went."""

    OK = "ok"
    NOTE = "note"  # on it goes, but there is something to know
    REFUSED = "refused"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True)
class Step:
    """One step of a pop."""

    key: str
    outcome: Outcome
    text: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        """What is asked at this step."""
        return _titles()[self.key]


@dataclass(frozen=True)
class Call:
    """The call to simulate: who takes it, for which client ("": by the number dialled), with which values."""

    username: str
    subdomain: str
    values: dict[str, str]  # as a pop's address has them: did, cid, call_id, campaign_id, destination

    def query(self, group: Group) -> str:
        """The query of the address that a telephone system would open."""
        given = {name: value for name, value in self.values.items() if value}
        return urlencode({"group": str(group.pk)} | given)

    def url(self, group: Group) -> str:
        """The address that a telephone system would open."""
        path = reverse("pop", args=[self.subdomain]) if self.subdomain else reverse("launcher")
        return f"{settings.PORTAL_URL}{path}?{self.query(group)}"


@dataclass(frozen=True)
class Simulation:
    """How the pop would go."""

    url: str
    steps: list[Step]
    claims: (
        dict[str, Any] | None
    )  # what the client's CRM would be told; None where the agent does not get there

    @property
    def stopped_at(self) -> Step | None:
        """The step that it ends at; None where the agent gets into the CRM."""
        return next((step for step in self.steps if step.outcome == Outcome.REFUSED), None)


def simulate(call: Call, *, group: Group) -> Simulation:
    """How this call's pop would go now, by the same rules that a real one is judged by."""
    steps: list[Step] = []
    redemption = _walk(call, group, steps)
    reached = {step.key for step in steps}
    ahead = [key for key in _titles() if key not in reached and not (key == "number" and call.subdomain)]
    steps += [Step(key, Outcome.NOT_REACHED) for key in ahead]
    claims = told(login_of(redemption), redemption.token.issued_at, audience="rp_…") if redemption else None
    return Simulation(call.url(group), steps, claims)


def _titles() -> dict[str, str]:
    """What is asked at each step, in order."""
    return {
        "address": _("Address"),
        "number": _("Number dialled"),
        "group": _("Group"),
        "agent": _("Agent"),
        "session": _("Signed in"),
        "entitlement": _("Entitlement"),
        "client": _("Client"),
        "own_clients": _("The agent's clients"),
        "grant": _("Departments and campaigns"),
        "hand_off": _("Hand-off"),
    }


def _walk(call: Call, group: Group, steps: list[Step]) -> Redemption | None:
    """Take the steps until one is refused; what the CRM would redeem, where none is."""
    asked = _read_address(call, group, steps)
    if asked and not asked.subdomain:
        asked = _routed(asked, group, steps)
    if asked is None or not _open_group(group, steps):
        return None
    agents = Agent.objects.named(call.username, group_id=group.pk).select_related("group")
    agent = with_entry(agents, client=client_at(asked.subdomain), grant=True).first()
    if agent is None:
        steps.append(Step("agent", Outcome.REFUSED, _("There is no agent of this name in the group.")))
        return None
    entry = entry_of(agent, agent=agent, asked=asked.subdomain)
    session = AgentSession.objects.live().filter(agent=agent).order_by("-last_seen_at").first()
    steps += _steps_of_rule(entry, session)
    if steps[-1].outcome == Outcome.REFUSED or entry.client is None or entry.grant is None:
        return None
    handed_off = _hand_off_step(entry.client)
    steps += [_grant_step(entry.grant, asked.call), handed_off]
    if handed_off.outcome == Outcome.REFUSED:
        return None
    return Redemption(_token(entry, session, asked.call), entry, entry.client, entry.grant)


def _read_address(call: Call, group: Group, steps: list[Step]) -> PopRequest | None:
    """Read the address as a pop's is read."""
    try:
        asked = PopRequest.parse(call.subdomain, QueryDict(call.query(group)))
    except Refused as refused:
        steps.append(_refused("address", refused.refusal))
        return None
    if not asked.placeholders:
        steps.append(Step("address", Outcome.OK, _("The portal understands it.")))
        return asked
    names = ", ".join(asked.placeholders)
    text = _("Understood, but the telephone system has not replaced the placeholder of: %(names)s.")
    note = _("Such a value counts as absent, and is reported on the integration page.")
    steps.append(Step("address", Outcome.NOTE, text % {"names": names}, note))
    return asked


def _routed(asked: PopRequest, group: Group, steps: list[Step]) -> PopRequest | None:
    """The same pop for the client that its number leads to."""
    if not asked.call.did:
        text = _("The address brings no dialled number: the agent would get the list of clients.")
        steps.append(Step("number", Outcome.REFUSED, text))
        return None
    route = find_route(asked.dialled, group_id=group.pk)
    if route is None:
        note = _("Assign it on the page of the group's clients.")
        steps.append(replace(_refused("number", unknown_number(asked.call.did)), note=note))
        return None
    said = {"number": readable(route.number), "client": route.subdomain}
    note = _("It stands for campaign %(number)s.") % {"number": route.campaign} if route.campaign else ""
    steps.append(Step("number", Outcome.OK, _("%(number)s leads to %(client)s.") % said, note))
    return asked.led_to(route)


def _open_group(group: Group, steps: list[Step]) -> bool:
    if group.is_active:
        steps.append(Step("group", Outcome.OK, _("%(group)s is active.") % {"group": group.name}))
    else:
        steps.append(_refused("group", UNKNOWN_GROUP))
    return group.is_active


def _steps_of_rule(entry: Entry, session: AgentSession | None) -> list[Step]:
    """The steps that the one rule decides, up to the one that it refuses at."""
    refusal = why_not_enter(entry)
    agent = _agent_step(entry.agent)
    steps = [agent, _session_step(entry.agent, session)]
    client = entry.client.name if entry.client else entry.asked
    said = {"group": entry.agent.group.name, "client": client}
    steps.append(Step("entitlement", Outcome.OK, _("%(group)s may enter %(client)s.") % said))
    steps.append(Step("client", Outcome.OK, _("%(client)s is open.") % said))
    own = _("The agent may enter every client of the group.")
    if not entry.agent.all_clients:
        own = _("%(client)s is among the agent's clients.") % said
    steps.append(Step("own_clients", Outcome.OK, own))
    if refusal is None:
        return steps
    key = STEP_OF.get(refusal.code) or STEP_OF[refusal.detail]
    before = [step.key for step in steps].index(key)
    return [*steps[:before], _refused(key, refusal)]


def _agent_step(agent: Agent) -> Step:
    text = _("%(name)s may work.") % {"name": agent.full_name}
    locked = lockout.locked_until(door=agent.group.door, names=[agent.username_key])
    if not locked:
        return Step("agent", Outcome.OK, text)
    until = date_format(timezone.localtime(locked[agent.username_key]), "H:i")
    note = _(
        "Locked after wrong passwords until %(time)s. That stops signing in, not a session that is open."
    )
    return Step("agent", Outcome.NOTE, text, note % {"time": until})


def _session_step(agent: Agent, session: AgentSession | None) -> Step:
    if session:
        since = date_format(timezone.localtime(session.started_at), "j M Y, H:i")
        return Step("session", Outcome.OK, _("Since %(time)s: no page comes in between.") % {"time": since})
    text = _("Not now: the sign-in page comes first, then it goes straight on.")
    note = "" if agent.password else _("There is no password yet: an activation code is needed.")
    return Step("session", Outcome.NOTE, text, note)


def _grant_step(grant: Grant, call: CallContext) -> Step:
    """What the agent may work as and for. A pop asks for nothing of it, so nothing is refused here."""
    campaigns, departments = grant.campaigns_of(None), grant.departments_of(None)
    told_campaigns = _("every campaign") if campaigns == ALL else _numbered(campaigns, _("no campaign"))
    said = {"departments": _numbered(departments, _("none")), "campaigns": told_campaigns}
    text = _("Departments: %(departments)s. Campaigns: %(campaigns)s.") % said
    if not call.campaign_id or call.campaign_id in map(str, grant.campaigns):
        return Step("grant", Outcome.OK, text)
    note = _("The call's campaign, %(campaign)s, is none of them. It is told to the CRM as it came.")
    return Step("grant", Outcome.NOTE, text, note % {"campaign": call.campaign_id})


def _numbered(numbers: list[int] | str, none: str) -> str:
    return ", ".join(str(number) for number in numbers) or none


def _hand_off_step(client: Client) -> Step:
    if client.hand_off in (HandOff.OIDC, HandOff.SIGNED):
        return _step_to_receiver(client)
    seconds = int(settings.LOGIN_TOKEN_LIFETIME.total_seconds())
    said = {"host": urlsplit(client.login_url).netloc, "seconds": seconds}
    if client.hand_off == HandOff.FORM_POST:
        text = ngettext(
            "A page posts a form to %(host)s, with a token that works once, for %(seconds)d second.",
            "A page posts a form to %(host)s, with a token that works once, for %(seconds)d seconds.",
            seconds,
        )
    else:
        text = ngettext(
            "The browser is sent to %(host)s, with a token that works once, for %(seconds)d second.",
            "The browser is sent to %(host)s, with a token that works once, for %(seconds)d seconds.",
            seconds,
        )
    if (
        RelyingPartySecret.objects.live()
        .filter(relying_party__client=client, relying_party__is_active=True)
        .exists()
    ):
        return Step("hand_off", Outcome.OK, text % said)
    note = _(
        "The client's CRM has no credentials here, so it cannot redeem the token. An operator gives them out."
    )
    return Step("hand_off", Outcome.NOTE, text % said, note)


def _step_to_receiver(client: Client) -> Step:
    """The hand-off to one of the client's systems, which a login is made for."""
    party, seconds = receiver_of(client), int(settings.LOGIN_TOKEN_LIFETIME.total_seconds())
    if party is None:
        note = _("An operator registers the system that agents reach, with the address that begins a login.")
        if client.hand_off == HandOff.SIGNED:
            note = _("An operator registers the system that agents reach.")
        return replace(_refused("hand_off", NOBODY_RECEIVES), note=note)
    if client.hand_off == HandOff.SIGNED:
        text = ngettext(
            "A page posts a form to %(host)s, with all that there is to say, signed, worth something for %(seconds)d "
            "second.",
            "A page posts a form to %(host)s, with all that there is to say, signed, worth something for %(seconds)d "
            "seconds.",
            seconds,
        )
        host = urlsplit(client.login_url).netloc
        return Step("hand_off", Outcome.OK, text % {"host": host, "seconds": seconds})
    host = urlsplit(party.initiate_login_uri).netloc
    text = _("The browser is sent to %(host)s, which begins a sign-in here. That passes without a page.")
    return Step("hand_off", Outcome.OK, text % {"host": host})


def _token(entry: Entry, session: AgentSession | None, call: CallContext) -> LoginToken:
    """The token that the pop would issue; a row that is never saved."""
    agent, now = entry.agent, timezone.now()
    return LoginToken(
        agent=agent,
        group=agent.group,
        client=entry.client,
        session=session or AgentSession(agent=agent, methods=["pwd"], started_at=now, sid="…"),
        issued_at=now,
        **call._asdict(),
    )


def _refused(key: str, refusal: Refusal) -> Step:
    return Step(key, Outcome.REFUSED, _(refusal.message), _why(refusal.detail))


def _why(detail: str) -> str:
    """What administrators may know beyond the refusal that the agent sees."""
    return {
        "suspended": _("Suspended by an administrator."),
        "disabled": _("Disabled: has left."),
        "ended": _("The end date has come."),
        "client inactive": _("The portal's operators have closed this client."),
        "no entitlement": _("The operators have not linked this client to the group."),
        "not among the agent's clients": _("Add it on the agent's page."),
    }.get(detail, "")
