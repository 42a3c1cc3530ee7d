"""Fields that nobody asked for, and ids of others: what a caller adds reaches no column and no other group."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from groups.models import Agent
from tests import factories
from tests.attacks.test_enumeration import told
from tests.attacks.wire import JSON, Answer, send
from tests.attacks.world import HOST, World, fingerprint, undone
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusUse, TokenFamily

pytestmark = pytest.mark.django_db

# --- Fields that nobody asked for ------------------------------------------------------------------------------------


def columns() -> set[str]:
    """The name of every column of every table, and of what a serializer or a form elsewhere calls them."""
    models = [
        model for app in ("accounts", "groups", "tokens") for model in apps.get_app_config(app).get_models()
    ]
    fields = [field for model in models for field in model._meta.concrete_fields]
    return {name for field in fields for name in (field.name, field.attname)} | {
        *("pk", "standing", "locked_until", "role", "scopes", "groupId", "group_id[]", "is_admin", "roles", "user"),
        *("__class__", "__proto__", "constructor", "_state", "agents", "mode", "door", "actor", "by", "caller", "sub"),
    }  # fmt: skip


def ask(world: World, method: str, address: str, body: dict[str, Any]) -> Answer:
    told = json.dumps(body).encode()
    return send(method, address, body=told, kind=JSON, headers=world.credentials(address))


def make_agent(world: World, more: dict[str, Any]) -> Answer:
    documented = {"username": "nora", "full_name": "Nora New", "email": None, "ends_at": None}
    documented |= {"all_clients": True}
    return ask(world, "POST", "/api/v1/agents", more | documented)


def change_agent(world: World, more: dict[str, Any]) -> Answer:
    documented = {"username": "alice", "full_name": "Alice Changed", "email": None, "ends_at": None}
    documented |= {"all_clients": True}
    return ask(world, "PATCH", f"/api/v1/agents/{world.agent.subject}", more | documented)


def write_agents(world: World, more: dict[str, Any]) -> Answer:
    row = {"username": "nora", "full_name": "Nora New", "email": None, "ends_at": None}
    row |= {"status": "active", "all_clients": True}
    return ask(world, "POST", "/api/v1/agents/bulk", more | {"agents": [more | row], "only_good": False})


def ask_for_login(world: World, more: dict[str, Any]) -> Answer:
    documented = {"username": "alice", "full_name": "Alice Ames", "email": None, "client": "demoaws"}
    documented |= {"departments": [1], "campaigns": [2], "destination": "", "call": call_with(more)}
    return ask(world, "POST", "/api/v1/logins", more | documented)


def call_with(more: dict[str, Any]) -> dict[str, Any]:
    return more | {"did": "+15550100", "cid": "", "call_id": "c-7", "campaign_id": ""}


def end_sessions(world: World, more: dict[str, Any]) -> Answer:
    return ask(world, "POST", f"/api/v1/agents/{world.agent.subject}/end-sessions", more)


def register(world: World, more: dict[str, Any]) -> Answer:
    documented = {"origin": HOST, "appName": "", "release": ""}
    return ask(world, "POST", "/bus/api/register", more | documented)


def sign_in(world: World, more: dict[str, Any]) -> Answer:
    documented = {"email": "alice", "password": factories.PASSWORD, "replaces": ""}
    return ask(world, "POST", "/bus/api/sign-in", more | documented)


def exchange(world: World, more: dict[str, Any]) -> Answer:
    documented = {"code": world.bus_code(), "redirectUrl": HOST, "replaces": ""}
    return ask(world, "POST", "/bus/api/code", more | documented)


DOORS: list[Callable[[World, dict[str, Any]], Answer]] = [
    *(make_agent, change_agent, write_agents, ask_for_login, end_sessions, register, sign_in, exchange),
]
# What no two rows have in common, whoever asked for them.
OWN = {"id", "subject", "digest", "sid", "password", "session_id", "bus_code_id", "family_id", "agent_id"}


def left_by(act: Callable[[], Answer]) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    """The status, and what rows say that are new or changed; then all is as it was."""
    with undone():
        before = fingerprint()
        answer = act()
        after = fingerprint()
    left = [
        (model, _lasting(row)) for model, rows in after.items() for row in rows if row not in before[model]
    ]
    return answer.status, left


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    """The row without what is its own. Moments by how far off they are, in hours."""
    now = timezone.now()
    return {
        name: round((value - now) / timedelta(hours=1)) if hasattr(value, "hour") else value
        for name, value in row.items()
        if name not in OWN
    }


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_field_that_nobody_asked_for_changes_nothing(world, other_group, door):
    honest = left_by(lambda: door(world, {}))
    laden = [
        left_by(lambda value=value: door(world, dict.fromkeys(columns(), value)))
        for value in (
            other_group.pk,
            "disabled",
            True,
            "2031-01-01T00:00:00Z",
            [other_group.pk],
            {"id": 1},
            "",
        )
    ]

    assert honest[0] in (200, 201)
    assert honest[1] or door is register
    assert laden == [honest] * len(laden)


# --- Ids of others ---------------------------------------------------------------------------------------------------


@pytest.fixture
def bob(other_group: Any) -> Any:
    """An agent of another group, which may enter a client that ours may not."""
    company = factories.ClientFactory(subdomain="acme", name="Acme Unmistakable")
    factories.CampaignFactory(client=company, number=77)
    factories.EntitlementFactory(group=other_group, client=company)
    return factories.AgentFactory(group=other_group, username="bob", full_name="Bob Unmistakable")


BY_SUBJECT = [
    ("GET", "", {}),
    ("PATCH", "", {"full_name": "Taken over"}),
    *(("POST", f"/{act}", {}) for act in ("enable", "suspend", "disable", "unlock", "end-sessions")),
]


@pytest.mark.parametrize(("method", "path", "body"), BY_SUBJECT, ids=lambda part: str(part))
def test_agent_of_another_group_is_missing_as_nobody_is(world, bob, method, path, body):
    before = fingerprint()
    foreign, nobody = (
        told(ask(world, method, f"/api/v1/agents/{subject}{path}", body))
        for subject in (bob.subject, "0" * 32)
    )

    assert foreign[0] == 404
    assert foreign == nobody
    assert fingerprint() == before


NEW = {"username": "nora", "full_name": "Nora New"}
BY_CLIENT: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/agents", NEW | {"clients": [{"client": "CLIENT"}]}),
    ("/api/v1/agents", NEW | {"clients": [{"client": "CLIENT", "campaigns": [77]}]}),
    ("/api/v1/agents/bulk", {"agents": [NEW | {"clients": [{"client": "CLIENT"}]}]}),
    ("/api/v1/agents/bulk", {"agents": [NEW | {"clients": [{"client": "CLIENT", "campaigns": [77]}]}]}),
    ("/api/v1/logins", NEW | {"client": "CLIENT"}),
    ("/api/v1/logins", NEW | {"client": "CLIENT", "campaigns": [77]}),
    ("/api/sso", {"username": "nora", "fullname": "Nora New", "department_id": 1, "client": "CLIENT"}),
    ("/api/sso/CLIENT", {"username": "nora", "fullname": "Nora New", "department_id": 1}),
]


@pytest.mark.parametrize(
    ("address", "body"), BY_CLIENT, ids=lambda part: part if isinstance(part, str) else ""
)
def test_client_of_another_group_is_missing_as_none_is(world, bob, address, body):
    before = fingerprint()

    def asked_for(client: str) -> tuple[Any, ...]:
        named = json.loads(json.dumps(body).replace("CLIENT", client))
        answer = told(ask(world, "POST", address.replace("CLIENT", client), named))
        return (*answer[:2], answer[2].replace(client, "CLIENT"))

    foreign, nothing = asked_for("acme"), asked_for("none")

    assert 400 <= foreign[0] < 500
    assert foreign == nothing
    assert fingerprint() == before


LISTS = ("agents?limit=200", "agents?q=bob", "agents?q=Unmistakable", "events?limit=500", "entitlements")
CURSORS = ('["a"]', '["", 0]', '["9999-01-01T00:00:00+00:00", 999999999]', '["1970-01-01T00:00:00+00:00", 0]')


def test_list_holds_nothing_of_another_group_wherever_it_is_begun(world, bob):
    from tests.attacks.test_signed_tokens import encoded

    factories.RelyingPartyFactory(client__subdomain="acme-2", secret="")
    ask(world, "POST", "/api/v1/logins", NEW | {"client": "acme"})  # an event that names it; it is our own
    foreign = {"username": "bob", "group": world.group.pk, "group_id": bob.group_id}
    query = "&".join(f"{name}={value}" for name, value in foreign.items())
    for listed in LISTS:
        for cursor in ("", *(f"&cursor={encoded(cursor.encode())}" for cursor in CURSORS)):
            joint = "&" if "?" in listed else "?"
            answer = send(
                "GET", f"/api/v1/{listed}{joint}{query}{cursor}", headers=world.credentials("/api/v1")
            )
            assert answer.status in (200, 400)
            assert "Unmistakable" not in answer.text.replace("q=Unmistakable", "")
            assert bob.subject not in answer.text


# --- The bus ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bobs(bob: Any) -> Callable[..., Answer]:
    """Bob's own host calls."""
    for use in (BusUse.ORIGIN, BusUse.REDIRECT):
        factories.BusAddressFactory(group=bob.group, use=use, address="https://other-host.example")
    page = seal(Page(bob.group_id, "https://other-host.example"))

    def call(address: str, body: dict[str, Any]) -> Answer:
        headers = {"Origin": "http://localhost:8000", "X-Bus-Page": page}
        return send("POST", address, body=json.dumps(body).encode(), kind=JSON, headers=headers)

    return call


