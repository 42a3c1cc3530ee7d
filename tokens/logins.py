"""What an agent's login tells a client, whichever way it came: the facts that every wire format words its own way."""

from datetime import datetime
from typing import Any, NamedTuple

from groups.entering import Entry, Grant
from groups.models import Agent, Client, Group
from tokens.issuing import CallContext
from tokens.models import LoginToken, TokenFamily
from tokens.redeeming import Redemption

# acr: what was shown at sign-in. Anything that is not a password alone counts as more than one factor.
ONE_FACTOR, TWO_FACTORS = "urn:portal:acr:1", "urn:portal:acr:2"


class Who(NamedTuple):
    """The agent, as clients know him."""

    subject: str
    username: str
    full_name: str
    email: str


class Login(NamedTuple):
    """Who came, as whom, for which call. Departments and campaigns by the client's own numbers."""

    who: Who
    group_told: dict[str, Any]  # the agent's
    client: str  # subdomain
    departments: list[int]
    campaigns: list[int] | str  # "all": of the client's, those to come included
    call: CallContext
    methods: list[str]  # amr (RFC 8176)
    authenticated_at: datetime | None  # None: software vouched for him
    sid: str

    @property
    def acr(self) -> str:
        """How sure it is who he is."""
        return TWO_FACTORS if "mfa" in self.methods else ONE_FACTOR

    @property
    def call_told(self) -> dict[str, str | None]:
        """The call, with nothing left out."""
        names = ("did", "cid", "call_id", "campaign_id")
        return {name: getattr(self.call, name) or None for name in names}


def login_of(redemption: Redemption) -> Login:
    """What a login token said when it was spent."""
    token, session = redemption.token, redemption.token.session
    agent = redemption.entry.agent
    return Login(
        who_is(agent),
        told_of(agent.group),
        redemption.client.subdomain,
        redemption.grant.departments_of(token.departments),
        redemption.grant.campaigns_of(token.campaigns),
        call_of(token),
        session.methods if session else [],
        session.proved_at if session else None,
        session.sid if session else "",
    )


def login_of_family(family: TokenFamily, entry: Entry, client: Client, grant: Grant) -> Login:
    """What a family of tokens says now. Its call is told as long as the login token is kept."""
    token = family.login_token
    return Login(
        who_is(entry.agent),
        told_of(entry.agent.group),
        client.subdomain,
        grant.departments_of(family.departments),
        grant.campaigns_of(family.campaigns),
        call_of(token) if token else CallContext(),
        family.methods,
        family.authenticated_at,
        family.sid,
    )


def call_of(token: LoginToken) -> CallContext:
    """The call that a login was issued for."""
    return CallContext(token.did, token.cid, token.call_id, token.campaign_id, token.destination)


def who_is(agent: Agent) -> Who:
    """What clients learn of him."""
    return Who(agent.subject, agent.username, agent.full_name, agent.email)


def told_of(group: Group) -> dict[str, Any]:
    """What clients learn of it."""
    return {"id": group.pk, "code": group.code, "name": group.name}
