"""Many agents at once: a verdict on each row, all or nothing unless only the good are asked for."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import Event
from groups.models import Agent, AgentStatus, ProvisionedBy
from tests import factories
from tests.tokens.dialects.native.conftest import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def rows(count: int) -> list[dict]:
    return [{"username": f"agent{n:04}", "full_name": f"Agent {n}"} for n in range(count)]


def verdicts(response) -> list[str]:
    return [row["verdict"] for row in response.json()["rows"]]


def test_rows_make_and_change_agents(ask, group, agent, key):
    clients = [{"client": "demoaws", "campaigns": [1, 2]}]
    body = [
        {"username": "ALICE", "full_name": "Alice Osei", "status": "suspended"},
        {"username": "bob", "full_name": "Bob", "ends_at": "2030-01-01T00:00:00Z", "clients": clients},
    ]

    response = ask("POST", "agents/bulk", {"agents": body})

    assert response.status_code == 200
    bob = Agent.objects.get(username="bob")
    assert response.json() == {
        "summary": {"created": 1, "changed": 1, "unchanged": 0, "faulty": 0},
        "rows": [
            {"row": 0, "username": "ALICE", "verdict": "changed", "subject": agent.subject, "errors": {}},
            {"row": 1, "username": "bob", "verdict": "created", "subject": bob.subject, "errors": {}},
        ],
    }
    assert ask("GET", f"agents/{bob.subject}").json()["clients"] == clients
    assert bob.provisioned_by == ProvisionedBy.ADMINISTRATOR
    agent.refresh_from_db()
    assert (agent.full_name, agent.status) == ("Alice Osei", AgentStatus.SUSPENDED)
    actions = set(Event.objects.filter(actor=key.named).values_list("action", flat=True))
    assert actions == {"agent.create", "agent.suspend", "agent.update", "agent.import"}


def test_rows_sent_twice_change_nothing_the_second_time(ask):
    body = {
        "agents": [
            {"username": "bob", "full_name": "Bob", "email": None, "ends_at": "2030-01-01T00:00:30Z"},
            {"username": "eve", "full_name": "Eve", "clients": [{"client": "demoaws"}], "status": "active"},
            {"username": "joe", "full_name": "Joe", "all_clients": True, "email": "j@b.example"},
        ]
    }
    first = ask("POST", "agents/bulk", body)
    again = ask("POST", "agents/bulk", body)

    assert (verdicts(first), verdicts(again)) == (["created"] * 3, ["unchanged"] * 3)
    assert [row["subject"] for row in first.json()["rows"]] == [
        row["subject"] for row in again.json()["rows"]
    ]


def test_faulty_row_stops_all(ask):
    body = {"agents": [*rows(2), {"username": "x"}, {"username": "", "full_name": "Y"}]}

    problem = assert_problem(ask("POST", "agents/bulk", body), 400, "faulty_rows")

    assert problem["summary"] == {"created": 2, "changed": 0, "unchanged": 0, "faulty": 2}
    assert [list(row["errors"]) for row in problem["rows"]] == [[], [], ["full_name"], ["username"]]
    assert not Agent.objects.exists()


def test_only_the_good_are_taken_where_that_is_asked_for(ask):
    body = {"agents": [*rows(2), {"username": "x"}], "only_good": True}

    response = ask("POST", "agents/bulk", body)

    assert verdicts(response) == ["created", "created", "faulty"]
    assert Agent.objects.count() == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": "AGENT0000"}, "username"),
        ({"username": 7}, "username"),
        ({"email": "x"}, "email"),
        ({"status": "gone"}, "status"),
        ({"ends_at": "soon"}, "ends_at"),
        ({"clients": [{"client": "acme"}]}, "clients"),
        ({"clients": [{"client": "demoaws", "campaigns": [9]}]}, "clients"),
        ({"all_clients": False}, "clients"),
    ],
)
def test_fault_of_a_row_is_named(ask, changed, field):
    body = {"agents": [*rows(1), {"username": "bob", "full_name": "Bob"} | changed]}

    problem = assert_problem(ask("POST", "agents/bulk", body), 400, "faulty_rows")

    assert list(problem["rows"][1]["errors"]) == [field]


@pytest.mark.parametrize(
    "body", [{}, {"agents": []}, {"agents": {}}, {"agents": [1]}, {"agents": [{}] * 1001}, {"agents": None}]
)
def test_list_that_is_none_is_refused(ask, body):
    assert list(assert_problem(ask("POST", "agents/bulk", body), 400, "invalid_fields")["errors"]) == [
        "agents"
    ]


def test_agent_of_the_same_name_in_another_group_is_left_alone(ask, group, other_group):
    foreign = factories.AgentFactory(group=other_group, username="agent0000")

    assert verdicts(ask("POST", "agents/bulk", {"agents": rows(1)})) == ["created"]

    foreign.refresh_from_db()
    assert foreign.full_name == "Andy Agent"
    assert group.agents.count() == 1


def test_thousand_rows_cost_few_queries(ask, django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        response = ask("POST", "agents/bulk", {"agents": rows(1000)})

    assert response.json()["summary"]["created"] == Agent.objects.count() == 1000


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_same_rows_sent_at_once_make_each_agent_once(ask):
    def send(_n: int) -> int:
        try:
            return ask("POST", "agents/bulk", {"agents": rows(40)}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))

    assert set(answers) <= {200, 409}
    assert 200 in answers
    assert Agent.objects.count() == Event.objects.filter(action="agent.create", outcome="ok").count() == 40
