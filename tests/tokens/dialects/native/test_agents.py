"""Agents over the native API: listed, made, changed, kept out. The group's own alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import lockout
from accounts.models import Event
from groups.models import Agent, AgentCampaign, AgentStatus, ProvisionedBy
from tests import factories
from tests.tokens.dialects.native.conftest import assert_problem

pytestmark = pytest.mark.django_db

ALICE = {"username": "alice", "full_name": "Alice Ames"}
SECOND_CLIENT = "sandboxdemo"


@pytest.fixture
def second(group):
    """A second client of the group, with campaign 8; campaign 9 is not the group's."""
    client = factories.ClientFactory(subdomain=SECOND_CLIENT)
    granted = factories.CampaignFactory(client=client, number=8)
    factories.CampaignFactory(client=client, number=9)
    entitlement = factories.EntitlementFactory(group=group, client=client)
    entitlement.campaigns.add(granted)
    return entitlement


def usernames(response) -> list[str]:
    return [agent["username"] for agent in response.json()["agents"]]


# --- Listed ----------------------------------------------------------------------------------------------------------


def test_agent_is_told_in_full(ask, agent, second):
    agent.all_clients = False
    agent.ends_at = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    agent.save()
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=second)
    AgentCampaign.objects.create(narrowing=narrowing, campaign=second.client.campaigns.get(number=8))

    told = ask("GET", f"agents/{agent.subject}").json()

    created = told.pop("created_at")
    assert datetime.fromisoformat(created) <= timezone.now()
    assert told == {
        "subject": agent.subject,
        "username": "alice",
        "full_name": "Alice Ames",
        "email": None,
        "status": "active",
        "standing": "active",
        "ends_at": "2030-01-02T03:04:00Z",
        "all_clients": False,
        "clients": [{"client": SECOND_CLIENT, "campaigns": [8]}],
        "provisioned_by": "administrator",
        "locked_until": None,
        "last_signed_in_at": None,
    }


def test_pages_hold_every_agent_once(ask, group):
    for n in range(5):
        factories.AgentFactory(group=group, username=f"Ä{n} \u3000x")
    seen, cursor = [], ""
    for _ in range(3):
        response = ask("GET", f"agents?limit=2{cursor}")
        seen += usernames(response)
        cursor = f"&cursor={response.json()['next_cursor']}"

    assert len(seen) == len(set(seen)) == 5
    assert response.json()["next_cursor"] is None


def test_page_goes_on_where_it_was_whatever_is_added_before(ask, group):
    for name in ("b", "c", "d"):
        factories.AgentFactory(group=group, username=name)
    cursor = ask("GET", "agents?limit=1").json()["next_cursor"]
    factories.AgentFactory(group=group, username="a")

    assert usernames(ask("GET", f"agents?cursor={cursor}")) == ["c", "d"]


def test_list_is_narrowed_by_words_status_and_standing(ask, group, agent):
    factories.AgentFactory(group=group, username="bob", status=AgentStatus.SUSPENDED)
    factories.AgentFactory(group=group, username="carl", ends_at=timezone.now())

    assert usernames(ask("GET", "agents?q=AMES")) == ["alice"]
    assert usernames(ask("GET", "agents?status=active")) == ["alice", "carl"]
    assert usernames(ask("GET", "agents?standing=ended")) == ["carl"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=nobody", "status"),
        ("standing=", "standing"),
        ("cursor=x", "cursor"),
        ("cursor=WzFd", "cursor"),  # [1]
        ("cursor=WyJcdTAwMDAiXQ", "cursor"),  # ["\u0000"]
        ("cursor=WyJcdWQ4MDAiXQ", "cursor"),  # a lone surrogate
        ("q=%00", "q"),
        ("q=" + "x" * 201, "q"),
    ],
)
def test_query_that_is_wrong_is_named(ask, query, field):
    problem = assert_problem(ask("GET", f"agents?{query}"), 400, "invalid_fields")

    assert list(problem["errors"]) == [field]


def test_list_costs_the_same_however_long_it_is(ask, group, second, django_assert_max_num_queries):
    ask("GET", "agents")
    for n in range(30):
        agent = factories.AgentFactory(group=group, all_clients=False, username=f"a{n}")
        factories.NarrowingFactory(agent=agent, entitlement=second)
    with django_assert_max_num_queries(9):
        assert len(usernames(ask("GET", "agents"))) == 30


