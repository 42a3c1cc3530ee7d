"""Finding agents: words, filters, order."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from groups.finding_agents import Search, look_at
from groups.models import ProvisionedBy
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def find(group):
    """The usernames that a search finds."""

    def find(query: str) -> set[str]:
        return set(Search.parse(QueryDict(query)).among(group).values_list("username", flat=True))

    return find


@pytest.fixture
def people(group):
    for username, full_name in (("a.lind", "Anna Lind"), ("b.lind", "Bo Lind"), ("åsa", "Åsa Öst")):
        factories.AgentFactory(group=group, username=username, full_name=full_name)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", {"a.lind", "b.lind", "åsa"}),
        ("LIND", {"a.lind", "b.lind"}),
        ("lind+anna", {"a.lind"}),
        ("anna+b.lind", set()),
        ("a.l", {"a.lind"}),
        ("%C3%85SA", {"åsa"}),
        ("%C3%B6st", {"åsa"}),
        ("100%25", set()),
        ("_", set()),
    ],
)
def test_all_words_must_match_name_or_username(find, people, words, found):
    assert find(f"q={words}") == found


def test_only_the_groups_agents_are_found(find, other_group):
    factories.AgentFactory(group=other_group)

    assert find("") == set()


YESTERDAY = timedelta(days=-1)


@pytest.fixture
def standings(group, lock):
    """One agent for each standing, named after it."""

    def make(name, **fields):
        return factories.AgentFactory(group=group, username=name, **fields)

    make("active")
    factories.AgentSessionFactory(agent=make("signed_in"))
    lock(make("locked"))
    make("pending", password="")
    make("suspended", status="suspended")
    make("disabled", status="disabled", ends_at=timezone.now() + YESTERDAY)
    make("ended", ends_at=timezone.now() + YESTERDAY)


@pytest.mark.parametrize("name", ["signed_in", "locked", "pending", "suspended", "disabled", "ended"])
def test_filter_finds_one_standing(find, standings, name):
    assert find(f"status={name}") == {name}


def test_active_are_all_whom_the_doors_let_in(find, standings):
    assert find("status=active") == {"active", "signed_in", "locked", "pending"}


def test_standing_is_named_as_its_filter(group, standings):
    seen = look_at(list(group.agents.all()), group=group)

    assert {row.agent.username: row.standing.value for row in seen} == {
        row.agent.username: row.agent.username for row in seen
    }


def test_session_that_went_idle_is_not_signed_in(find, agent):
    factories.AgentSessionFactory(agent=agent, idle_at=timezone.now() + YESTERDAY)

    assert find("status=signed_in") == set()


def test_agent_who_is_locked_and_signed_in_is_both(find, group, agent, lock):
    lock(agent)
    factories.AgentSessionFactory(agent=agent)

    assert find("status=locked") == find("status=signed_in") == {"alice"}
    seen = look_at([agent], group=group)[0]
    assert (seen.standing, seen.is_signed_in) == ("locked", True)


def test_agent_of_the_sso_api_needs_no_activation(find, agent, group):
    type(agent).objects.update(password="", provisioned_by=ProvisionedBy.API)

    assert find("status=pending") == set()
    assert look_at(list(group.agents.all()), group=group)[0].standing == "active"


def test_client_filter_finds_who_may_enter(find, group, entitlement):
    other = factories.EntitlementFactory(group=group)
    factories.AgentFactory(group=group, username="everywhere")
    for name, listed in (("here", entitlement), ("elsewhere", other)):
        narrowed = factories.AgentFactory(group=group, username=name, all_clients=False)
        factories.NarrowingFactory(agent=narrowed, entitlement=listed)

    assert find("client=demoaws") == {"everywhere", "here"}


def test_client_of_another_group_is_entered_by_nobody(find, agent, other_group):
    foreign = factories.EntitlementFactory(group=other_group)

    assert find(f"client={foreign.client.subdomain}") == set()


def test_filter_by_who_made_them(find, group, agent):
    factories.AgentFactory(group=group, username="imported", provisioned_by=ProvisionedBy.IMPORT)

    assert find("by=import") == {"imported"}


@pytest.mark.parametrize("query", ["status=dancing&by=magic&sort=-shoe", "q=" + "x" * 5000, "client=%27--"])
def test_anything_can_be_asked_for(find, agent, query):
    find(query)


def test_query_says_only_what_matters():
    assert Search.parse(QueryDict("q=+a++b+&status=&sort=username&by=&client=")).query == "q=a+b"


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("username", ["anna", "bo", "cy"]),
        ("-username", ["cy", "bo", "anna"]),
        ("name", ["bo", "cy", "anna"]),
        ("-name", ["anna", "cy", "bo"]),
        ("last", ["anna", "cy", "bo"]),
        ("-last", ["bo", "cy", "anna"]),
    ],
)
def test_order(group, sort, order):
    now = timezone.now()
    for username, name, last in (("anna", "C", None), ("bo", "A", now), ("cy", "B", now + YESTERDAY)):
        factories.AgentFactory(group=group, username=username, full_name=name, last_signed_in_at=last)
    search = Search.parse(QueryDict(f"sort={sort}"))

    found = search.in_order(search.among(group)).order_by(*search.order)

    assert [agent.username for agent in found] == order
