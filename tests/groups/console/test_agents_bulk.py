"""Doing something to many agents at once."""

import re
from datetime import UTC, datetime

import pytest

from accounts.models import Event
from groups.models import Agent
from tests import factories

pytestmark = pytest.mark.django_db
ACTS = ["suspend", "disable", "enable", "unlock", "end-sessions", "activation-codes", "end-date", "clients"]
CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


@pytest.fixture
def agents(group):
    return [factories.AgentFactory(group=group, username=name) for name in ("anna", "annika", "bo")]


@pytest.fixture
def browser(manager, visit_as):
    return visit_as(manager)


@pytest.fixture
def send(browser, group):
    return lambda **fields: browser.post(f"/groups/{group.pk}/agents/bulk/", fields)


@pytest.fixture
def told(browser, group):
    """What the list then says."""
    return lambda: browser.get(f"/groups/{group.pk}/agents/").content.decode()


def subjects(agents) -> list[str]:
    return [agent.subject for agent in agents]


def statuses() -> list[str]:
    return list(Agent.objects.order_by("username_key").values_list("status", flat=True))


@pytest.mark.parametrize("act", ACTS)
def test_every_act_asks_first(send, agents, act):
    page = send(act=act, agents=subjects(agents[:2])).content.decode()

    assert "2 agents" in page
    assert "(anna)" in page
    assert "(bo)" not in page
    assert 'name="expected" value="2"' in page
    assert not Event.objects.exists()


def test_page_that_asks_names_a_few_and_counts_the_others(send, group):
    factories.AgentFactory.create_batch(8, group=group)

    assert "and 3 more" in send(act="suspend", scope="all").content.decode()


def test_ticked_agents_are_suspended(send, agents, group, manager):
    response = send(act="suspend", agents=subjects(agents[:2]), expected=2)

    assert (response.status_code, response["Location"]) == (303, f"/groups/{group.pk}/agents/")
    assert statuses() == ["suspended", "suspended", "active"]
    events = Event.objects.filter(action="agent.suspend")
    assert {event.agent for event in events} == set(subjects(agents[:2]))
    assert {event.actor for event in events} == {f"administrator:{manager.email}"}


def test_all_that_match_are_disabled(send, agents, group):
    response = send(act="disable", scope="all", query="q=ann", expected=2)

    assert response["Location"] == f"/groups/{group.pk}/agents/?q=ann"
    assert statuses() == ["disabled", "disabled", "active"]


def test_all_that_match_are_asked_about_by_the_query(send, agents):
    page = send(act="disable", scope="all", query="q=ann").content.decode()

    assert 'name="query" value="q=ann"' in page
    assert 'name="scope" value="all"' in page
    assert "Disable 2 agents" in page


def test_count_that_changed_meanwhile_is_asked_about_again(send, agents):
    page = send(act="disable", scope="all", query="q=ann", expected=3).content.decode()

    assert "The list changed meanwhile" in page
    assert 'name="expected" value="2"' in page
    assert set(statuses()) == {"active"}


def test_enable_and_unlock_and_end_sessions(send, agents, lock):
    Agent.objects.update(status="suspended")
    send(act="enable", scope="all", expected=3)
    assert set(statuses()) == {"active"}

    lock(agents[0])
    send(act="unlock", scope="all", expected=3)
    assert Event.objects.filter(action="agent.unlock").count() == 1

    session = factories.AgentSessionFactory(agent=agents[0])
    send(act="end-sessions", scope="all", expected=3)
    session.refresh_from_db()
    assert session.end_reason == "ended"


def test_codes_come_on_a_sheet_and_work(send, agents, attempt):
    page = send(act="activation-codes", agents=subjects(agents), expected=3).content.decode()

    codes = CODE.findall(page)
    assert len(codes) == 3
    assert attempt(codes[0], username="anna").pending
    assert not any(code in str(list(Event.objects.values())) for code in codes)