# --- Made ------------------------------------------------------------------------------------------------------------


def test_agent_is_made_as_in_the_console(ask, group, key):
    response = ask("POST", "agents", ALICE | {"email": "a@b.example", "unknown": 1})

    assert response.status_code == 201
    agent = Agent.objects.get(group=group)
    assert response.headers["Location"] == f"/api/v1/agents/{agent.subject}"
    assert (agent.username, agent.full_name, agent.email) == ("alice", "Alice Ames", "a@b.example")
    assert (agent.all_clients, agent.provisioned_by) == (True, ProvisionedBy.ADMINISTRATOR)
    event = Event.objects.get()
    assert (event.action, event.actor, event.agent) == ("agent.create", key.named, agent.subject)
    assert event.details["username"] == "alice"


def test_clients_that_are_listed_are_the_only_ones(ask, second, entitlement):
    clients = [{"client": SECOND_CLIENT, "campaigns": [8]}, {"client": "demoaws"}]

    told = ask("POST", "agents", ALICE | {"clients": clients}).json()

    assert told["all_clients"] is False
    assert told["clients"] == [
        {"client": "demoaws", "campaigns": "all"},
        {"client": SECOND_CLIENT, "campaigns": [8]},
    ]


@pytest.mark.parametrize("name", ["alice", "ALICE", "ａｌｉｃｅ"])
def test_username_that_is_taken_is_refused(ask, agent, name):
    problem = assert_problem(ask("POST", "agents", ALICE | {"username": name}), 409, "username_taken")

    assert list(problem["errors"]) == ["username"]
    assert Agent.objects.count() == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": 7}, "username"),
        ({"username": "a\u202eb"}, "username"),
        ({"username": "a\u00adb"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"full_name": "\n"}, "full_name"),
        ({"full_name": "x" * 201}, "full_name"),
        ({"full_name": "\ud800"}, "full_name"),
        ({"email": "a@"}, "email"),
        ({"email": ["a@b.example"]}, "email"),
        ({"ends_at": "2030-01-02"}, "ends_at"),
        ({"ends_at": "2030-02-30T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2030-01-02T00:00:00"}, "ends_at"),
        ({"ends_at": "9999-12-31T23:59:59-23:59"}, "ends_at"),
        ({"ends_at": "1969-12-31T00:00:00Z"}, "ends_at"),
        ({"ends_at": 7}, "ends_at"),
        ({"all_clients": "yes"}, "all_clients"),
        ({"all_clients": False}, "clients"),
        ({"clients": "demoaws"}, "clients"),
        ({"clients": ["demoaws"]}, "clients"),
        ({"clients": [{"client": "acme"}]}, "clients"),
        ({"clients": [{"client": SECOND_CLIENT, "campaigns": [9]}]}, "clients"),
        ({"clients": [{"client": SECOND_CLIENT, "campaigns": []}]}, "clients"),
        ({"clients": [{"client": SECOND_CLIENT}, {"client": SECOND_CLIENT}]}, "clients"),
    ],
)
def test_field_that_is_wrong_is_named(ask, second, changed, field):
    problem = assert_problem(ask("POST", "agents", ALICE | changed), 400, "invalid_fields")

    assert list(problem["errors"]) == [field]
    assert not Agent.objects.exists()


def test_everything_that_is_wrong_is_told_at_once(ask):
    problem = assert_problem(ask("POST", "agents", {"email": "x"}), 400, "invalid_fields")

    assert set(problem["errors"]) == {"username", "full_name", "email"}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_that_make_one_username_at_once_one_wins(ask):
    def make(_n: int) -> int:
        try:
            return ask("POST", "agents", ALICE).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        answers = sorted(pool.map(make, range(12)))

    assert answers == [201] + [409] * 11
    assert Agent.objects.count() == Event.objects.filter(action="agent.create", outcome="ok").count() == 1


# --- Changed ---------------------------------------------------------------------------------------------------------


def test_change_leaves_what_it_does_not_name(ask, agent, key):
    Agent.objects.update(email="a@b.example")

    told = ask("PATCH", f"agents/{agent.subject}", {"full_name": "Alice Osei"}).json()

    assert (told["full_name"], told["username"], told["email"]) == ("Alice Osei", "alice", "a@b.example")
    event = Event.objects.get()
    assert (event.action, event.actor) == ("agent.update", key.named)
    assert event.details == {"full_name": ["Alice Ames", "Alice Osei"]}


