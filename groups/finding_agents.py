"""Finding agents among ten thousand: by words, standing, client and origin, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextChoices, Value
from django.db.models.functions import Coalesce, Now
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts import lockout
from accounts.models import Attempt
from groups.models import Agent, AgentQuerySet, AgentSession, AgentStatus, Group, ProvisionedBy
from sso_portal.lib.sql import Milliseconds
from sso_portal.lib.text import canonical_name

MOST_WORDS = 6
LONGEST_SEARCH = 200
# Agents of the SSO API need no password: they come in by their software's requests.
NOT_ACTIVATED = Q(password="") & ~Q(provisioned_by=ProvisionedBy.API)


class Standing(TextChoices):
    """What is to be said of an agent first; also what lists can be narrowed to."""

    ACTIVE = "active", _("active")
    SIGNED_IN = "signed_in", _("signed in")
    LOCKED = "locked", _("locked")
    PENDING = "pending", _("not activated")
    SUSPENDED = "suspended", _("suspended")
    DISABLED = "disabled", _("disabled")
    ENDED = "ended", _("ended")


class Sort(TextChoices):
    USERNAME = "username", _("username, A to Z")
    USERNAME_BACK = "-username", _("username, Z to A")
    NAME = "name", _("name, A to Z")
    NAME_BACK = "-name", _("name, Z to A")
    LATEST = "-last", _("last sign-in, latest first")
    OLDEST = "last", _("last sign-in, oldest first")


ORDERS = {
    "username": ["username_key"],
    "name": ["full_name", "id"],
    "last": ["last_milliseconds", "id"],
}


@dataclass(frozen=True)
class Search:
    """What is looked for; "" where it does not matter."""

    words: str = ""
    standing: str = ""
    client: str = ""  # subdomain
    provisioned_by: str = ""
    sort: str = Sort.USERNAME.value

    @classmethod
    def parse(cls, query: QueryDict) -> "Search":
        """What an address asks for; what it asks for and nobody knows is left out."""

        def known(name: str, choices: type[TextChoices], default: str = "") -> str:
            asked = query.get(name, "")
            return asked if asked in choices.values else default

        return cls(
            words=" ".join(query.get("q", "")[:LONGEST_SEARCH].replace("\0", "").split()),
            standing=known("status", Standing),
            client=query.get("client", "").replace("\0", "")[:63],
            provisioned_by=known("by", ProvisionedBy),
            sort=known("sort", Sort, Sort.USERNAME),
        )

    @property
    def fields(self) -> dict[str, str]:
        """As the address names it."""
        return {
            "q": self.words,
            "status": self.standing,
            "client": self.client,
            "by": self.provisioned_by,
            "sort": self.sort,
        }

    @property
    def query(self) -> str:
        """As the address of the list says it; what does not matter is left out."""
        usual = Search().fields
        return urlencode({name: value for name, value in self.fields.items() if value != usual[name]})

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave agents out."""
        return bool(self.words or self.standing or self.client or self.provisioned_by)

    @property
    def order(self) -> list[str]:
        """The fields to page by, the last of them unique."""
        fields = ORDERS[self.sort.removeprefix("-")]
        return [f"-{field}" for field in fields] if self.sort.startswith("-") else fields

    def among(self, group: Group) -> AgentQuerySet:
        """The group's agents that it finds, in no order."""
        agents = Agent.objects.filter(group=group)
        for word in self.words.split()[:MOST_WORDS]:
            agents = agents.filter(_says(word))
        if self.standing:
            agents = agents.filter(_stands(Standing(self.standing), group))
        if self.client:
            entitled = group.entitlements.filter(client__subdomain=self.client)
            listed = Exists(entitled.filter(narrowings__agent=OuterRef("pk")))
            agents = agents.filter(Exists(entitled), Q(all_clients=True) | Q(listed))
        if self.provisioned_by:
            agents = agents.filter(provisioned_by=self.provisioned_by)
        return agents

    def in_order(self, agents: AgentQuerySet) -> QuerySet[Agent]:
        """The agents with what `order` names, and no more (see `whole`); who never signed in did so in 1970."""
        if "last" not in self.sort:
            return agents.only("id", *(field.removeprefix("-") for field in self.order))
        last = Coalesce(Milliseconds(F("last_signed_in_at")), Value(0))
        return agents.only("id").annotate(last_milliseconds=last)


def whole(agents: Sequence[Agent]) -> list[Agent]:
    """These agents with all that is known of them, in the same order: ten thousand are sorted by their keys alone."""
    found = Agent.objects.in_bulk([agent.pk for agent in agents])
    return [found[agent.pk] for agent in agents if agent.pk in found]


def _says(word: str) -> Q:
    named = Q(username_key__contains=canonical_name(word)) | Q(full_name__icontains=word)
    if not word.isascii():  # SQLite knows the case of ASCII letters only
        for spelled in {word.lower(), word.upper(), word.capitalize()}:
            named |= Q(full_name__contains=spelled)
    return named


def _stands(standing: Standing, group: Group) -> Q:
    """Agents of whom this is true; an agent who is locked and signed in is both."""
    working = Q(status=AgentStatus.ACTIVE) & (Q(ends_at=None) | Q(ends_at__gt=Now()))
    locked = Attempt.objects.locked().filter(door=group.door, name=OuterRef("username_key"))
    return {
        Standing.ACTIVE: working,
        Standing.SIGNED_IN: working & Q(Exists(AgentSession.objects.live().filter(agent=OuterRef("pk")))),
        Standing.LOCKED: working & Q(Exists(locked)),
        Standing.PENDING: working & NOT_ACTIVATED,
        Standing.SUSPENDED: Q(status=AgentStatus.SUSPENDED),
        Standing.DISABLED: Q(status=AgentStatus.DISABLED),
        Standing.ENDED: Q(status=AgentStatus.ACTIVE, ends_at__lte=Now()),
    }[standing]


@dataclass(frozen=True)
class Seen:
    """An agent, and what is true of him now."""

    agent: Agent
    is_signed_in: bool
    locked_until: datetime | None

    @property
    def standing(self) -> Standing:
        """The gravest that can be said."""
        if self.agent.status != AgentStatus.ACTIVE:
            return Standing(self.agent.status)
        if self.agent.has_ended():
            return Standing.ENDED
        if self.locked_until:
            return Standing.LOCKED
        if not self.agent.password and self.agent.provisioned_by != ProvisionedBy.API:
            return Standing.PENDING
        return Standing.SIGNED_IN if self.is_signed_in else Standing.ACTIVE

    @property
    def lamp(self) -> str:
        """The lamp for it."""
        lamps = {Standing.SIGNED_IN: "active", Standing.ACTIVE: "off"}
        return lamps.get(self.standing, self.standing.value)


def look_at(agents: Sequence[Agent], *, group: Group) -> list[Seen]:
    """What is true of these agents of a group now: two queries, however many they are."""
    signed_in = set(AgentSession.objects.live().filter(agent__in=agents).values_list("agent", flat=True))
    locked = lockout.locked_until(door=group.door, names=[agent.username_key for agent in agents])
    return [Seen(agent, agent.pk in signed_in, locked.get(agent.username_key)) for agent in agents]
