"""Whoever was stopped is let in nowhere, from the next request on: every door, asked after every way of stopping."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from groups import standing
from groups.entering import client_at, entry_of, with_entry
from groups.models import Agent, AgentSession, AgentStatus
from groups.models import Client as Company
from sso_portal.lib.secrets import digest_of, new_secret
from sso_portal.lib.web import Caller
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.dialects.oidc.parties import CHALLENGE, REDIRECT_URI, SCOPE, VERIFIER, basic
from tokens.dialects.bus.page import Page, seal
from tokens.issuing import CallContext, issue
from tokens.models import (
    ApiKey,
    BusAddress,
    BusCode,
    BusUse,
    Kind,
    RegisteredAddress,
    RelyingParty,
    Scope,
    Use,
)

pytestmark = pytest.mark.django_db
ORIGIN = "https://host.example"
API_KEY, COOKIE = "ak_of-the-tests", "as_of-the-tests"


@dataclass
class World:
    """Alice, signed in, with what she shows at one door."""

    agent: Agent
    client: Company
    relying_party: RelyingParty
    caller: Caller
    shown: str = ""

    @property
    def browser(self) -> Client:
        """Her browser."""
        browser = Client(HTTP_HOST=PORTAL)
        browser.cookies[settings.AGENT_COOKIE_NAME] = COOKIE
        return browser

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """A call of software, in JSON."""
        return Client(HTTP_HOST=PORTAL).post(path, json.dumps(body), "application/json", headers=headers)

    def post_form(self, path: str, **fields: str) -> Any:
        """A call of the relying party, in a form."""
        encoded = urlencode(fields)
        kind = "application/x-www-form-urlencoded"
        return Client(HTTP_HOST=PORTAL).post(
            path, encoded, kind, headers=basic(self.relying_party.identifier)
        )

    def issue(self, kind: str, **bound: Any) -> str:
        """A login of Alice's; its secret."""
        session = AgentSession.objects.get(digest=digest_of(COOKIE))
        row = with_entry(
            Agent.objects.filter(pk=self.agent.pk), client=client_at(self.client.subdomain)
        ).get()
        entry = entry_of(row, agent=row, asked=self.client.subdomain)
        about = {"actor": "test", "caller": self.caller, "call": CallContext(), "session": session}
        return issue(entry, kind=kind, **about, **bound).secret

    def issue_code(self) -> str:
        """An authorization code."""
        terms = {"redirect_uri": REDIRECT_URI, "scope": SCOPE, "nonce": "n", "challenge": CHALLENGE}
        return self.issue(Kind.CODE, issued_to=self.relying_party, terms=terms)

    def exchange(self, code: str) -> Any:
        """The token endpoint's answer to this code."""
        form = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return self.post_form("/oauth/token", grant_type="authorization_code", **form)

    def tokens(self) -> dict[str, str]:
        """What a code was exchanged for."""
        tokens: dict[str, str] = self.exchange(self.issue_code()).json()
        return tokens

    def call_bus(self, name: str, **body: str) -> Any:
        """A call of the bus page's script."""
        page = seal(Page(self.agent.group_id, ORIGIN))
        headers = {"Origin": settings.PORTAL_URL, "X-Bus-Page": page}
        return self.post(f"/bus/api/{name}", body, **headers)

    def issue_bus_code(self) -> str:
        """A code of the message bus."""
        secret, session = new_secret(), AgentSession.objects.get(digest=digest_of(COOKIE))
        BusCode.objects.create(
            digest=digest_of(secret),
            agent=self.agent,
            group=self.agent.group,
            session=session,
            redirect_url=ORIGIN,
            expires_at=timezone.now() + timedelta(seconds=60),
        )
        return secret

    def bus_credentials(self) -> dict[str, str]:
        """What a code of the message bus was exchanged for."""
        answer = self.call_bus("code", code=self.issue_bus_code(), redirectUrl=ORIGIN)
        credentials: dict[str, str] = answer.json()["credentials"]
        return credentials


