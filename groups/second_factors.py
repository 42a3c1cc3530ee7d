"""Agents' second factors: an authenticator app, passkeys, or both."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import lockout
from groups import authenticator_app, passkeys
from groups.models import Agent, AgentFactor, AgentPasskey, Group
from groups.passkeys import NotAccepted

APP, PASSKEY = "app", "passkey"


@dataclass(frozen=True)
class Shown:
    """What an agent shows as his second factor, or sets up as one: the code of an app, or a passkey's answer."""

    code: str = ""
    passkey: passkeys.Answer | None = None
    name: str = ""  # for a passkey that is set up

    @property
    def kind(self) -> str:
        return APP if self.passkey is None else PASSKEY

    @property
    def word(self) -> str:
        """What is looked at, in the reason words of refusals."""
        return "code" if self.passkey is None else "passkey"

    def for_audit(self) -> dict[str, str]:
        """What an event may keep of a factor that is set up."""
        return {"factor": self.kind, "name": self.name}


@dataclass(frozen=True)
class Factor:
    """One that an agent has, for pages."""

    kind: str
    name: str
    added_at: datetime
    last_used_at: datetime | None
    row: AgentFactor | AgentPasskey

    @property
    def key(self) -> str:
        """What names it among the agent's."""
        return f"{self.kind}-{self.row.pk}"


def is_needed(agent: Agent) -> bool:
    """Whether this agent signs in with a second factor: his group demands it, or he has one."""
    return agent.group.needs_second_factor or has_one(agent)


def has_one(agent: Agent) -> bool:
    """Whether the agent has an app or a passkey."""
    has_any = Q(factor__isnull=False) | Q(passkeys__isnull=False)
    return Agent.objects.filter(has_any, pk=agent.pk).exists()


def factors_of(agent: Agent) -> list[Factor]:
    """All that the agent has, the app first, then passkeys as they came."""
    app = AgentFactor.objects.filter(agent=agent).first()
    apps = [Factor(APP, _("Authenticator app"), app.created_at, app.last_used_at, app)] if app else []
    keys = AgentPasskey.objects.filter(agent=agent).order_by("pk")
    return apps + [Factor(PASSKEY, key.name, key.created_at, key.last_used_at, key) for key in keys]


def take(agent: Agent, shown: Shown, *, nonce: str) -> list[str]:
    """Judge what an agent shows, once; what it adds to the amr values. In a transaction. Raises NotAccepted."""
    if shown.passkey is not None:
        return [passkeys.take(agent, shown.passkey, nonce=nonce)]
    app = AgentFactor.objects.filter(agent=agent).first()
    if app is None or not authenticator_app.take(app, shown.code):
        raise NotAccepted("wrong code")
    return []


def enrol(agent: Agent, shown: Shown, *, nonce: str) -> None:
    """Take this as one of the agent's factors from now on. In a transaction. Raises NotAccepted."""
    if shown.passkey is not None:
        passkeys.enrol(agent, shown.passkey, nonce=nonce, name=shown.name)
    elif not authenticator_app.enrol(agent, authenticator_app.proposed_secret(nonce), shown.code):
        raise NotAccepted("wrong code")


def note_removal(agent: Agent) -> None:
    """Void what the agent proved or was proposed before; nobody else changes his factors until the transaction ends."""
    Agent.objects.filter(pk=agent.pk).update(factor_removed_at=Now())


def remove_all(agent: Agent) -> list[str]:
    """Forget every factor of the agent; which kinds there were. In a transaction."""
    note_removal(agent)
    removed = {
        APP: AgentFactor.objects.filter(agent=agent).delete()[0],
        PASSKEY: AgentPasskey.objects.filter(agent=agent).delete()[0],
    }
    return [kind for kind, rows in removed.items() if rows]


def may_try(agent: Agent) -> bool:
    """Count a try, before what is shown is looked at: apart from wrong passwords, and locked apart."""
    return lockout.may_try(door=door_of(agent.group), name=agent.username_key)


def forget_tries(agent: Agent) -> None:
    """Start the count anew: a factor was right, or an administrator unlocked the agent."""
    lockout.forget(door=door_of(agent.group), name=agent.username_key)


def door_of(group: Group) -> str:
    """The name of the door that wrong tries are counted at."""
    return f"{group.door}:factor"