@pytest.fixture
def refresh(bobs: Callable[..., Answer]) -> str:
    """What Bob's host goes on with."""
    answer = bobs("/bus/api/sign-in", {"email": "bob", "password": factories.PASSWORD})
    return str(json.loads(answer.text)["credentials"]["refreshToken"])


def goes_on(bobs: Callable[..., Answer], refresh: str) -> bool:
    return bobs("/bus/api/refresh", {"refreshToken": refresh}).status == 200


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/bus/api/refresh", {"refreshToken": "TOKEN"}),
        ("/bus/api/sign-out", {"token": "TOKEN"}),
        ("/bus/api/sign-in", {"email": "alice", "password": factories.PASSWORD, "replaces": "TOKEN"}),
        ("/bus/api/sign-in", {"email": "bob", "password": factories.PASSWORD}),
        ("/bus/api/code", {"code": "TOKEN", "redirectUrl": HOST}),
        ("/bus/api/session", {"token": "TOKEN", "groupId": 0}),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_bus_of_one_group_neither_uses_nor_ends_what_anothers_gave(world, bob, bobs, refresh, address, body):
    answer = ask(
        world, "POST", address, {name: refresh if value == "TOKEN" else value for name, value in body.items()}
    )

    assert bob.subject not in answer.text
    assert not TokenFamily.objects.filter(agent=bob).exclude(revoked_at=None).exists()
    assert goes_on(bobs, refresh)


def test_code_of_another_groups_bus_is_worth_nothing_and_stays_good(world, bob, bobs):
    from tokens.connecting import issue_code

    session = factories.AgentSessionFactory(agent=bob)
    code = issue_code(session, redirect_url="https://other-host.example", caller=world.caller)

    for redirect_url in (HOST, "https://other-host.example"):
        assert ask(world, "POST", "/bus/api/code", {"code": code, "redirectUrl": redirect_url}).status == 400
    assert bobs("/bus/api/code", {"code": code, "redirectUrl": "https://other-host.example"}).status == 200
    assert Agent.objects.get(pk=bob.pk).status == "active"
