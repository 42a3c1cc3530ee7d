"""The pages of a group's clients: what was granted, who may enter, where calls lead."""

import pytest

from groups import models as groups
from tests import factories
from tests.reading import page_of

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def clients(visit_as, owner, group, entitlement):
    """The list, as the group's owner sees it."""
    browser_of_owner = visit_as(owner)
    return lambda: browser_of_owner.get(f"/groups/{group.pk}/clients/")


@pytest.fixture
def one(visit_as, owner, group, entitlement):
    """The page of one client."""
    browser_of_owner = visit_as(owner)
    return lambda subdomain="demoaws": browser_of_owner.get(f"/groups/{group.pk}/clients/{subdomain}/")


# --- The list --------------------------------------------------------------------------------------------------------


def test_list_shows_a_client_with_its_pop_url(clients, group):
    page = page_of(clients())

    assert "Demo AWS" in page
    assert f"http://localhost:8000/sso/group/demoaws?group={group.pk}<" in page


def test_list_tells_what_was_granted(clients, entitlement, client_company):
    assert "every campaign" in page_of(clients())
    entitlement.campaigns.set(client_company.campaigns.filter(number__in=(1, 2)))
    entitlement.departments.set(client_company.departments.all())

    page = page_of(clients())

    assert "2 campaigns" in page
    assert "1 department" in page


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "Open"),
        ({"is_paused": True}, "Paused by the client"),
        ({"is_active": False, "is_paused": True}, "Off"),
    ],
)
def test_list_tells_the_state_of_a_client(clients, fields, word):
    groups.Client.objects.update(**fields)

    assert f"</svg> {word} </span>" in page_of(clients())


def test_list_counts_the_working_agents_who_may_enter(clients, group, agent, entitlement):
    listed, _unlisted = factories.AgentFactory.create_batch(2, group=group, all_clients=False)
    groups.AgentEntitlement.objects.create(agent=listed, entitlement=entitlement)
    stopped = factories.AgentFactory(group=group, all_clients=False, status="disabled")
    groups.AgentEntitlement.objects.create(agent=stopped, entitlement=entitlement)
    groups.AgentEntitlement.objects.create(
        agent=agent, entitlement=entitlement
    )  # of one who may enter anyway

    assert "2 of 3" in page_of(clients())


def test_list_says_when_every_agent_may_enter(clients, agent):
    assert "all 1 " in page_of(clients())


def test_list_counts_the_dialled_numbers(clients, group, client_company):
    factories.DialledNumberFactory.create_batch(3, group=group, client=client_company)

    page = page_of(clients())

    assert "3 dialled numbers" in page
    assert "numbers/?client=demoaws" in page


def test_list_shows_the_groups_clients_only(clients, other_group):
    factories.EntitlementFactory(group=other_group, client__name="Somebody Elses")

    assert "Somebody Elses" not in page_of(clients())


def test_list_without_clients_says_where_they_come_from(visit_as, owner, group):
    page = page_of(visit_as(owner).get(f"/groups/{group.pk}/clients/"))

    assert "No clients yet" in page
    assert "registered by the people who run this portal" in page


def test_list_escapes_hostile_names(clients):
    groups.Client.objects.update(name=HOSTILE)

    assert HOSTILE not in clients().content.decode()


def test_list_of_fifty_clients_asks_as_much_as_of_one(clients, group, django_assert_max_num_queries):
    for company in factories.ClientFactory.create_batch(49):
        factories.EntitlementFactory(group=group, client=company)
        factories.CampaignFactory(client=company)

    with django_assert_max_num_queries(15):
        assert "Demo AWS" in page_of(clients())


# --- One client ------------------------------------------------------------------------------------------------------


def test_client_shows_campaigns_and_departments_by_number_and_name(one, client_company):
    groups.Campaign.objects.filter(number=3).update(name="Card activation")

    page = page_of(one())

    assert '<span class="granted__number">3</span> <span>Card activation</span>' in page
    assert "<span>Care</span>" in page


def test_client_shows_what_was_granted_only(one, entitlement, client_company):
    groups.Campaign.objects.filter(number=1).update(name="Granted one")
    groups.Campaign.objects.filter(number=2).update(name="Other one")
    entitlement.campaigns.set(client_company.campaigns.filter(number=1))

    page = page_of(one())

    assert "Granted one" in page
    assert "Other one" not in page


def test_client_leaves_out_campaigns_that_are_over(one):
    groups.Campaign.objects.filter(number=2).update(name="Over", is_active=False)

    assert "Over" not in page_of(one())


def test_client_links_to_the_agents_who_may_enter(one, agent, group):
    assert f'href="/groups/{group.pk}/agents/?client=demoaws"' in page_of(one())


def test_client_tells_of_agents_for_some_campaigns_only(one, agent, entitlement, client_company):
    narrowing = groups.AgentEntitlement.objects.create(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set(client_company.campaigns.filter(number__in=(1, 2)))

    assert "1 of them for some campaigns only" in page_of(one())


def test_client_shows_the_numbers_that_lead_there(one, group, client_company):
    factories.DialledNumberFactory(
        group=group, number="+18005550101", client=client_company, note="on the bill"
    )
    factories.DialledNumberFactory(group=group, number="+18005550102")

    page = page_of(one())

    assert "+1 800-555-0101" in page
    assert "on the bill" in page
    assert "555-0102" not in page


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"is_paused": True}, "has stopped all entries"), ({"is_active": False}, "switched this client off")],
)
def test_client_that_lets_nobody_in_says_why(one, fields, why):
    groups.Client.objects.update(**fields)

    assert why in page_of(one())


def test_client_of_nobody_or_another_group_is_not_found(one, other_group):
    factories.EntitlementFactory(group=other_group, client__subdomain="theirs")

    assert [one(name).status_code for name in ("theirs", "nosuch", "x" * 63)] == [404] * 3


def test_client_escapes_hostile_names(one, group, client_company):
    groups.Client.objects.update(name=HOSTILE)
    groups.Campaign.objects.update(name=HOSTILE)
    groups.Department.objects.update(name=HOSTILE)
    factories.DialledNumberFactory(group=group, client=client_company, note=HOSTILE)

    assert HOSTILE not in one().content.decode()


def test_client_asks_little(one, group, client_company, django_assert_max_num_queries):
    factories.DialledNumberFactory.create_batch(20, group=group, client=client_company)

    with django_assert_max_num_queries(15):
        one()


@pytest.mark.parametrize("path", ["clients/", "clients/demoaws/"])
def test_pages_of_clients_are_seen_by_every_role_and_by_no_stranger(
    visit_as, manager, auditor, stranger, group, entitlement, path
):
    address = f"/groups/{group.pk}/{path}"

    assert [visit_as(person).get(address).status_code for person in (manager, auditor, stranger)] == [
        200,
        200,
        404,
    ]


def test_client_offers_an_auditor_nothing_to_change(visit_as, auditor, group, client_company, entitlement):
    factories.DialledNumberFactory(group=group, client=client_company)

    page = page_of(visit_as(auditor).get(f"/groups/{group.pk}/clients/demoaws/"))

    assert "Add a number" not in page
    assert "/clients/numbers/1" not in page
