"""What is done in one statement is what the plain path does: the same answer and the same rows, whatever the state."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Event
from groups import models as groups
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.asking import basic
from tests.tokens.circumstances import STOPS
from tests.tokens.statements import Statements
from tokens.functions import FUNCTIONS
from tokens.models import (
    AddressRule,
    Handoff,
    Kind,
    LoginToken,
    PlatformKey,
    RelyingParty,
    RelyingPartySecret,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

COOKIE, TOKEN = "as_of-the-tests", "lt_of-the-tests"
HOSTILE = "<b>\u202e\x07Mozilla"
# What differs between any two runs.
RANDOM = {"id", "digest", "subject", "reference", "at", "created_at"}
# A function is never changed, for the release before works beside this one: write the next, under its own number.
RELEASED = {
    "tokens_pop_3": "34f051504592",
    "tokens_issue_by_name_3": "1b568b4cd0de",
    "tokens_redeem_3": "5dd9fbe5234d",
}
SECRET = re.compile(r"lt_[\w-]{43}|token:[0-9a-f]{12}")


@dataclass
class World:
    """Alice, signed in, with the CRM and the platform that ask about her."""

    agent: groups.Agent
    entitlement: groups.Entitlement
    session: groups.AgentSession
    party: RelyingParty
    token: LoginToken

    @property
    def client(self) -> groups.Client:
        return self.entitlement.client

    @property
    def key(self) -> PlatformKey:
        return PlatformKey.objects.get()

    def pop(self, **query: str) -> Any:
        browser = Client(HTTP_HOST=PORTAL, raise_request_exception=False)
        browser.cookies[settings.AGENT_COOKIE_NAME] = COOKIE
        call = {"did": "+15550100", "cid": "+15550199", "call_id": "c/7 ü", "campaign_id": "{{Campaign}}"}
        asked = {"group": str(self.agent.group_id)} | call | query
        return browser.get("/sso/group/demoaws", asked, headers={"User-Agent": HOSTILE})

    def redeem(self) -> Any:
        headers = {"Authorization": basic(self.party.identifier, factories.SECRET)}
        return self._post("/api/v1/tokens/redeem", {"token": TOKEN}, headers)

    def ask(self, **fields: Any) -> Any:
        body = {"username": "ALICE", "fullname": "Alice Ames", "department_id": 1, "customer_cid": "7"}
        return self._post("/api/sso/demoaws", body | fields, {"Platform-Key": factories.PLATFORM_KEY})

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        return Client(HTTP_HOST=PORTAL).post(path, json.dumps(body), "application/json", headers=headers)


@pytest.fixture
def world(agent, entitlement, relying_party) -> World:
    session = factories.AgentSessionFactory(agent=agent, secret=COOKIE, methods=["pwd", "otp", "mfa"])
    factories.PlatformKeyFactory(group=agent.group)
    factories.AddressRuleFactory(group=agent.group, network="127.0.0.0/8")
    token = factories.LoginTokenFactory(
        digest=digest_of(TOKEN), agent=agent, client=entitlement.client, session=session, did="7"
    )
    return World(agent, entitlement, session, relying_party, token)


State = Callable[[World], object]


def change(name: str, **fields: Any) -> State:
    """This of the world has changed."""

    def act(world: World) -> object:
        row = getattr(world, name)
        return type(row).objects.filter(pk=row.pk).update(**fields)

    return act


def both(*states: State) -> State:
    return lambda world: [state(world) for state in states]


def ago(**passed: int) -> Any:
    return timezone.now() - timedelta(**passed)


def list_client(world: World) -> object:
    change("agent", all_clients=False)(world)
    return factories.NarrowingFactory(agent=world.agent, entitlement=world.entitlement)


def list_campaigns(world: World) -> object:
    """The group may enter for 1 and 2, Alice for 2 alone."""
    one, two, _ = groups.Campaign.objects.filter(client=world.client).order_by("number")
    for campaign in (one, two):
        groups.EntitledCampaign.objects.create(entitlement=world.entitlement, campaign=campaign)
    narrowing = factories.NarrowingFactory(agent=world.agent, entitlement=world.entitlement)
    return groups.AgentCampaign.objects.create(narrowing=narrowing, campaign=two)


def list_other_department(world: World) -> object:
    other = factories.DepartmentFactory(client=world.client, number=5)
    return groups.EntitledDepartment.objects.create(entitlement=world.entitlement, department=other)


def pop_often(world: World) -> object:
    made = {"agent": world.agent, "client": world.client, "session": world.session, "kind": Kind.LAUNCH}
    return LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(59, **made))


def ask_often(world: World) -> object:
    made = {"agent": world.agent, "client": world.client, "platform_key": PlatformKey.objects.get()}
    return LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(600, **made))


def wait_for_oidc(world: World) -> object:
    change("client", hand_off=groups.HandOff.OIDC)(world)
    return change("party", initiate_login_uri="https://demoaws.crm.example/begin")(world)


def refuse_signed(world: World) -> object:
    change("client", hand_off=groups.HandOff.SIGNED)(world)
    return change("party", is_active=False)(world)


def renew(world: World) -> object:
    change("session", ended_at=timezone.now(), end_reason="renewed")(world)
    return factories.AgentSessionFactory(agent=world.agent, sid=world.session.sid)


STOPPED: dict[str, State] = {
    stop.name: lambda world, stop=stop: stop.act(world.agent, world.entitlement) for stop in STOPS
}
SESSIONS: dict[str, State] = {
    "session ended": change("session", ended_at=timezone.now(), end_reason="ended"),
    "session renewed": renew,
}
# By act: the states in which it is done at once, and those that are for the plain path.
AT_ONCE: dict[str, dict[str, State]] = {
    "pop": {
        "usual": change("agent"),
        "form_post": change("client", hand_off=groups.HandOff.FORM_POST, further_origins="https://a.example"),
        "listed": list_client,
        "one short of the limit": lambda world: LoginToken.objects.update(session=None),
        "seen a while ago": change("session", last_seen_at=ago(minutes=3)),
        "ends one day": change("agent", ends_at=timezone.now() + timedelta(days=1)),
    },
    "redeem": {
        "usual": change("agent", email="alice@northwind.example"),
        "no session": change("token", session=None, did="", cid="8", destination="crm:home"),
        "listed": list_client,
        "listed campaigns": list_campaigns,
        "departments and campaigns": change("token", departments=[1], campaigns=[2, 3]),
        "narrowed campaigns": both(list_campaigns, change("token", campaigns=[2])),
        "no department": list_other_department,
        "inactive campaign": lambda world: groups.Campaign.objects.filter(number=1).update(is_active=False),
        "told of log-outs": change("party", backchannel_logout_uri="https://demoaws.crm.example/out"),
        "for this party alone": lambda world: change("token", issued_to=world.party)(world),
        "session renewed": renew,
        "session idle": change("session", idle_at=ago(minutes=1)),
        "factor shown before": change("session", factor_shown_at=ago(hours=2)),
        "secret just used": lambda world: RelyingPartySecret.objects.update(last_used_at=timezone.now()),
        "secret ends soon": lambda world: RelyingPartySecret.objects.update(expires_at=ago(days=-1)),
    },
    "ask": {
        "usual": change("agent"),
        "form_post": change("client", hand_off=groups.HandOff.FORM_POST),
        "listed": list_client,
        "no session": change("session", ended_at=timezone.now(), end_reason="ended"),
        "made by this API": change("agent", provisioned_by="api", email="alice@northwind.example"),
        "key just used": lambda world: PlatformKey.objects.update(last_used_at=timezone.now()),
        "six addresses": lambda world: [
            factories.AddressRuleFactory(group=world.agent.group, network=f"{n}::/16") for n in range(1, 7)
        ],
    },
}
STEP_BY_STEP: dict[str, dict[str, State]] = {
    "pop": STOPPED
    | SESSIONS
    | {
        "session idle": change("session", idle_at=ago(seconds=1)),
        "session too long": change("session", started_at=ago(hours=13), ends_at=ago(seconds=1)),
        "another group's": lambda world: change("agent", group=factories.GroupFactory())(world),
        "another cookie": change("session", digest="0" * 64),
        "limit reached": lambda world: pop_often(world),
        "oidc": wait_for_oidc,
        "nobody receives": refuse_signed,
    },
    "redeem": STOPPED
    | {
        "session ended": SESSIONS["session ended"],
        "spent": change("token", redeemed_at=timezone.now()),
        "expired": change("token", issued_at=ago(minutes=2), expires_at=ago(minutes=1)),
        "another kind": change("token", kind=Kind.ENTRANCE),
        "another client's": lambda world: change("token", client=factories.ClientFactory())(world),
        "another party's": lambda world: change(
            "token", issued_to=factories.RelyingPartyFactory(client=world.client, secret="")
        )(world),
        "unknown": change("token", digest="0" * 64),
        "moved": lambda world: change("agent", group=factories.GroupFactory())(world),
        "department withdrawn": both(list_other_department, change("token", departments=[1])),
        "campaign withdrawn": both(list_campaigns, change("token", campaigns=[1, 2])),
        "party inactive": change("party", is_active=False),
        "party of another client": lambda world: change("party", client=factories.ClientFactory())(world),
        "secret revoked": lambda world: RelyingPartySecret.objects.update(revoked_at=timezone.now()),
        "secret ended": lambda world: RelyingPartySecret.objects.update(expires_at=ago(seconds=1)),
        "another secret": lambda world: RelyingPartySecret.objects.update(digest="0" * 64),
        "another id": change("party", identifier="rp_another"),
    },
    "ask": STOPPED
    | {
        "new agent": change("agent", username_key="bob"),
        "new name": change("agent", provisioned_by="api", full_name="Alice Baker"),
        "another group's": lambda world: change("agent", group=factories.GroupFactory())(world),
        "address not listed": lambda world: AddressRule.objects.update(network="192.0.2.0/24"),
        "key revoked": lambda world: PlatformKey.objects.update(revoked_at=timezone.now()),
        "key ended": lambda world: PlatformKey.objects.update(expires_at=ago(seconds=1)),
        "another key": lambda world: PlatformKey.objects.update(digest="0" * 64),
        "limit reached": ask_often,
        "department not granted": list_other_department,
        "oidc": wait_for_oidc,
        "nobody receives": refuse_signed,
    },
}


def cases(states: dict[str, dict[str, State]]) -> list[Any]:
    return [
        pytest.param(act, state, id=f"{act}-{name}")
        for act, of_act in states.items()
        for name, state in of_act.items()
    ]


@contextmanager
def undone() -> Iterator[None]:
    """What is written herein is written to be read, and forgotten."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def shown(value: Any) -> Any:
    """A value of a column as far as two runs must agree: of moments, whether there is one."""
    if isinstance(value, str):
        return SECRET.sub("…", value)
    return bool(value) if hasattr(value, "tzinfo") else value


