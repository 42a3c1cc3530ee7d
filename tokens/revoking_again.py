"""What took somebody's way in away, done again after a backup that knows nothing of it was restored.

Each rule makes one change good; none lets anybody in whom the backup keeps out.
"""

from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.db.models import Model, Q
from django.utils.dateparse import parse_datetime

from accounts import audit
from accounts.models import Administrator
from groups import second_factors, standing
from groups.editing_agents import set_end_of_many
from groups.members import invitations_by
from groups.models import (
    PERMISSIONS,
    Agent,
    AgentStatus,
    Campaign,
    Client,
    ClientPerson,
    Department,
    Entitlement,
    Group,
    Membership,
)
from sso_portal.lib.web import Caller
from tokens import changing_bus, credentials, keys, signing_keys
from tokens.changes_since import Change
from tokens.cutting_off import How, cut_off_client, cut_off_group
from tokens.models import (
    AddressRule,
    ApiCredential,
    ApiKey,
    BusAddress,
    PlatformKey,
    RelyingParty,
    RelyingPartySecret,
    SigningKey,
    SigningPair,
)


class Applied(Enum):
    """What became of a change."""

    YES = "yes"
    NOT_NEEDED = "not needed"  # the database says so already, or knows nothing of whom it is about
    BY_HAND = "by hand"  # the event does not tell enough


class Rule(Protocol):
    def __call__(self, change: Change, *, by: str, caller: Caller) -> Applied: ...


def _done(changed: object) -> Applied:
    return Applied.YES if changed else Applied.NOT_NEEDED


# --- Agents ----------------------------------------------------------------------------------------------------------


def _stop_agent(change: Change, *, by: str, caller: Caller) -> Applied:
    status = AgentStatus.SUSPENDED if change.action == "agent.suspend" else AgentStatus.DISABLED
    agent = _agent_of(change)
    if agent is None or agent.status not in standing.CHANGED_BY[status]:
        return Applied.NOT_NEEDED
    standing.set_status(agent, status, by=by, caller=caller)
    return Applied.YES


def _change_agent(change: Change, *, by: str, caller: Caller) -> Applied:
    """The end date; what clients and campaigns were taken from him is not told exactly enough."""
    agent, told = _agent_of(change), change.details.get("end_date")
    ends_at = parse_datetime(str(told[-1] if isinstance(told, list) else told or ""))
    if agent is None:
        return Applied.NOT_NEEDED
    ends_earlier = ends_at and (agent.ends_at is None or agent.ends_at > ends_at)
    if ends_earlier:
        set_end_of_many([agent], ends_at, group=agent.group, by=by, caller=caller)
    is_narrower = {"clients", "campaigns", "changed"} & set(change.details)
    return Applied.BY_HAND if is_narrower else _done(ends_earlier)


def _forget_password(change: Change, *, by: str, caller: Caller) -> Applied:
    """The old password may be the one that leaked: a new one is chosen with an activation code."""
    agent = _agent_of(change)
    if agent is None or (agent.password_chosen_at and agent.password_chosen_at > change.at):
        return Applied.NOT_NEEDED
    if not Agent.objects.filter(pk=agent.pk).exclude(password="").update(password=""):
        return Applied.NOT_NEEDED
    _record("agent.set_password", change, by, caller, group=agent.group, agent=agent)
    return Applied.YES


def _remove_factor(change: Change, *, by: str, caller: Caller) -> Applied:
    """All of them, as an administrator does; which of his own passkeys an agent removed is not told exactly enough."""
    agent = _agent_of(change)
    if "factor" in change.details:
        return Applied.BY_HAND if agent and second_factors.factors_of(agent) else Applied.NOT_NEEDED
    return _done(agent and standing.remove_factors(agent, by=by, caller=caller))


# --- Groups and clients ----------------------------------------------------------------------------------------------


def _stop_group(change: Change, *, by: str, caller: Caller) -> Applied:
    group = Group.objects.filter(pk=change.group_id or 0, is_active=True).first()
    if group is not None:
        cut_off_group(group, how=How.STOP, by=by, caller=caller)
    return _done(group)


