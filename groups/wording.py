"""The audit log in words for people: what was done, why not, by whom, to whom."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Event, Outcome
from groups.models import Agent


class Family(TextChoices):
    """What belongs together, for filters."""

    LOGINS = "logins", _("Logins to clients")
    SIGN_INS = "sign_ins", _("Agents signing in and out")
    AGENTS = "agents", _("Changes to agents")
    CLIENTS = "clients", _("Clients and numbers")
    KEYS = "keys", _("Keys and addresses")
    ADMINISTRATORS = "administrators", _("Administrators")
    SETTINGS = "settings", _("Settings and exports")


@dataclass(frozen=True)
class Act:
    """How an action is worded when it was done, and when it was refused. `%(client)s` names the client."""

    family: str
    done: Promise
    refused: Promise


def _act(family: Family, done: Any, refused: Any = None) -> Act:
    return Act(family.value, done, refused or done)


ACTS: dict[str, Act] = {
    "login.issue": _act(Family.LOGINS, _("Login issued for %(client)s"), _("Login for %(client)s refused")),
    "login.redeem": _act(
        Family.LOGINS, _("Login redeemed at %(client)s"), _("Redemption at %(client)s refused")
    ),
    "login.refresh": _act(
        Family.LOGINS, _("Login at %(client)s goes on"), _("Login at %(client)s does not go on")
    ),
    "login.revoke": _act(Family.LOGINS, _("Login at %(client)s revoked"), _("Revocation refused")),
    "login.userinfo": _act(
        Family.LOGINS, _("Userinfo told to %(client)s"), _("Userinfo for %(client)s refused")
    ),
    "login.introspect": _act(
        Family.LOGINS, _("Token examined for %(client)s"), _("Examination of a token refused")
    ),
    "login.sign_url": _act(
        Family.LOGINS,
        _("Sign-in address given out for %(client)s"),
        _("Sign-in address for %(client)s refused"),
    ),
    "bus.connect": _act(
        Family.SIGN_INS,
        _("Agent connected over the message bus"),
        _("Connection over the message bus refused"),
    ),
    "bus.issue_code": _act(
        Family.SIGN_INS, _("Code for the message bus issued"), _("Code for the message bus refused")
    ),
    "bus.redeem_code": _act(
        Family.SIGN_INS, _("Code redeemed over the message bus"), _("Code refused by the message bus")
    ),
    "bus.register": _act(
        Family.SIGN_INS, _("Page connected to the message bus"), _("Page refused by the message bus")
    ),
    "bus.me": _act(Family.SIGN_INS, _("Agent asked for"), _("Token refused by the message bus")),
    "person.create_token": _act(
        Family.LOGINS,
        _("Login for a person of %(client)s given out"),
        _("Login for a person of %(client)s refused"),
    ),
    "person.enter": _act(
        Family.SIGN_INS,
        _("Person of %(client)s came by their billing system"),
        _("Person of %(client)s not let in"),
    ),
    "person.hand_off": _act(
        Family.LOGINS,
        _("Person of %(client)s taken on into its system"),
        _("Person of %(client)s not taken on into its system"),
    ),
    "person.redeem": _act(
        Family.LOGINS,
        _("Login of a person redeemed at %(client)s"),
        _("Redemption of a person’s login at %(client)s refused"),
    ),
    "person.sign_out": _act(Family.SIGN_INS, _("Person of %(client)s signed out")),
    "agent.sign_in": _act(Family.SIGN_INS, _("Agent signed in"), _("Sign-in refused")),
    "sign_in.many_names": _act(Family.SIGN_INS, _("Sign-ins failed under many names from one address")),
    "agent.sign_out": _act(Family.SIGN_INS, _("Agent signed out")),
    "logout.tell": _act(
        Family.SIGN_INS,
        _("Log-out passed on to %(client)s"),
        _("Log-out not passed on to %(client)s"),
    ),
    "agent.second_factor": _act(Family.SIGN_INS, _("Second factor shown"), _("Second factor refused")),
    "agent.enrol_factor": _act(
        Family.SIGN_INS, _("Agent set up a second factor"), _("New second factor refused")
    ),
    "agent.choose_password": _act(Family.SIGN_INS, _("Agent chose a password"), _("Password refused")),
    "agent.create": _act(Family.AGENTS, _("Agent created"), _("Agent not created")),
    "agent.add": _act(Family.AGENTS, _("Agent created in the back office")),
    "agent.provision": _act(Family.AGENTS, _("Agent created by the SSO API")),
    "agent.update": _act(Family.AGENTS, _("Agent changed"), _("Change to an agent refused")),
    "agent.change": _act(Family.AGENTS, _("Agent changed in the back office")),
    "agent.delete": _act(Family.AGENTS, _("Agent deleted in the back office")),
    "agent.enable": _act(Family.AGENTS, _("Agent let in again")),
    "agent.suspend": _act(Family.AGENTS, _("Agent suspended")),
    "agent.disable": _act(Family.AGENTS, _("Agent disabled")),
    "agent.unlock": _act(Family.AGENTS, _("Agent unlocked")),
    "agent.end_sessions": _act(Family.AGENTS, _("Agent’s sessions ended")),
    "agent.give_activation_code": _act(Family.AGENTS, _("Activation code made")),
    "agent.set_password": _act(Family.AGENTS, _("Password set for an agent")),
    "agent.remove_factor": _act(
        Family.AGENTS, _("Agent’s second factor removed"), _("Removal of a second factor refused")
    ),
    "agent.import": _act(Family.AGENTS, _("Agents imported"), _("Import of agents refused")),
    "agent.export": _act(Family.AGENTS, _("Agents exported")),
    "agentsession.change": _act(Family.AGENTS, _("Agent’s session changed in the back office")),
    "agentsession.delete": _act(Family.AGENTS, _("Agent’s session deleted in the back office")),
    "agententitlement.add": _act(Family.AGENTS, _("Client given to an agent in the back office")),
    "agententitlement.change": _act(Family.AGENTS, _("Agent’s clients changed in the back office")),
    "agententitlement.delete": _act(Family.AGENTS, _("Client taken from an agent in the back office")),
    "entitlement.add": _act(Family.CLIENTS, _("Client %(client)s given to the group")),
    "entitlement.update": _act(Family.CLIENTS, _("What was granted of %(client)s changed")),
    "entitlement.change": _act(Family.CLIENTS, _("What was granted of %(client)s changed")),
    "entitlement.remove": _act(Family.CLIENTS, _("Client %(client)s taken from the group")),
    "entitlement.delete": _act(Family.CLIENTS, _("Client %(client)s taken from the group")),
    "dialled_number.add": _act(Family.CLIENTS, _("Dialled number added"), _("Dialled number not added")),
    "dialled_number.update": _act(
        Family.CLIENTS, _("Dialled number changed"), _("Change of a number refused")
    ),
    "dialled_number.change": _act(
        Family.CLIENTS, _("Dialled number changed"), _("Change of a number refused")
    ),
    "dialled_number.remove": _act(Family.CLIENTS, _("Dialled number removed")),
    "dialled_number.import": _act(
        Family.CLIENTS, _("Dialled numbers imported"), _("Import of dialled numbers refused")
    ),
    "dialled_number.export": _act(Family.CLIENTS, _("Dialled numbers exported")),
    "bus.add_address": _act(
        Family.KEYS, _("Address registered for the message bus"), _("Address for the message bus refused")
    ),
    "bus.remove_address": _act(Family.KEYS, _("Address taken off the message bus")),
    "bus.change_settings": _act(Family.SETTINGS, _("Settings of the message bus changed")),
    "bus.end_all": _act(Family.SIGN_INS, _("All sign-ins over the message bus ended")),
    "signing_key.rotate": _act(Family.KEYS, _("The portal’s signing key rotated")),
    "key.create": _act(Family.KEYS, _("Key created"), _("Key not created")),
    "key.rotate": _act(Family.KEYS, _("Key rotated"), _("Key not rotated")),
    "key.change_end": _act(Family.KEYS, _("End of a key changed"), _("End of a key not changed")),
    "key.revoke": _act(Family.KEYS, _("Key revoked")),
    "key.remind": _act(Family.KEYS, _("Owner reminded of keys")),
    "platformkey.add": _act(Family.KEYS, _("Key created in the back office")),
    "platformkey.change": _act(Family.KEYS, _("Key changed in the back office")),
    "platformkey.delete": _act(Family.KEYS, _("Key deleted in the back office")),
    "apikey.add": _act(Family.KEYS, _("Key created in the back office")),
    "apikey.change": _act(Family.KEYS, _("Key changed in the back office")),
    "apikey.delete": _act(Family.KEYS, _("Key deleted in the back office")),
    "api": _act(Family.KEYS, _("Call of the API"), _("Call of the API refused")),
    "address_rule.add": _act(Family.KEYS, _("Network put on the address list"), _("Network not added")),
    "address_rule.update": _act(Family.KEYS, _("Network on the address list changed")),
    "address_rule.remove": _act(Family.KEYS, _("Network taken off the address list")),
    "addressrule.add": _act(Family.KEYS, _("Network put on the address list in the back office")),
    "addressrule.change": _act(Family.KEYS, _("Address list changed in the back office")),
    "addressrule.delete": _act(Family.KEYS, _("Network taken off the address list in the back office")),
    "administrator.invite": _act(Family.ADMINISTRATORS, _("Administrator invited"), _("Invitation refused")),
    "administrator.withdraw_invitation": _act(Family.ADMINISTRATORS, _("Invitation withdrawn")),
    "administrator.join": _act(
        Family.ADMINISTRATORS, _("Administrator joined the group"), _("Joining the group refused")
    ),
    "administrator.change_role": _act(
        Family.ADMINISTRATORS, _("Administrator’s role changed"), _("Change of a role refused")
    ),
    "administrator.remove": _act(
        Family.ADMINISTRATORS, _("Administrator removed from the group"), _("Removal refused")
    ),
    "administrator.sign_in": _act(
        Family.ADMINISTRATORS, _("Administrator signed in"), _("Administrator’s sign-in refused")
    ),
    "administrator.sign_out": _act(Family.ADMINISTRATORS, _("Administrator signed out")),
    "administrator.second_factor": _act(
        Family.ADMINISTRATORS, _("Second factor shown"), _("Administrator’s second factor refused")
    ),
    "administrator.change_factors": _act(Family.ADMINISTRATORS, _("Administrator’s second factors changed")),
    "administrator.change_password": _act(Family.ADMINISTRATORS, _("Administrator’s password changed")),
    "administrator.update": _act(Family.ADMINISTRATORS, _("Administrator’s profile changed")),
    "administrator.end_sessions": _act(Family.ADMINISTRATORS, _("Administrator’s sessions ended")),
    "administrator.delete": _act(Family.ADMINISTRATORS, _("Administrator deleted in the back office")),
    "membership.add": _act(Family.ADMINISTRATORS, _("Administrator added in the back office")),
    "membership.change": _act(Family.ADMINISTRATORS, _("Administrator’s role changed in the back office")),
    "membership.delete": _act(Family.ADMINISTRATORS, _("Administrator removed in the back office")),
    "group.change_settings": _act(
        Family.SETTINGS, _("Settings of the group changed"), _("Change of the settings refused")
    ),
    "group.change_logo": _act(Family.SETTINGS, _("Logo of the group changed"), _("Logo refused")),
    "group.remove_logo": _act(Family.SETTINGS, _("Logo of the group removed")),
    "group.add": _act(Family.SETTINGS, _("Group created in the back office")),
    "group.change": _act(Family.SETTINGS, _("Group changed in the back office")),
    "group.end_sessions": _act(Family.SETTINGS, _("All sessions of the group ended by an operator")),
    "group.revoke": _act(Family.SETTINGS, _("All keys and codes of the group revoked by an operator")),
    "group.stop": _act(Family.SETTINGS, _("Group stopped by an operator")),
    "group.resume": _act(Family.SETTINGS, _("Group let in again by an operator")),
    "client.end_sessions": _act(Family.CLIENTS, _("All logins for %(client)s ended by an operator")),
    "client.revoke": _act(Family.CLIENTS, _("All secrets of %(client)s revoked by an operator")),
    "client.stop": _act(Family.CLIENTS, _("%(client)s stopped by an operator")),
    "client.resume": _act(Family.CLIENTS, _("%(client)s opened again by an operator")),
    "portal.end_sessions": _act(Family.SETTINGS, _("Everybody signed out by an operator")),
    "portal.restore": _act(Family.SETTINGS, _("The portal restored from a backup")),
    "activity.export": _act(Family.SETTINGS, _("Activity exported")),
}
CONSOLE = "console."  # what an administrator was kept from: the name of the page follows

# Reason words of refusals, and the private halves of some (details "why" and "detail").
REASONS: dict[str, Promise] = {
    "agent_disabled": _("The agent’s access has been stopped"),
    "client_unavailable": _("No access to this client"),
    "group_inactive": _("The group’s access has been stopped"),
    "unknown_department": _("A department that the group does not have at this client"),
    "unknown_campaign": _("A campaign that the group does not have at this client"),
    "no_number": _("The dialled number was not filled in"),
    "unknown_number": _("Nothing is set up for the number that was dialled"),
    "not_told": _("The client’s system did not take it"),
    "unknown_group": _("There is no such group"),
    "unknown_relying_party": _("A system that is not registered asked for a sign-in"),
    "unknown_redirect_uri": _("The way back after sign-in is not registered"),
    "invalid_request": _("The client’s system asked for a sign-in in a way that cannot be read"),
    "invalid_scope": _("The client’s system asked for a scope that cannot be read"),
    "unsupported_response_type": _("The client’s system asked for an answer that is not offered"),
    "unauthorized_client": _("The client’s system asked for tokens that are not allowed for it"),
    "request_not_supported": _("The client’s system asked by a request object"),
    "request_uri_not_supported": _("The client’s system asked by the address of a request object"),
    "registration_not_supported": _("The client’s system wanted to register itself"),
    "wrong_credentials": _("Username and password do not match"),
    "wrong_code": _("Wrong code"),
    "wrong_passkey": _("The passkey was not accepted"),
    "invalid_code": _("The code was unknown, expired or already used"),
    "interaction_required": _("The portal’s own page asks for more first"),
    "login_required": _("Nobody is signed in"),
    "foreign_request": _("Not asked by the portal’s own page"),
    "origin_not_registered": _("The page’s origin is not registered"),
    "address_not_registered": _("The address is not registered"),
    "invalid_api_key": _("The API key is unknown"),
    "revoked_api_key": _("The API key has ended or was revoked"),
    "signature_mismatch": _("The signature does not match"),
    "date_header_diff": _("The caller’s clock is more than 15 minutes off"),
    "unknown_product": _("Not the client that the API key is for"),
    "unknown_customer_account": _("No group with this code that has access to the client"),
    "invalid_client": _("The id or secret of the client’s system is missing or wrong"),
    "invalid_grant": _("The code or token was unknown, expired, revoked or already used"),
    "unsupported_grant_type": _("The client’s system asked in a way that is not offered"),
    "invalid_token": _("The login was unknown, expired or already used"),
    "unauthorized": _("Credentials missing or wrong, or not allowed from this address"),
    "network_not_allowed": _("Not from a network that the group allows"),
    "malformed": _("The address could not be read"),
    "missing_field": _("A field is missing"),
    "invalid_field": _("A field cannot be read"),
    "invalid_fields": _("Some fields cannot be read"),
    "faulty_rows": _("Some rows cannot be taken"),
    "insufficient_scope": _("The key may not be used for this"),
    "unsupported_media_type": _("The request is not JSON"),
    "length_required": _("The request came in pieces"),
    "invalid_json": _("The request is not JSON"),
    "too_many_requests": _("Too many at once"),
    "too_large": _("Too large"),
    "many_names": _("Somebody may be guessing names and passwords"),
    "role_missing": _("The role does not allow this"),
    "last_factor": _("The group demands a second factor, and this was the last"),
    "stale_sign_in": _("The last full sign-in was too long ago"),
    "stale_form": _("The page was open for too long"),
    "method_not_allowed": _("This address is not used that way"),
    "not_found": _("There is nothing at this address"),
    "username_taken": _("The username is taken"),
    "name_taken": _("The name is taken"),
    "last_owner": _("A group needs an owner"),
    "two_live_keys": _("Two keys are live already"),
    "key_ended": _("The key has ended"),
    "listed_already": _("The network is listed already"),
    "list_is_full": _("The list is full"),
    "already_member": _("An administrator of the group already"),
    "already_invited": _("Invited already"),
    "invitation_gone": _("The invitation is no longer valid"),
    "unknown_client": _("No client with this number that the credential may act for"),
    "unknown_person": _("No person with this number"),
    "another_clients_person": _("The person is not one of the client’s"),
    "nobody_named": _("Neither a client nor a person was named"),
    "no_owner": _("The client has no owner"),
    "person_inactive": _("The person’s access has been stopped"),
    "unknown_destination": _("There is no such destination"),
    "unusable_destination": _("The destination cannot be filled in, or leads out of the client’s system"),
    "unknown_action": _("The portal does not offer this action"),
    "no_place": _("No place in the client’s system"),
    "busy": _("Something else is being done at the same time"),
    "changed_meanwhile": _("It was changed meanwhile"),
}
WHYS: dict[str, Promise] = {
    "wrong": _("Wrong password"),
    "locked": _("Locked after wrong passwords"),
    "wrong code": _("Wrong code"),
    "factor locked": _("Locked after wrong codes or passkeys"),
    "signed in meanwhile": _("The agent had signed in meanwhile: what was shown serves once"),
    "passkey copied": _("The passkey counts behind an earlier use: somebody may have a copy of it"),
    "passkey taken": _("The passkey belongs to an agent already"),
    "too many passkeys": _("The agent has as many passkeys as there may be"),
    "suspended": _("The agent is suspended"),
    "disabled": _("The agent is disabled"),
    "ended": _("The agent’s end date has passed"),
    "network": _("Not from a network that the group allows"),
    "no entitlement": _("The group has no access to this client"),
    "client inactive": _("The client is switched off"),
    "not among the agent's clients": _("Not among the agent’s clients"),
    "paused": _("The client has paused all sign-ins"),
    "no relying party receives agents": _(
        "No system of the client is registered to receive agents: an operator does that"
    ),
    "another client's": _("The login was made for another client"),
    "already used": _("The login was used already"),
    "expired": _("The login came too late: it had expired"),
    "agent moved": _("The agent has moved to another group"),
    "session ended": _("The agent’s session had ended"),
    "another relying party's": _("The login was made for another of the client’s systems"),
    "another redirect_uri": _("The code was issued for another way back"),
    "no verifier": _("The proof (PKCE) that the code asks for is missing or cannot be read"),
    "wrong verifier": _("The proof (PKCE) does not belong to this code"),
    "verifier without challenge": _("The code was asked for without PKCE"),
    "reused": _("A code or refresh token was used a second time"),
    "revoked": _("It was given back or revoked"),
    "signed_out": _("The agent signed out"),
    "replaced": _("An administrator or operator revoked it"),
    "unknown identifier": _("Nobody knows the identifier of the credential"),
    "wrong secret": _("Wrong secret"),
    "credentials in the query": _("Credentials were sent in the address, where logs keep them"),
    "person inactive": _("The person’s access has been stopped"),
    "person moved": _("The person has moved to another client"),
    "no path": _("The destination leads out of the client’s system"),
    "address not on the list": _("The caller’s address is not on the list"),
    "status": _("The client’s system answered with an error"),
    "timed out": _("The client’s system did not answer within 5 seconds"),
    "no connection": _("The client’s system could not be reached"),
    "unknown host": _("The name of the client’s system leads nowhere"),
    "bad certificate": _("The certificate of the client’s system is not trusted"),
    "not public": _("The client’s system is not on the public network"),
    "not https": _("The registered address does not begin with https://"),
    "bad address": _("The registered address cannot be read"),
    "no address": _("No address is registered any more"),
    "relying party inactive": _("The client’s system is switched off"),
}
UNKNOWN = {
    "agent.sign_in": _("Unknown username"),
    "login.redeem": _("Nobody knows this login"),
    "login.refresh": _("Nobody knows this token"),
    "person.enter": _("Nobody knows this login"),
    "person.redeem": _("Nobody knows this login"),
}


def worded(action: str, *, refused: bool = False, client: str = "") -> str:
    """An action as a short sentence; one that nobody has worded is told by its own words."""
    act = ACTS.get(action)
    if act is not None:
        return str(act.refused if refused else act.done) % {"client": client or gettext("a client")}
    if action.startswith(CONSOLE):
        return gettext("A page of the console")
    if action == "request":
        return gettext("A request")
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
        return names.get(name, gettext("a former agent"))
    if kind == "administrator":
        return name
    if kind == "key":
        return gettext("Key %(prefix)s…") % {"prefix": name}
    if kind == "signing_pair":
        return gettext("Signing pair %(prefix)s…") % {"prefix": name}
    if kind == "credential":
        return gettext("Billing system %(name)s…") % {"name": name[:11]}
    if kind == "person":
        return gettext("Person %(number)s of %(client)s") % {"number": name, "client": event.client}
    if kind == "relying_party":
        return gettext("CRM of %(client)s") % {"client": event.client or name}
    if kind == "operator":
        return gettext("Operator %(name)s") % {"name": name}
    if kind == "bus":
        return gettext("The message bus")
    if kind in ("portal", "cleanup"):
        return gettext("The portal")
    if kind == "anonymous":
        return gettext("Nobody signed in")
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