def rows() -> list[Any]:
    """All that these acts may write."""
    names: dict[Any, str] = {}  # an agent who was made has another number and subject each time
    for agent in groups.Agent.objects.all():
        names |= {agent.pk: agent.username, agent.subject: agent.username}
    models = (LoginToken, Event, Handoff, groups.Agent)
    told: list[Any] = [
        {"of": model.__name__}
        | {name: shown(value) for name, value in row.items() if name not in RANDOM}
        | {name: names.get(row[name]) for name in row.keys() & {"agent", "agent_id"}}
        for model in models
        for row in model.objects.order_by("pk").values()
    ]
    lives = LoginToken.objects.order_by("pk").values_list("expires_at", "issued_at")
    told += [round((expires - issued).total_seconds()) for expires, issued in lives]
    noted = [
        *groups.AgentSession.objects.order_by("pk").values_list("last_seen_at", "idle_at"),
        *PlatformKey.objects.values_list("last_used_at"),
        *RelyingPartySecret.objects.order_by("pk").values_list("last_used_at"),
    ]
    return told + [_within_seconds(moment) for row in noted for moment in row]


def _within_seconds(moment: Any) -> Any:
    """How long ago, in whole minutes (half a minute is between any two that a test means)."""
    return moment and round((timezone.now() - moment).total_seconds() / 60)