def _change_group(change: Change, *, by: str, caller: Caller) -> Applied:
    """In the back office: of switches it is told to what, of networks and the like it is not."""
    message = change.details.get("changed")
    parts = [part.get("changed", {}) for part in message] if isinstance(message, list) else []
    own = [part for part in parts if "name" not in part]
    is_told = all(len(part.get("fields", [])) <= len(part.get("to", {})) for part in own)
    return Applied.NOT_NEEDED if is_told else Applied.BY_HAND


def _stop_client(change: Change, *, by: str, caller: Caller) -> Applied:
    client = Client.objects.filter(subdomain=change.client, is_active=True).first()
    if client is not None:
        cut_off_client(client, how=How.STOP, by=by, caller=caller)
    return _done(client)


def _withdraw(change: Change, *, by: str, caller: Caller) -> Applied:
    entitlement = Entitlement.objects.filter(group=change.group_id, client__subdomain=change.client).first()
    if entitlement is None:
        return Applied.NOT_NEEDED if change.group_id else Applied.BY_HAND
    group, client = entitlement.group, entitlement.client
    entitlement.delete()
    _record("entitlement.remove", change, by, caller, group=group, client=client)
    return Applied.YES


def _switch(model: type[Model], name: str, *, safe: bool = False) -> Rule:
    """A rule for a switch of the back office: to the safe side it is set again, never to the other."""

    def switch(change: Change, *, by: str, caller: Caller) -> Applied:
        kind, _colon, number = change.about.partition(":")
        if change.details.get("to") is not safe or not number.isdigit():
            return Applied.NOT_NEEDED
        row: Any = model._default_manager.filter(pk=int(number), **{name: not safe}).first()
        if row is None:
            return Applied.NOT_NEEDED
        if str(row) != change.details.get("what"):
            return Applied.BY_HAND  # renamed, or another row that was given its number
        model._default_manager.filter(pk=row.pk).update(**{name: safe})
        if isinstance(row, Group):
            standing.end_sessions_of_group(row)
        of_group = row if isinstance(row, Group) else None
        of_client = row if isinstance(row, Client) else getattr(row, "client", None)
        _record(f"{kind}.change", change, by, caller, group=of_group, client=of_client)
        return Applied.YES

    return switch


# --- Keys and addresses ----------------------------------------------------------------------------------------------


def _revoke(change: Change, *, by: str, caller: Caller) -> Applied:
    credential = _credential_of(change)
    if isinstance(credential, PlatformKey | ApiKey):
        return _done(keys.revoke_key(credential, by=by, caller=caller))
    return _done(credential and credentials.revoke(credential, by=by, caller=caller))


def _let_end(change: Change, *, by: str, caller: Caller) -> Applied:
    credential = _credential_of(change)
    told = parse_datetime(str(change.details.get("ends_at", "")))
    ends_at: datetime = told or change.at + keys.LONGEST_OVERLAP
    if credential is None:
        return Applied.NOT_NEEDED
    later = Q(expires_at=None) | Q(expires_at__gt=ends_at)
    live = type(credential)._default_manager.filter(pk=credential.pk, revoked_at=None)
    if not live.filter(later).update(expires_at=ends_at):
        return Applied.NOT_NEEDED
    _record(change.action, change, by, caller, group=getattr(credential, "group", None), about=change.about)
    return Applied.YES


def _withdraw_signing_key(change: Change, *, by: str, caller: Caller) -> Applied:
    """A key that leaked signs again: it is replaced and withdrawn again."""
    told = change.details
    leaked = SigningKey.objects.published().filter(kid=told.get("replaces"))
    if not told.get("withdrawn") or not leaked.exists():
        return Applied.NOT_NEEDED
    how: dict[str, Any] = {"withdraw": True, "by": by, "caller": caller}
    signing_keys.rotate(told["purpose"], told["algorithm"], ahead=change.at - change.at, **how)
    return Applied.YES


