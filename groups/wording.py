"""The audit log in words for people: what was done, why not, by whom, to whom."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Event, Outcome
from groups.models import Agent


class Family(TextChoices):
    """What belongs together, for filters."""

    LOGINS = "logins", gettext_lazy("Logins to clients")
    SIGN_INS = "sign_ins", gettext_lazy("Agents signing in and out")
    AGENTS = "agents", gettext_lazy("Changes to agents")
    CLIENTS = "clients", gettext_lazy("Clients and numbers")
    KEYS = "keys", gettext_lazy("Keys and addresses")
    ADMINISTRATORS = "administrators", gettext_lazy("Administrators")
    SETTINGS = "settings", gettext_lazy("Settings and exports")


@dataclass(frozen=True)
class Act:
    """How an action is worded when it was done, and when it was refused. `%(client)s` names the client."""

    family: str
    done: Promise
    refused: Promise


def _act(family: Family, done: Any, refused: Any = None) -> Act:
    return Act(family.value, done, refused or done)


_l = gettext_lazy
ACTS: dict[str, Act] = {
    "login.issue": _act(Family.LOGINS, _l("Login issued for %(client)s"), _l("Login for %(client)s refused")),
    "login.redeem": _act(
        Family.LOGINS, _l("Login redeemed at %(client)s"), _l("Redemption at %(client)s refused")
    ),
    "login.refresh": _act(
        Family.LOGINS, _l("Login at %(client)s goes on"), _l("Login at %(client)s does not go on")
    ),
    "login.revoke": _act(Family.LOGINS, _l("Login at %(client)s revoked"), _l("Revocation refused")),
    "login.userinfo": _act(
        Family.LOGINS, _l("Userinfo told to %(client)s"), _l("Userinfo for %(client)s refused")
    ),
    "login.introspect": _act(
        Family.LOGINS, _l("Token examined for %(client)s"), _l("Examination of a token refused")
    ),
    "login.sign_url": _act(
        Family.LOGINS,
        _l("Sign-in address given out for %(client)s"),
        _l("Sign-in address for %(client)s refused"),
    ),
    "bus.connect": _act(
        Family.SIGN_INS,
        _l("Agent connected over the message bus"),
        _l("Connection over the message bus refused"),
    ),
    "bus.issue_code": _act(
        Family.SIGN_INS, _l("Code for the message bus issued"), _l("Code for the message bus refused")
    ),
    "bus.redeem_code": _act(
        Family.SIGN_INS, _l("Code redeemed over the message bus"), _l("Code refused by the message bus")
    ),
    "bus.register": _act(
        Family.SIGN_INS, _l("Page connected to the message bus"), _l("Page refused by the message bus")
    ),
    "bus.me": _act(Family.SIGN_INS, _l("Agent asked for"), _l("Token refused by the message bus")),
    "person.create_token": _act(
        Family.LOGINS,
        _l("Login for a person of %(client)s given out"),
        _l("Login for a person of %(client)s refused"),
    ),
    "person.enter": _act(
        Family.SIGN_INS,
        _l("Person of %(client)s came by their billing system"),
        _l("Person of %(client)s not let in"),
    ),
    "person.hand_off": _act(
        Family.LOGINS,
        _l("Person of %(client)s taken on into its system"),
        _l("Person of %(client)s not taken on into its system"),
    ),
    "person.redeem": _act(
        Family.LOGINS,
        _l("Login of a person redeemed at %(client)s"),
        _l("Redemption of a person’s login at %(client)s refused"),
    ),
    "person.sign_out": _act(Family.SIGN_INS, _l("Person of %(client)s signed out")),
    "agent.sign_in": _act(Family.SIGN_INS, _l("Agent signed in"), _l("Sign-in refused")),
    "agent.sign_out": _act(Family.SIGN_INS, _l("Agent signed out")),
    "logout.tell": _act(
        Family.SIGN_INS,
        _l("Log-out passed on to %(client)s"),
        _l("Log-out not passed on to %(client)s"),
    ),
    "agent.second_factor": _act(Family.SIGN_INS, _l("Second factor shown"), _l("Second factor refused")),
    "agent.enrol_factor": _act(Family.SIGN_INS, _l("Agent set up an authenticator app")),
    "agent.choose_password": _act(Family.SIGN_INS, _l("Agent chose a password"), _l("Password refused")),
    "agent.create": _act(Family.AGENTS, _l("Agent created"), _l("Agent not created")),
    "agent.add": _act(Family.AGENTS, _l("Agent created in the back office")),
    "agent.provision": _act(Family.AGENTS, _l("Agent created by the SSO API")),
    "agent.update": _act(Family.AGENTS, _l("Agent changed"), _l("Change to an agent refused")),
    "agent.change": _act(Family.AGENTS, _l("Agent changed in the back office")),
    "agent.delete": _act(Family.AGENTS, _l("Agent deleted in the back office")),
    "agent.enable": _act(Family.AGENTS, _l("Agent let in again")),
    "agent.suspend": _act(Family.AGENTS, _l("Agent suspended")),
    "agent.disable": _act(Family.AGENTS, _l("Agent disabled")),
    "agent.unlock": _act(Family.AGENTS, _l("Agent unlocked")),
    "agent.end_sessions": _act(Family.AGENTS, _l("Agent’s sessions ended")),
    "agent.give_activation_code": _act(Family.AGENTS, _l("Activation code made")),
    "agent.set_password": _act(Family.AGENTS, _l("Password set for an agent")),
    "agent.remove_factor": _act(Family.AGENTS, _l("Agent’s authenticator app removed")),
    "agent.import": _act(Family.AGENTS, _l("Agents imported"), _l("Import of agents refused")),
    "agent.export": _act(Family.AGENTS, _l("Agents exported")),
    "agentsession.change": _act(Family.AGENTS, _l("Agent’s session changed in the back office")),
    "agentsession.delete": _act(Family.AGENTS, _l("Agent’s session deleted in the back office")),
    "agententitlement.add": _act(Family.AGENTS, _l("Client given to an agent in the back office")),
    "agententitlement.change": _act(Family.AGENTS, _l("Agent’s clients changed in the back office")),
    "agententitlement.delete": _act(Family.AGENTS, _l("Client taken from an agent in the back office")),
    "entitlement.add": _act(Family.CLIENTS, _l("Client %(client)s given to the group")),
    "entitlement.update": _act(Family.CLIENTS, _l("What was granted of %(client)s changed")),
    "entitlement.change": _act(Family.CLIENTS, _l("What was granted of %(client)s changed")),
    "entitlement.remove": _act(Family.CLIENTS, _l("Client %(client)s taken from the group")),
    "entitlement.delete": _act(Family.CLIENTS, _l("Client %(client)s taken from the group")),
    "dialled_number.add": _act(Family.CLIENTS, _l("Dialled number added"), _l("Dialled number not added")),
    "dialled_number.update": _act(
        Family.CLIENTS, _l("Dialled number changed"), _l("Change of a number refused")
    ),
    "dialled_number.change": _act(
        Family.CLIENTS, _l("Dialled number changed"), _l("Change of a number refused")
    ),
    "dialled_number.remove": _act(Family.CLIENTS, _l("Dialled number removed")),
    "dialled_number.import": _act(
        Family.CLIENTS, _l("Dialled numbers imported"), _l("Import of dialled numbers refused")
    ),
    "dialled_number.export": _act(Family.CLIENTS, _l("Dialled numbers exported")),
    "bus.add_address": _act(
        Family.KEYS, _l("Address registered for the message bus"), _l("Address for the message bus refused")
    ),
    "bus.remove_address": _act(Family.KEYS, _l("Address taken off the message bus")),
    "bus.change_settings": _act(Family.SETTINGS, _l("Settings of the message bus changed")),
    "bus.end_all": _act(Family.SIGN_INS, _l("All sign-ins over the message bus ended")),
    "signing_key.rotate": _act(Family.KEYS, _l("The portal’s signing key rotated")),
    "key.create": _act(Family.KEYS, _l("Key created"), _l("Key not created")),
    "key.rotate": _act(Family.KEYS, _l("Key rotated"), _l("Key not rotated")),
    "key.change_end": _act(Family.KEYS, _l("End of a key changed"), _l("End of a key not changed")),
    "key.revoke": _act(Family.KEYS, _l("Key revoked")),
    "platformkey.add": _act(Family.KEYS, _l("Key created in the back office")),
    "platformkey.change": _act(Family.KEYS, _l("Key changed in the back office")),
    "platformkey.delete": _act(Family.KEYS, _l("Key deleted in the back office")),
    "apikey.add": _act(Family.KEYS, _l("Key created in the back office")),
    "apikey.change": _act(Family.KEYS, _l("Key changed in the back office")),
    "apikey.delete": _act(Family.KEYS, _l("Key deleted in the back office")),
    "api": _act(Family.KEYS, _l("Call of the API"), _l("Call of the API refused")),
    "address_rule.add": _act(Family.KEYS, _l("Network put on the address list"), _l("Network not added")),
    "address_rule.update": _act(Family.KEYS, _l("Network on the address list changed")),
    "address_rule.remove": _act(Family.KEYS, _l("Network taken off the address list")),
    "addressrule.add": _act(Family.KEYS, _l("Network put on the address list in the back office")),
    "addressrule.change": _act(Family.KEYS, _l("Address list changed in the back office")),
    "addressrule.delete": _act(Family.KEYS, _l("Network taken off the address list in the back office")),
    "administrator.invite": _act(
        Family.ADMINISTRATORS, _l("Administrator invited"), _l("Invitation refused")
    ),
    "administrator.withdraw_invitation": _act(Family.ADMINISTRATORS, _l("Invitation withdrawn")),
    "administrator.join": _act(
        Family.ADMINISTRATORS, _l("Administrator joined the group"), _l("Joining the group refused")
    ),
    "administrator.change_role": _act(
        Family.ADMINISTRATORS, _l("Administrator’s role changed"), _l("Change of a role refused")
    ),
    "administrator.remove": _act(
        Family.ADMINISTRATORS, _l("Administrator removed from the group"), _l("Removal refused")
    ),
    "administrator.sign_in": _act(
        Family.ADMINISTRATORS, _l("Administrator signed in"), _l("Administrator’s sign-in refused")
    ),
    "administrator.sign_out": _act(Family.ADMINISTRATORS, _l("Administrator signed out")),
    "administrator.second_factor": _act(
        Family.ADMINISTRATORS, _l("Second factor shown"), _l("Administrator’s second factor refused")
    ),
    "administrator.change_factors": _act(Family.ADMINISTRATORS, _l("Administrator’s second factors changed")),
    "administrator.change_password": _act(Family.ADMINISTRATORS, _l("Administrator’s password changed")),
    "administrator.update": _act(Family.ADMINISTRATORS, _l("Administrator’s profile changed")),
    "administrator.end_sessions": _act(Family.ADMINISTRATORS, _l("Administrator’s sessions ended")),
    "membership.add": _act(Family.ADMINISTRATORS, _l("Administrator added in the back office")),
    "membership.change": _act(Family.ADMINISTRATORS, _l("Administrator’s role changed in the back office")),
    "membership.delete": _act(Family.ADMINISTRATORS, _l("Administrator removed in the back office")),
    "group.change_settings": _act(
        Family.SETTINGS, _l("Settings of the group changed"), _l("Change of the settings refused")
    ),
    "group.change_logo": _act(Family.SETTINGS, _l("Logo of the group changed"), _l("Logo refused")),
    "group.remove_logo": _act(Family.SETTINGS, _l("Logo of the group removed")),
    "group.add": _act(Family.SETTINGS, _l("Group created in the back office")),
    "group.change": _act(Family.SETTINGS, _l("Group changed in the back office")),
    "activity.export": _act(Family.SETTINGS, _l("Activity exported")),
}
CONSOLE = "console."  # what an administrator was kept from: the name of the page follows

# Reason words of refusals, and the private halves of some (details "why" and "detail").
REASONS: dict[str, Promise] = {
    "agent_disabled": _l("The agent’s access has been stopped"),
    "client_unavailable": _l("No access to this client"),
    "group_inactive": _l("The group’s access has been stopped"),
    "unknown_department": _l("A department that the group does not have at this client"),
    "unknown_campaign": _l("A campaign that the group does not have at this client"),
    "no_number": _l("The dialled number was not filled in"),
    "unknown_number": _l("Nothing is set up for the number that was dialled"),
    "not_told": _l("The client’s system did not take it"),
    "unknown_group": _l("There is no such group"),
    "unknown_relying_party": _l("A system that is not registered asked for a sign-in"),
    "unknown_redirect_uri": _l("The way back after sign-in is not registered"),
    "invalid_request": _l("The client’s system asked for a sign-in in a way that cannot be read"),
    "invalid_scope": _l("The client’s system asked for a scope that cannot be read"),
    "unsupported_response_type": _l("The client’s system asked for an answer that is not offered"),
    "unauthorized_client": _l("The client’s system asked for tokens that are not allowed for it"),
    "request_not_supported": _l("The client’s system asked by a request object"),
    "request_uri_not_supported": _l("The client’s system asked by the address of a request object"),
    "registration_not_supported": _l("The client’s system wanted to register itself"),
    "wrong_credentials": _l("Username and password do not match"),
    "wrong_code": _l("Wrong code"),
    "invalid_code": _l("The code was unknown, expired or already used"),
    "interaction_required": _l("The portal’s own page asks for more first"),
    "login_required": _l("Nobody is signed in"),
    "foreign_request": _l("Not asked by the portal’s own page"),
    "origin_not_registered": _l("The page’s origin is not registered"),
    "address_not_registered": _l("The address is not registered"),
    "invalid_api_key": _l("The API key is unknown"),
    "revoked_api_key": _l("The API key has ended or was revoked"),
    "signature_mismatch": _l("The signature does not match"),
    "date_header_diff": _l("The caller’s clock is more than 15 minutes off"),
    "unknown_product": _l("Not the client that the API key is for"),
    "unknown_customer_account": _l("No group with this code that has access to the client"),
    "invalid_client": _l("The id or secret of the client’s system is missing or wrong"),
    "invalid_grant": _l("The code or token was unknown, expired, revoked or already used"),
    "unsupported_grant_type": _l("The client’s system asked in a way that is not offered"),
    "invalid_token": _l("The login was unknown, expired or already used"),
    "unauthorized": _l("Credentials missing or wrong, or not allowed from this address"),
    "network_not_allowed": _l("Not from a network that the group allows"),
    "malformed": _l("The address could not be read"),
    "missing_field": _l("A field is missing"),
    "invalid_field": _l("A field cannot be read"),
    "invalid_fields": _l("Some fields cannot be read"),
    "faulty_rows": _l("Some rows cannot be taken"),
    "insufficient_scope": _l("The key may not be used for this"),
    "unsupported_media_type": _l("The request is not JSON"),
    "length_required": _l("The request came in pieces"),
    "invalid_json": _l("The request is not JSON"),
    "too_many_requests": _l("Too many at once"),
    "too_large": _l("Too large"),
    "role_missing": _l("The role does not allow this"),
    "stale_form": _l("The page was open for too long"),
    "method_not_allowed": _l("This address is not used that way"),
    "not_found": _l("There is nothing at this address"),
    "username_taken": _l("The username is taken"),
    "name_taken": _l("The name is taken"),
    "last_owner": _l("A group needs an owner"),
    "two_live_keys": _l("Two keys are live already"),
    "key_ended": _l("The key has ended"),
    "listed_already": _l("The network is listed already"),
    "list_is_full": _l("The list is full"),
    "already_member": _l("An administrator of the group already"),
    "already_invited": _l("Invited already"),
    "invitation_gone": _l("The invitation is no longer valid"),
    "unknown_client": _l("No client with this number that the credential may act for"),
    "unknown_person": _l("No person with this number"),
    "another_clients_person": _l("The person is not one of the client’s"),
    "nobody_named": _l("Neither a client nor a person was named"),
    "no_owner": _l("The client has no owner"),
    "person_inactive": _l("The person’s access has been stopped"),
    "unknown_destination": _l("There is no such destination"),
    "unusable_destination": _l("The destination cannot be filled in, or leads out of the client’s system"),
    "unknown_action": _l("The portal does not offer this action"),
    "no_place": _l("No place in the client’s system"),
    "busy": _l("Something else is being done at the same time"),
    "changed_meanwhile": _l("It was changed meanwhile"),
}
WHYS: dict[str, Promise] = {
    "wrong": _l("Wrong password"),
    "locked": _l("Locked after wrong passwords"),
    "suspended": _l("The agent is suspended"),
    "disabled": _l("The agent is disabled"),
    "ended": _l("The agent’s end date has passed"),
    "network": _l("Not from a network that the group allows"),
    "no entitlement": _l("The group has no access to this client"),
    "client inactive": _l("The client is switched off"),
    "not among the agent's clients": _l("Not among the agent’s clients"),
    "paused": _l("The client has paused all sign-ins"),
    "no relying party receives agents": _l(
        "No system of the client is registered to receive agents: an operator does that"
    ),
    "another client's": _l("The login was made for another client"),
    "already used": _l("The login was used already"),
    "expired": _l("The login came too late: it had expired"),
    "agent moved": _l("The agent has moved to another group"),
    "session ended": _l("The agent’s session had ended"),
    "another relying party's": _l("The login was made for another of the client’s systems"),
    "another redirect_uri": _l("The code was issued for another way back"),
    "no verifier": _l("The proof (PKCE) that the code asks for is missing or cannot be read"),
    "wrong verifier": _l("The proof (PKCE) does not belong to this code"),
    "verifier without challenge": _l("The code was asked for without PKCE"),
    "reused": _l("A code or refresh token was used a second time"),
    "revoked": _l("It was given back or revoked"),
    "signed_out": _l("The agent signed out"),
    "replaced": _l("An administrator or operator revoked it"),
    "unknown identifier": _l("Nobody knows the identifier of the credential"),
    "wrong secret": _l("Wrong secret"),
    "credentials in the query": _l("Credentials were sent in the address, where logs keep them"),
    "person inactive": _l("The person’s access has been stopped"),
    "person moved": _l("The person has moved to another client"),
    "no path": _l("The destination leads out of the client’s system"),
    "address not on the list": _l("The caller’s address is not on the list"),
    "status": _l("The client’s system answered with an error"),
    "timed out": _l("The client’s system did not answer within 5 seconds"),
    "no connection": _l("The client’s system could not be reached"),
    "unknown host": _l("The name of the client’s system leads nowhere"),
    "bad certificate": _l("The certificate of the client’s system is not trusted"),
    "not public": _l("The client’s system is not on the public network"),
    "not https": _l("The registered address does not begin with https://"),
    "bad address": _l("The registered address cannot be read"),
    "no address": _l("No address is registered any more"),
    "relying party inactive": _l("The client’s system is switched off"),
}
UNKNOWN = {
    "agent.sign_in": gettext_lazy("Unknown username"),
    "login.redeem": gettext_lazy("Nobody knows this login"),
    "login.refresh": gettext_lazy("Nobody knows this token"),
    "person.enter": gettext_lazy("Nobody knows this login"),
    "person.redeem": gettext_lazy("Nobody knows this login"),
}


def worded(action: str, *, refused: bool = False, client: str = "") -> str:
    """An action as a short sentence; one that nobody has worded is told by its own words."""
    act = ACTS.get(action)
    if act is not None:
        return str(act.refused if refused else act.done) % {"client": client or _("a client")}
    if action.startswith(CONSOLE):
        return _("A page of the console")
    if action == "request":
        return _("A request")
    return action.replace(".", ": ").replace("_", " ")


def worded_reason(reason: str) -> str:
    """The reason word of a refusal in plain words; an unknown one as it is."""
    told = REASONS.get(reason)
    return str(told) if told else reason.replace("_", " ")


def worded_why(why: str) -> str:
    """The private half of a refusal, or a failure, in plain words; an unknown one as it is."""
    told = WHYS.get(why)
    return str(told) if told else why


def why_of(event: Event) -> str:
    """Why something was refused, as exactly as the audit log knows; "" where nothing was."""
    if event.outcome != Outcome.REFUSED:
        return ""
    details = event.details if isinstance(event.details, dict) else {}
    private = details.get("why") or details.get("detail")
    if private == "unknown" and event.action in UNKNOWN:
        return str(UNKNOWN[event.action])
    told = WHYS.get(private) if isinstance(private, str) else None
    return str(told) if told else worded_reason(event.reason)


def actions_of(family: str) -> list[str]:
    """The actions of a family."""
    return [action for action, act in ACTS.items() if act.family == family]


# --- Whole events ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """An event as a row for people."""

    event: Event
    what: str
    why: str
    who: str
    who_subject: str  # of the agent who did it, "" otherwise
    whom: str  # the agent it was done to, unless he did it himself
    details: list[tuple[str, str]]

    @property
    def is_refused(self) -> bool:
        return self.event.outcome == Outcome.REFUSED

    @property
    def utc(self) -> str:
        """When it happened, for the title and for machines."""
        return f"{self.event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def tell(events: Collection[Event], *, groups: Iterable[int]) -> list[Told]:
    """Rows for people, in the same order; the agents' names, if they belong to these groups, by one query."""
    names = usernames(events, groups=groups)
    return [_told(event, names) for event in events]