def told_by(answer: Any) -> Any:
    """The answer, with all its headers, as far as two runs must agree."""
    reference = answer.headers["X-Request-Id"]
    headers: dict[str, Any] = {name: SECRET.sub("…", value) for name, value in answer.headers.items()}
    body = SECRET.sub("…", answer.content.decode()).replace(reference, "…")
    body = re.sub(r'to=[^"&]+', "to=…", body)
    headers["Location"] = re.sub(r"to=[^&]+", "to=…", headers.get("Location", ""))
    headers["Content-Security-Policy"] = sorted(headers["Content-Security-Policy"].split("; "))
    return answer.status_code, {k: v for k, v in headers.items() if k != "X-Request-Id"}, body


def came_of(world: World, act: str) -> Any:
    """The answer and the rows of an act that is undone again."""
    with undone():
        return told_by(getattr(world, act)()), rows()


@pytest.mark.parametrize(("act", "state"), cases(AT_ONCE) + cases(STEP_BY_STEP))
def test_at_once_comes_to_the_same_as_step_by_step(world, request, act, state):
    state(world)

    at_once = came_of(world, act)
    request.getfixturevalue("step_by_step")

    assert came_of(world, act) == at_once


@pytest.mark.parametrize(("act", "state"), cases(AT_ONCE))
def test_usual_case_is_one_statement(world, act, state):
    state(world)

    with Statements(connection) as statements:
        getattr(world, act)()

    assert statements.in_order == ["SELECT"]