def _remove_address(change: Change, *, by: str, caller: Caller) -> Applied:
    listed = change.about if change.about.startswith("network:") else str(change.details.get("what", ""))
    network = listed.removeprefix("network:").partition(" ")[0]
    rule = AddressRule.objects.filter(group=change.group_id, network=network).first()
    if rule is None:
        return Applied.NOT_NEEDED if change.group_id else Applied.BY_HAND
    return _done(keys.remove_rule(rule, by=by, caller=caller))


def _remove_bus_address(change: Change, *, by: str, caller: Caller) -> Applied:
    named = {name: change.details.get(name) for name in ("use", "address")}
    address = BusAddress.objects.filter(group=change.group_id, **named).first()
    if address is None:
        return Applied.NOT_NEEDED if change.group_id else Applied.BY_HAND
    return _done(changing_bus.remove_address(address, by=by, caller=caller))


# --- Administrators --------------------------------------------------------------------------------------------------


def _remove_member(change: Change, *, by: str, caller: Caller) -> Applied:
    member = _member_of(change)
    if member is None:
        return Applied.NOT_NEEDED if change.group_id else Applied.BY_HAND
    invitations_by(member).delete()
    Membership.objects.filter(pk=member.pk).delete()
    _record("administrator.remove", change, by, caller, group=member.group, about=member.actor)
    return Applied.YES


def _lower_role(change: Change, *, by: str, caller: Caller) -> Applied:
    member, told = _member_of(change), change.details.get("role")
    role = str(told[-1]) if isinstance(told, list) and told else ""
    if member is None or role not in PERMISSIONS:
        return Applied.NOT_NEEDED if change.group_id else Applied.BY_HAND
    if not PERMISSIONS[role] < PERMISSIONS[member.role]:
        return Applied.NOT_NEEDED
    Membership.objects.filter(pk=member.pk).update(role=role)
    _record("administrator.change_role", change, by, caller, group=member.group, about=member.actor)
    return Applied.YES


def _forget_administrators_password(change: Change, *, by: str, caller: Caller) -> Applied:
    """The old password may be the one that leaked: he sets a new one by the reset mail."""
    administrator = _administrator_of(change)
    if administrator is None or not administrator.has_usable_password():
        return Applied.NOT_NEEDED
    Administrator.objects.filter(pk=administrator.pk).update(password=make_password(None))
    _record("administrator.change_password", change, by, caller, about=f"administrator:{administrator}")
    return Applied.YES


def _forget_factors(change: Change, *, by: str, caller: Caller) -> Applied:
    """The old factor may be the one that was lost: he comes back by the reset mail, and sets up another."""
    administrator = _administrator_of(change)
    factors = Authenticator.objects.filter(
        user=administrator, type=change.details.get("factor"), created_at__lt=change.at
    )
    if administrator is None or not factors.delete()[0]:
        return Applied.NOT_NEEDED
    _record("administrator.change_factors", change, by, caller, about=f"administrator:{administrator}")
    _forget_administrators_password(change, by=by, caller=caller)
    return Applied.YES


def _by_hand(change: Change, *, by: str, caller: Caller) -> Applied:
    return Applied.BY_HAND


def _nothing(change: Change, *, by: str, caller: Caller) -> Applied:
    return Applied.NOT_NEEDED