@pytest.fixture
def world(agent, client_company, entitlement, relying_party, caller, door) -> World:
    factories.AgentSessionFactory(agent=agent, secret=COOKIE)
    RegisteredAddress.objects.create(relying_party=relying_party, use=Use.REDIRECT, address=REDIRECT_URI)
    for use in BusUse.values:
        BusAddress.objects.create(group=agent.group, use=use, address=ORIGIN)
    key = ApiKey(group=agent.group, name="Under test", scopes=Scope.values)
    key.take(API_KEY)
    key.save()
    factories.PlatformKeyFactory(group=agent.group)
    factories.AddressRuleFactory(group=agent.group)
    world = World(agent, client_company, relying_party, caller)
    if door in SHOWN_AT:
        world.shown = SHOWN_AT[door](world)
    return world


# --- The doors: whether Alice gets in ---------------------------------------------------------------------------------


def pop(world: World) -> bool:
    answer = world.browser.get(f"/sso/group/{world.client.subdomain}", {"group": world.agent.group_id})
    return "?token=" in answer.headers.get("Location", "")


def enter(world: World) -> bool:
    answer = world.browser.get("/sso/enter", {"token": world.shown})
    return "?token=" in answer.headers.get("Location", "")


def redeem(world: World) -> bool:
    headers = basic(world.relying_party.identifier)
    return bool(world.post("/api/v1/tokens/redeem", {"token": world.shown}, **headers).status_code == 200)