def usernames(events: Iterable[Event], *, groups: Iterable[int]) -> dict[str, str]:
    """The usernames of all agents in these events, by subject."""
    subjects = {event.agent for event in events} | {_subject_in(event.actor) for event in events}
    agents = Agent.objects.filter(subject__in=subjects - {""}, group__in=list(groups))
    return dict(agents.values_list("subject", "username"))


def _subject_in(actor: str) -> str:
    kind, _colon, subject = actor.partition(":")
    return subject if kind == "agent" else ""


def worded_actor(event: Event, names: dict[str, str]) -> str:
    """Who did it."""
    kind, _colon, name = event.actor.partition(":")
    if kind == "agent":
        return names.get(name, _("a former agent"))
    if kind == "administrator":
        return name
    if kind == "key":
        return _("Key %(prefix)s…") % {"prefix": name}
    if kind == "signing_pair":
        return _("Signing pair %(prefix)s…") % {"prefix": name}
    if kind == "credential":
        return _("Billing system %(name)s…") % {"name": name[:11]}
    if kind == "person":
        return _("Person %(number)s of %(client)s") % {"number": name, "client": event.client}
    if kind == "relying_party":
        return _("CRM of %(client)s") % {"client": event.client or name}
    if kind == "operator":
        return _("Operator %(name)s") % {"name": name}
    if kind == "bus":
        return _("The message bus")
    if kind in ("portal", "cleanup"):
        return _("The portal")
    if kind == "anonymous":
        return _("Nobody signed in")
    return event.actor