def test_codes_need_a_fresh_second_factor_and_are_asked_about_again(agents, manager, visit_as, group):
    path, browser = f"/groups/{group.pk}/agents/bulk/", visit_as(manager, ago=301)
    sent = {"act": "activation-codes", "agents": subjects(agents[:2]), "expected": 2}

    response = browser.post(path, sent)

    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Event.objects.exists()
    visit_again(browser)
    page = browser.get(path).content.decode()
    assert "Give 2 agents activation codes" in page
    assert not CODE.search(page)


def visit_again(browser) -> None:
    """The second factor is shown, just now."""
    session = browser.session
    session["account_authentication_methods"][0]["at"] += 301
    session.save()


def test_codes_are_given_to_at_most_200(send, told, group):
    names = [f"person-{n:04}" for n in range(201)]
    Agent.objects.bulk_create(
        [Agent(group=group, username=n, username_key=n, full_name="Pat") for n in names]
    )

    assert send(act="activation-codes", scope="all").status_code == 303
    assert "at most 200 agents at a time" in told()


def test_end_date_is_set(send, agents):
    send(act="end-date", scope="all", expected=3, end_date="2027-03-31")

    assert set(Agent.objects.values_list("ends_at", flat=True)) == {datetime(2027, 4, 1, tzinfo=UTC)}


def test_end_date_that_cannot_be_read_is_asked_again(send, agents):
    page = send(act="end-date", scope="all", expected=3, end_date="soon").content.decode()

    assert "Enter a valid date." in page
    assert not Event.objects.exists()


def test_clients_are_set(send, agents, entitlement):
    send(act="clients", scope="all", expected=3, which="some", clients=entitlement.pk)

    assert set(Agent.objects.values_list("all_clients", "narrowings__entitlement")) == {
        (False, entitlement.pk)
    }


def test_foreign_client_is_no_choice(send, agents, other_group):
    foreign = factories.EntitlementFactory(group=other_group)

    page = send(act="clients", scope="all", expected=3, which="some", clients=foreign.pk)

    assert "is not one of the available choices" in page.content.decode()
    assert set(Agent.objects.values_list("all_clients", flat=True)) == {True}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"act": ""}, "Please choose what to do"),
        ({"act": "promote", "scope": "all"}, "Please choose what to do"),
        ({"act": "suspend"}, "Please tick the agents first"),
        ({"act": "suspend", "agents": ["x", "0" * 32]}, "Please tick the agents first"),
    ],
)
def test_what_is_missing_is_said_on_the_list(send, told, agents, fields, words):
    assert send(**fields).status_code == 303
    assert words in told()


def test_agents_of_other_groups_are_left_alone(send, agents, other_group):
    foreign = factories.AgentFactory(group=other_group, username="anneke")

    send(act="disable", agents=[*subjects(agents), foreign.subject], expected=3)
    send(act="disable", scope="all", query="q=ann", expected=2)

    foreign.refresh_from_db()
    assert foreign.status == "active"


@pytest.mark.parametrize("expected", ["-1", "x", "²", "9" * 30])
def test_count_that_is_no_number_asks(send, agents, expected):
    assert send(act="suspend", scope="all", expected=expected).status_code == 200
    assert set(statuses()) == {"active"}


def test_get_leads_to_the_list(manager, visit_as, group):
    response = visit_as(manager).get(f"/groups/{group.pk}/agents/bulk/")

    assert response["Location"] == f"/groups/{group.pk}/agents/"


@pytest.mark.parametrize(("role", "status"), [("auditor", 403), ("stranger", 404)])
def test_others_may_not(request, role, status, visit_as, group, agents):
    browser = visit_as(request.getfixturevalue(role))

    response = browser.post(
        f"/groups/{group.pk}/agents/bulk/", {"act": "disable", "scope": "all", "expected": 3}
    )

    assert response.status_code == status
    assert set(statuses()) == {"active"}


def test_queries_do_not_grow_with_the_agents(send, group, django_assert_max_num_queries):
    factories.AgentFactory.create_batch(30, group=group)
    send(act="suspend", scope="all")

    with django_assert_max_num_queries(25):
        send(act="suspend", scope="all", expected=30)