def authorize(world: World) -> bool:
    query = {
        "response_type": "code",
        "client_id": world.relying_party.identifier,
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    answer = world.browser.get("/oauth/authorize", query)
    return "code" in parse_qs(urlsplit(answer.headers.get("Location", "")).query)


def token(world: World) -> bool:
    return bool(world.exchange(world.shown).status_code == 200)


def refresh(world: World) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": world.shown}
    return bool(world.post_form("/oauth/token", **form).status_code == 200)


def userinfo(world: World) -> bool:
    headers = {"Authorization": f"Bearer {world.shown}"}
    return bool(Client(HTTP_HOST=PORTAL).get("/oauth/userinfo", headers=headers).status_code == 200)


def introspection(world: World) -> bool:
    return bool(world.post_form("/oauth/introspect", token=world.shown).json()["active"])


def introspection_of_refresh(world: World) -> bool:
    return bool(world.post_form("/oauth/introspect", token=world.shown).json()["active"])


def platform(world: World) -> bool:
    body = {"username": world.agent.username, "fullname": "Alice", "department_id": 1}
    path = f"/api/sso/{world.client.subdomain}"
    return bool(world.post(path, body, **{"Platform-Key": factories.PLATFORM_KEY}).status_code == 200)


def native(world: World) -> bool:
    body = {"username": world.agent.username, "full_name": "Alice", "client": world.client.subdomain}
    headers = {"Authorization": f"Bearer {API_KEY}"}
    return bool(
        world.post("/api/v1/logins", body | {"departments": [1]}, **headers).status_code in (200, 201)
    )


def bus_session(world: World) -> bool:
    page = seal(Page(world.agent.group_id, ORIGIN))
    headers = {"Origin": settings.PORTAL_URL, "X-Bus-Page": page}
    answer = world.browser.post("/bus/api/session", "{}", "application/json", headers=headers)
    return bool(answer.status_code == 200)


def bus_code(world: World) -> bool:
    answer = world.call_bus("code", code=world.shown, redirectUrl=ORIGIN)
    return bool(answer.status_code == 200)


def bus_password(world: World) -> bool:
    answer = world.call_bus("sign-in", email=world.agent.username, password=factories.PASSWORD)
    return bool(answer.status_code == 200)


def bus_refresh(world: World) -> bool:
    return bool(world.call_bus("refresh", refreshToken=world.shown).status_code == 200)


def bus_me(world: World) -> bool:
    headers = {"Authorization": f"Bearer {world.shown}"}
    return bool(Client(HTTP_HOST=PORTAL).get("/bus/me", headers=headers).status_code == 200)


def bus_sso(world: World) -> bool:
    query = {"group": world.agent.group_id, "redirectUrl": ORIGIN}
    return "code=" in world.browser.get("/bus/sso", query).headers.get("Location", "")


INTO_CLIENTS = [
    pop, enter, redeem, authorize, token, refresh, userinfo, introspection, introspection_of_refresh, platform, native,
]  # fmt: skip
OF_THE_BUS = [bus_session, bus_code, bus_password, bus_refresh, bus_me, bus_sso]
# Software vouches for its agents: whatever became of their sessions at the portal is nothing to it.
BY_SOFTWARE = {platform, native}
# A password begins anew; who was moved signs in to the new group, and by the old group's software is made anew.
BY_PASSWORD = {bus_password}

SHOWN_AT: dict[Callable[[World], bool], Callable[[World], str]] = {
    enter: lambda world: world.issue(Kind.ENTRANCE),
    redeem: lambda world: world.issue(Kind.HAND_OFF),
    token: World.issue_code,
    refresh: lambda world: world.tokens()["refresh_token"],
    userinfo: lambda world: world.tokens()["access_token"],
    introspection: lambda world: world.tokens()["access_token"],
    introspection_of_refresh: lambda world: world.tokens()["refresh_token"],
    bus_code: World.issue_bus_code,
    bus_refresh: lambda world: world.bus_credentials()["refreshToken"],
    bus_me: lambda world: world.bus_credentials()["idToken"],
}

# --- The ways of stopping --------------------------------------------------------------------------------------------


def disable(world: World) -> None:
    standing.set_status(world.agent, AgentStatus.DISABLED, by="test", caller=world.caller)


def suspend(world: World) -> None:
    standing.set_status(world.agent, AgentStatus.SUSPENDED, by="test", caller=world.caller)


def reach_the_end(world: World) -> None:
    Agent.objects.filter(pk=world.agent.pk).update(ends_at=timezone.now() - timedelta(seconds=1))


def move(world: World) -> None:
    Agent.objects.filter(pk=world.agent.pk).update(group=factories.GroupFactory(code="elsewhere"))


def stop_group(world: World) -> None:
    world.agent.group.is_active = False
    world.agent.group.save()


def end_sessions(world: World) -> None:
    standing.end_sessions(world.agent, by="test", caller=world.caller)


def pause_client(world: World) -> None:
    Company.objects.filter(pk=world.client.pk).update(is_paused=True)


def stop_client(world: World) -> None:
    Company.objects.filter(pk=world.client.pk).update(is_active=False)


def withdraw(world: World) -> None:
    world.agent.group.entitlements.all().delete()


def list_no_client(world: World) -> None:
    Agent.objects.filter(pk=world.agent.pk).update(all_clients=False)


OF_AGENTS = [disable, suspend, reach_the_end, stop_group, move, end_sessions]
OF_CLIENTS = [pause_client, stop_client, withdraw, list_no_client]


def closes(stop: Callable[[World], None], door: Callable[[World], bool]) -> bool:
    """Whether this way of stopping is meant for this door."""
    if stop is end_sessions:
        return door not in BY_SOFTWARE | BY_PASSWORD | {enter}
    return not (stop is move and door in BY_SOFTWARE)


CASES = [
    pytest.param(stop, door, id=f"{stop.__name__}-{door.__name__}")
    for stops, doors in ((OF_AGENTS, INTO_CLIENTS + OF_THE_BUS), (OF_CLIENTS, INTO_CLIENTS))
    for stop in stops
    for door in doors
    if closes(stop, door)
]


@pytest.mark.parametrize("door", INTO_CLIENTS + OF_THE_BUS)
def test_door_lets_in_who_may_enter(world, door):
    assert door(world)


@pytest.mark.parametrize(("stop", "door"), CASES)
def test_door_is_closed_at_once(world, stop, door):
    stop(world)

    assert not door(world)