def test_null_takes_away(ask, agent):
    Agent.objects.update(email="a@b.example", ends_at=timezone.now() + timedelta(days=1))

    told = ask("PATCH", f"agents/{agent.subject}", {"email": None, "ends_at": None}).json()

    assert (told["email"], told["ends_at"]) == (None, None)


def test_end_that_has_come_signs_out(ask, agent):
    session = factories.AgentSessionFactory(agent=agent)

    told = ask("PATCH", f"agents/{agent.subject}", {"ends_at": "2020-01-01T00:00:59+01:00"}).json()

    session.refresh_from_db()
    assert (told["ends_at"], told["standing"]) == ("2019-12-31T23:00:00Z", "ended")
    assert session.ended_at is not None


def test_change_of_nothing_is_recorded_as_nothing(ask, agent):
    assert ask("PATCH", f"agents/{agent.subject}", {}).status_code == 200
    assert not Event.objects.exists()


def test_campaigns_that_an_agent_has_may_stay_though_they_are_granted_no_more(ask, agent, second):
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=second)
    AgentCampaign.objects.create(narrowing=narrowing, campaign=second.client.campaigns.get(number=9))
    clients = [{"client": SECOND_CLIENT, "campaigns": [8, 9]}]

    assert ask("PATCH", f"agents/{agent.subject}", {"clients": clients}).json()["clients"] == clients


def test_username_of_another_is_refused_in_a_change(ask, group, agent):
    factories.AgentFactory(group=group, username="bob")

    assert_problem(ask("PATCH", f"agents/{agent.subject}", {"username": "BOB"}), 409, "username_taken")


@pytest.mark.parametrize("body", [{"username": None}, {"full_name": " "}, {"all_clients": None}])
def test_change_to_nothing_is_refused(ask, agent, body):
    assert_problem(ask("PATCH", f"agents/{agent.subject}", body), 400, "invalid_fields")


# --- Let in, kept out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "status"), [("suspend", "suspended"), ("disable", "disabled"), ("enable", "active")]
)
def test_act_sets_the_status(ask, agent, key, act, status):
    response = ask("POST", f"agents/{agent.subject}/{act}")

    assert (response.status_code, response.json()["status"]) == (200, status)
    event = Event.objects.get()
    assert (event.action, event.actor, event.agent) == (f"agent.{act}", key.named, agent.subject)


@pytest.mark.parametrize("act", ["suspend", "disable", "end-sessions"])
def test_act_ends_sessions(ask, agent, act):
    session = factories.AgentSessionFactory(agent=agent)

    told = ask("POST", f"agents/{agent.subject}/{act}", b"whatever").json()

    session.refresh_from_db()
    assert session.ended_at is not None
    assert told["standing"] != "signed_in"


def test_unlock_lets_an_agent_try_again(ask, agent):
    while lockout.may_try(door=agent.group.door, name=agent.username_key):
        pass
    assert ask("GET", f"agents/{agent.subject}").json()["standing"] == "locked"

    told = ask("POST", f"agents/{agent.subject}/unlock").json()

    assert (told["standing"], told["locked_until"]) == ("active", None)


# --- Another group's -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("PATCH", ""),
        *(("POST", f"/{act}") for act in ("enable", "suspend", "disable", "unlock")),
    ],
)
def test_agent_of_another_group_is_missing(ask, other_group, method, tail):
    foreign = factories.AgentFactory(group=other_group, username="eve")

    assert_problem(ask(method, f"agents/{foreign.subject}{tail}", {"full_name": "X"}), 404, "not_found")

    foreign.refresh_from_db()
    assert (foreign.full_name, foreign.status) == ("Andy Agent", AgentStatus.ACTIVE)


def test_list_holds_ones_own_group_alone(ask, agent, other_group):
    factories.AgentFactory(group=other_group, username="eve")

    assert usernames(ask("GET", "agents")) == ["alice"]
    assert usernames(ask("GET", "agents?q=eve")) == []


def test_client_of_another_group_cannot_be_given(ask, agent, other_group):
    factories.EntitlementFactory(group=other_group, client=factories.ClientFactory(subdomain="acme"))

    body = {"clients": [{"client": "acme"}]}
    assert_problem(ask("PATCH", f"agents/{agent.subject}", body), 400, "invalid_fields")