CREDENTIALS = ("secret", "signing_pair", "credential")
NOT_TOLD_EXACTLY = (
    *("administrator.delete", "entitlement.change", "entitlement.update", "entitledcampaign.delete"),
    *("agententitlement.add", "agententitlement.change", "agententitlement.delete", "bus.change_settings"),
    *("apicredential.change", "credentialaddress.delete", "registeredaddress.delete"),
    *("credentialaddress.change", "registeredaddress.change", "platformkey.change", "apikey.change"),
    *("relyingpartysecret.change", "signingpair.change", "address_rule.update", "addressrule.change"),
    *("group.change_settings", "membership.change", "agent.change", "agent.enrol_factor"),
)
# Every session, code and invitation has ended; what was revoked with a group or a client says so itself.
NOTHING_LEFT = (
    *("agent.end_sessions", "administrator.end_sessions", "portal.end_sessions", "bus.end_all"),
    *("group.end_sessions", "group.revoke", "client.end_sessions", "client.revoke"),
    *("administrator.withdraw_invitation", "agent.give_activation_code", "agent.unlock", "activity.export"),
)
RULES: dict[str, Rule] = {
    "agent.suspend": _stop_agent,
    "agent.disable": _stop_agent,
    "agent.update": _change_agent,
    "agent.choose_password": _forget_password,
    "agent.set_password": _forget_password,
    "agent.remove_factor": _remove_factor,
    "group.stop": _stop_group,
    "group.change": _change_group,
    "group:is_active": _switch(Group, "is_active"),
    "client.stop": _stop_client,
    "client:is_active": _switch(Client, "is_active"),
    "client:is_paused": _switch(Client, "is_paused", safe=True),
    "campaign:is_active": _switch(Campaign, "is_active"),
    "department:is_active": _switch(Department, "is_active"),
    "clientperson:is_active": _switch(ClientPerson, "is_active"),
    "relyingparty:is_active": _switch(RelyingParty, "is_active"),
    "entitlement.remove": _withdraw,
    "entitlement.delete": _withdraw,
    "key.revoke": _revoke,
    "key.change_end": _let_end,
    "key.rotate": _let_end,
    **{f"{kind}.revoke": _revoke for kind in CREDENTIALS},
    **{f"{kind}.rotate": _let_end for kind in CREDENTIALS},
    "signing_key.rotate": _withdraw_signing_key,
    "address_rule.remove": _remove_address,
    "addressrule.delete": _remove_address,
    "bus.remove_address": _remove_bus_address,
    "administrator.remove": _remove_member,
    "membership.delete": _remove_member,
    "administrator.change_role": _lower_role,
    "administrator.change_password": _forget_administrators_password,
    "administrator:password": _forget_administrators_password,
    "administrator.change_factors": _forget_factors,
    "administrator:is_active": _switch(Administrator, "is_active"),
    "administrator:is_staff": _switch(Administrator, "is_staff"),
    "administrator:is_superuser": _switch(Administrator, "is_superuser"),
    **dict.fromkeys(NOT_TOLD_EXACTLY, _by_hand),
    **dict.fromkeys(NOTHING_LEFT, _nothing),
}


def _agent_of(change: Change) -> Agent | None:
    return Agent.objects.filter(subject=change.agent).select_related("group").first()


def _credential_of(change: Change) -> Any:
    """The credential that an event names; None for one that the backup lacks."""
    kind, _colon, name = change.about.partition(":")
    if kind == "key":
        models: tuple[Any, ...] = (PlatformKey, ApiKey)
    elif kind == "credential":
        return ApiCredential.objects.filter(identifier=name).first()
    else:
        models = {"secret": (RelyingPartySecret,), "signing_pair": (SigningPair,)}.get(kind, ())
    return next((found for model in models if (found := model.objects.filter(prefix=name).first())), None)


def _member_of(change: Change) -> Membership | None:
    named = change.about.removeprefix("administrator:")
    if change.about.startswith(
        "group:"
    ):  # a list of the back office: "ada@example.com in Northwind (21): owner"
        named = str(change.details.get("what", "")).partition(" in ")[0]
    members = Membership.objects.filter(group=change.group_id, administrator__email=named)
    return members.select_related("administrator", "group").first()


def _administrator_of(change: Change) -> Administrator | None:
    """Whom it is about: the one who did it himself, or the one whose row was changed in the back office."""
    is_row = change.action == "administrator:password"
    email = str(change.details.get("what", "")) if is_row else change.actor.removeprefix("administrator:")
    return Administrator.objects.filter(email=email).first()


def _record(action: str, change: Change, by: str, caller: Caller, *, about: str = "", **of: Any) -> None:
    details = {"restored": change.at.isoformat(timespec="seconds"), "by": change.actor}
    audit.record(action, caller=caller, actor=by, about=about, details=details, **of)
