"""The console, as owner, auditor, stranger and nobody."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import Event
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def group_page(group):
    return f"/groups/{group.pk}/"


@pytest.fixture
def event(agent, caller) -> Event:
    """A refusal in the group, with its reference number."""
    return audit.record(
        "login.issue",
        caller=caller,
        actor="test",
        refused_for="agent_disabled",
        group=agent.group,
        agent=agent,
    )


PAGES = ["/", "/groups/", "/groups/{group}/", "/refused/{reference}/"]


@pytest.fixture(params=PAGES)
def any_page(request, group, event):
    return request.param.format(group=group.pk, reference=event.reference)


def test_nobody_is_sent_to_sign_in(client, any_page):
    response = client.get(any_page)

    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={any_page}"


def test_administrator_without_second_factor_is_sent_to_get_one(group, visit_as, any_page):
    owner = factories.MembershipFactory(group=group).administrator

    response = visit_as(owner).get(any_page)

    assert (response.status_code, response["Location"]) == (302, "/accounts/2fa/")


def test_pages_are_read_only(owner, visit_as, any_page):
    assert visit_as(owner).post(any_page).status_code == 405


def test_home_of_one_group_is_that_group(owner, visit_as, group_page):
    response = visit_as(owner).get("/")

    assert (response.status_code, response["Location"]) == (303, group_page)


def test_home_of_several_groups_is_the_list(owner, other_group, visit_as):
    factories.MembershipFactory(administrator=owner, group=other_group)

    assert visit_as(owner).get("/")["Location"] == "/groups/"


def test_list_shows_the_administrators_groups_only(owner, other_group, visit_as):
    response = visit_as(owner).get("/groups/").content.decode()

    assert "Northwind" in response
    assert "Southgate" not in response


def test_list_counts_agents_and_who_is_signed_in(owner, agent, visit_as):
    factories.AgentSessionFactory.create_batch(2, agent=agent)
    factories.AgentFactory.create_batch(2, group=agent.group)

    response = visit_as(owner).get("/groups/").content.decode()

    assert '<td class="number" data-label="Agents">3</td>' in response
    assert '<td class="number" data-label="Signed in now">1</td>' in response


def test_list_of_an_administrator_without_groups_says_so(visit_as):
    administrator = factories.SecondFactorFactory().user

    assert "No groups yet" in visit_as(administrator).get("/groups/").content.decode()


@pytest.mark.parametrize("role", ["owner", "auditor"])
def test_group_page_opens_for_its_people(request, role, visit_as, group_page):
    response = visit_as(request.getfixturevalue(role)).get(group_page)

    assert response.status_code == 200
    assert f"Your role: {role}" in response.content.decode()


def test_group_page_is_missing_for_a_stranger(group, stranger, visit_as, group_page):
    response = visit_as(stranger).get(group_page)

    assert response.status_code == 404
    assert "Northwind" not in response.content.decode()


def test_foreign_group_looks_like_a_missing_one(group, stranger, visit_as, group_page):
    browser = visit_as(stranger)

    foreign, missing = (browser.get(page).content.decode() for page in (group_page, "/groups/999999999/"))

    reference = re.compile(r"\w{4}-\w{4}-\w{4}")
    assert reference.sub("", foreign) == reference.sub("", missing)


def test_former_member_is_a_stranger(owner, visit_as, group_page):
    browser = visit_as(owner)
    owner.memberships.all().delete()

    assert browser.get(group_page).status_code == 404


def test_operator_is_a_stranger_without_membership(group, visit_as, group_page):
    operator = factories.SecondFactorFactory(user__is_staff=True, user__is_superuser=True).user

    assert visit_as(operator).get(group_page).status_code == 404


def test_group_page_shows_the_pop_address(owner, entitlement, visit_as, group_page, group):
    response = visit_as(owner).get(group_page).content.decode()

    assert f"http://localhost:8000/sso/group/demoaws?group={group.pk}" in response


@pytest.mark.parametrize("address", ["/groups/", "/groups/{}/"])
def test_queries_of_a_page_do_not_grow(owner, group, visit_as, entitlement, address):
    browser, address = visit_as(owner), address.format(group.pk)
    _add_agent_and_group(owner, group, entitlement)
    browser.get(address)  # notes that the session was used
    few = queries_of(browser, address)
    for _ in range(4):
        _add_agent_and_group(owner, group, entitlement)

    assert queries_of(browser, address) == few


def queries_of(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def _add_agent_and_group(owner, group, entitlement) -> None:
    agent = factories.AgentFactory(group=group, all_clients=False)
    factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    factories.AgentSessionFactory(agent=agent)
    factories.EntitlementFactory(group=group)
    factories.MembershipFactory(administrator=owner)


@pytest.mark.parametrize("address", ["/groups/{}/?after=%00", "/refused/%00/"])
def test_character_that_no_database_keeps_is_refused(owner, visit_as, group, address):
    assert visit_as(owner).get(address.format(group.pk)).status_code == 400


# --- What a reference number stands for --------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["owner", "auditor"])
def test_reference_of_the_own_group_is_shown(request, role, event, visit_as):
    response = visit_as(request.getfixturevalue(role)).get(f"/refused/{event.reference}/")

    assert response.status_code == 200
    assert "agent_disabled" in response.content.decode()


def test_reference_is_taken_in_lower_case(owner, event, visit_as):
    assert visit_as(owner).get(f"/refused/{event.reference.lower()}/").status_code == 200


def test_reference_of_a_foreign_group_is_missing(stranger, event, visit_as):
    assert visit_as(stranger).get(f"/refused/{event.reference}/").status_code == 404


@pytest.mark.parametrize("unknown", ["AAAA-AAAA-AAAA", "%ff", "x" * 999])
def test_reference_that_is_unknown_is_missing(owner, visit_as, unknown):
    assert visit_as(owner).get(f"/refused/{unknown}/").status_code == 404


def test_reference_of_no_group_is_missing(owner, caller, visit_as):
    audit.record("request", caller=caller, actor="anonymous", refused_for="malformed")

    assert visit_as(owner).get(f"/refused/{caller.reference}/").status_code == 404


def test_reference_shows_the_events_of_the_own_group_only(owner, event, other_group, caller, visit_as):
    audit.record("login.issue", caller=caller, actor="test", refused_for="paused", group=other_group)

    assert "paused" not in visit_as(owner).get(f"/refused/{event.reference}/").content.decode()