def _told(event: Event, names: dict[str, str]) -> Told:
    subject = _subject_in(event.actor)
    return Told(
        event,
        what=worded(event.action, refused=event.outcome == Outcome.REFUSED, client=event.client),
        why=why_of(event),
        who=worded_actor(event, names),
        who_subject=subject if subject in names else "",
        whom=names.get(event.agent, "") if event.agent != subject else "",
        details=worded_details(event),
    )


SAID_ELSEWHERE = frozenset({"kind", "session", "status", "why", "detail", "pop", "demo", "call", "methods"})
LONGEST_DETAIL = 300


def worded_details(event: Event) -> list[tuple[str, str]]:
    """What else the audit log keeps of an event: names and values, as they are."""
    details = event.details if isinstance(event.details, dict) else {}
    is_change = any(word in event.action for word in ("update", "change"))
    return [
        (name.replace("_", " "), _plain(value, is_change=is_change))
        for name, value in details.items()
        if name not in SAID_ELSEWHERE and value not in ("", None, [], {})
    ]


def _plain(value: object, *, is_change: bool = False) -> str:
    """A value as text; of a change, a list of two is what was and what is."""
    if isinstance(value, dict):
        text = "; ".join(f"{name}: {_plain(each, is_change=is_change)}" for name, each in value.items())
    elif isinstance(value, list):
        between = " → " if is_change and len(value) == 2 else ", "
        text = between.join(_plain(each) for each in value) or "–"
    else:
        text = "–" if value in (None, "") else str(value)
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]}…"