def test_tokens_of_other_kinds_do_not_count_as_pops(world):
    pop_often(world)
    LoginToken.objects.filter(kind=Kind.LAUNCH).update(kind=Kind.CODE)

    with Statements(connection) as statements:
        world.pop()

    assert statements.in_order == ["SELECT"]


# --- What it costs, and what comes between ---------------------------------------------------------------------------


def multiply(row: Any, **changed: str) -> None:
    """Add two thousand rows like this one, but for what is changed (SQL of `i`)."""
    table = row._meta.db_table
    columns = [field.column for field in row._meta.concrete_fields if not field.primary_key]
    values = ", ".join(changed.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {table} ({", ".join(columns)})
                SELECT {values} FROM {table}, GENERATE_SERIES(1, 2000) i WHERE id = %s""",
            [row.pk],
        )


AN_HOUR_AGO = {name: f"{name} - INTERVAL '1 hour'" for name in ("issued_at", "expires_at")}
DIGEST = "MD5(i::text) || MD5('a' || i)"


def analyze(*models: type[Any]) -> None:
    """Let the planner know what is in these tables now."""
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def read(what: str) -> dict[str, int]:
    """How much of this (`seq_scan`, `idx_tup_fetch`) there was in this transaction, by table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT relname, {what} FROM pg_stat_xact_user_tables")
        return dict(cursor.fetchall())


def test_usual_case_reads_no_table_as_a_whole_that_grows(world):
    multiply(world.agent, subject="MD5(i::text)", username_key="'other' || i")
    multiply(world.session, digest=DIGEST, sid="'other' || i")
    one_each = "(SELECT s.id FROM groups_agentsession s WHERE s.sid = 'other' || i)"
    multiply(world.token, digest=DIGEST, session_id=one_each, **AN_HOUR_AGO)
    multiply(factories.EventFactory())
    growing = (groups.Agent, groups.AgentSession, LoginToken, Event)
    analyze(*growing)
    before = read("seq_scan")

    for act in AT_ONCE:
        assert getattr(world, act)().status_code < 400

    now = read("seq_scan")
    assert [t for t in (model._meta.db_table for model in growing) if now[t] > before[t]] == []


def test_limit_is_not_counted_among_the_tokens_of_everybody(world):
    # The planner knows of none in the last minute, which were all issued meanwhile: to others.
    multiply(world.token, digest=DIGEST, **AN_HOUR_AGO)
    analyze(LoginToken)
    others = factories.AgentSessionFactory(agent=world.agent)
    multiply(world.token, digest=f"MD5({DIGEST}) || MD5('b' || i)", session_id=str(others.pk))
    before = read("idx_tup_fetch")

    for act in AT_ONCE:
        getattr(world, act)()

    assert read("idx_tup_fetch")["tokens_logintoken"] - before["tokens_logintoken"] < 20


@contextmanager
def locked(row: Any) -> Iterator[None]:
    """Somebody else holds this row; nobody here waits for it long."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"SELECT FROM {row._meta.db_table} WHERE id = %s FOR UPDATE", [row.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
        yield
    finally:
        other.close()
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "name"), [("pop", "session"), ("pop", "agent"), ("ask", "key"), ("ask", "agent")]
)
def test_logins_are_issued_beside_whoever_changes_a_row_that_they_share(world, act, name):
    with locked(getattr(world, name)):
        assert getattr(world, act)().status_code < 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("act", "name"), [("pop", "session"), ("redeem", "token")])
def test_act_that_waits_too_long_is_not_done(world, act, name):
    change("session", last_seen_at=ago(minutes=3))(world)  # so that a pop notes that it was seen

    with locked(getattr(world, name)):
        answer = getattr(world, act)()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert not Event.objects.exists()
    assert list(LoginToken.objects.values_list("pk", "redeemed_at")) == [(world.token.pk, None)]


def test_function_that_was_released_is_as_it_was():
    assert {one.name: digest_of(one.definition)[:12] for one in FUNCTIONS} == RELEASED
