"""Who may enter: the one rule, circumstance by circumstance."""

from datetime import timedelta

import pytest
from django.utils import timezone

from groups.entering import Entry, client_at, entry_of, why_not_enter, with_entry
from groups.models import Agent, AgentSession, Campaign, Department
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(agent, entitlement):
    """Alice before demoaws' door, read anew: call it after the circumstances are arranged."""

    def entry(subdomain: str = "demoaws") -> Entry:
        row = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at(subdomain), grant=True).get()
        return entry_of(row, agent=row, asked=subdomain)

    return entry


@pytest.fixture
def set_up(agent, group, entitlement):
    """Change one row of those that decide."""
    rows = {"agent": agent, "group": group, "client": entitlement.client}

    def set_up(whose: str, change: dict) -> None:
        type(rows[whose]).objects.filter(pk=rows[whose].pk).update(**change)

    return set_up


def narrow(agent, entitlement, *numbers):
    """Let the agent enter this client only, for these campaigns (none: all of the entitlement's)."""
    Agent.objects.filter(pk=agent.pk).update(all_clients=False)
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set(Campaign.objects.filter(client=entitlement.client, number__in=numbers))


def list_campaigns(entitlement, *numbers):
    entitlement.campaigns.set(Campaign.objects.filter(client=entitlement.client, number__in=numbers))


def test_active_agent_of_an_entitled_group_may_enter(entry):
    assert why_not_enter(entry()) is None


@pytest.mark.parametrize(
    ("whose", "change", "code", "detail"),
    [
        ("agent", {"status": "disabled"}, "agent_disabled", "disabled"),
        ("agent", {"status": "suspended"}, "agent_disabled", "suspended"),
        ("agent", {"ends_at": timezone.now() - timedelta(days=1)}, "agent_disabled", "ended"),
        ("group", {"is_active": False}, "group_inactive", ""),
        ("client", {"is_active": False}, "client_unavailable", "client inactive"),
        ("client", {"is_paused": True}, "client_unavailable", "paused"),
        ("agent", {"all_clients": False}, "client_unavailable", "not among the agent's clients"),
    ],
)
def test_agent_may_not_enter_when_something_is_stopped(set_up, entry, whose, change, code, detail):
    set_up(whose, change)

    refusal = why_not_enter(entry())

    assert refusal is not None
    assert (refusal.code, refusal.detail, refusal.status) == (code, detail, 403)


def test_agent_whose_end_is_to_come_may_enter(set_up, entry):
    set_up("agent", {"ends_at": timezone.now() + timedelta(days=1)})

    assert why_not_enter(entry()) is None


def test_agent_may_not_enter_a_client_without_entitlement(entry, other_group):
    factories.EntitlementFactory(group=other_group, client=factories.ClientFactory(subdomain="acme"))

    assert why_not_enter(entry("acme")).detail == "no entitlement"


def test_unknown_client_is_refused_like_one_without_entitlement(entry):
    factories.ClientFactory(subdomain="acme")

    unknown, foreign = why_not_enter(entry("nowhere")), why_not_enter(entry("acme"))

    assert (unknown.code, unknown.message, unknown.status) == (foreign.code, foreign.message, foreign.status)


def test_narrowed_agent_may_enter_a_client_that_is_listed(agent, entitlement, entry):
    narrow(agent, entitlement)

    assert why_not_enter(entry()) is None


def test_narrowed_agent_may_not_enter_a_client_that_is_not_listed(agent, group, entitlement, entry):
    factories.EntitlementFactory(group=group, client__subdomain="acme")
    narrow(agent, entitlement)

    assert why_not_enter(entry("acme")).code == "client_unavailable"


def test_narrowing_of_another_agent_lists_nothing(agent, group, entitlement, entry):
    narrow(factories.AgentFactory(group=group), entitlement)
    Agent.objects.filter(pk=agent.pk).update(all_clients=False)

    assert why_not_enter(entry()) is not None


def test_agent_may_enter_as_a_department_of_the_client(entry):
    assert why_not_enter(entry(), departments=[1], campaigns=[1, 2]) is None


@pytest.mark.parametrize("departments", [[2], [1, 2], [0]])
def test_agent_may_not_enter_as_a_foreign_department(entry, departments):
    factories.DepartmentFactory(number=2)

    assert why_not_enter(entry(), departments=departments).code == "unknown_department"


@pytest.mark.parametrize("campaigns", [[9], [1, 9], [0]])
def test_agent_may_not_enter_for_a_foreign_campaign(entry, campaigns):
    factories.CampaignFactory(number=9)

    refusal = why_not_enter(entry(), departments=[1], campaigns=campaigns)

    assert (refusal.code, refusal.status) == ("unknown_campaign", 400)


def test_refusal_names_only_the_numbers_that_are_foreign(entry):
    assert "9, 10 is" in why_not_enter(entry(), campaigns=[10, 1, 9]).message


def test_inactive_campaign_is_not_granted(entry, client_company):
    client_company.campaigns.filter(number=2).update(is_active=False)

    assert entry().grant.campaigns == {1, 3}


def test_inactive_department_is_not_granted(entry, client_company):
    client_company.departments.update(is_active=False)

    assert why_not_enter(entry(), departments=[1]).code == "unknown_department"


def test_grant_without_lists_is_every_campaign_of_the_client(entry):
    grant = entry().grant

    assert (grant.campaigns_of(None), grant.departments_of(None)) == ("all", [1])


def test_grant_tells_what_was_asked_for(entry):
    assert entry().grant.campaigns_of([3, 1]) == [1, 3]


def test_entitlement_narrows_the_departments(entitlement, client_company, entry):
    factories.DepartmentFactory(client=client_company, number=2)
    entitlement.departments.set(Department.objects.filter(client=client_company, number=2))

    assert entry().grant.departments == {2}


def test_entitlement_narrows_the_campaigns(entitlement, entry):
    list_campaigns(entitlement, 1, 2)

    assert entry().grant.campaigns_of(None) == [1, 2]


def test_agent_narrows_the_campaigns(agent, entitlement, entry):
    narrow(agent, entitlement, 2, 3)

    assert entry().grant.campaigns_of(None) == [2, 3]


def test_agent_who_enters_every_client_is_narrowed_by_campaigns_too(agent, entitlement, entry):
    narrow(agent, entitlement, 2)
    Agent.objects.filter(pk=agent.pk).update(all_clients=True)

    assert entry().grant.campaigns == {2}


def test_both_narrowings_leave_what_is_in_both(agent, entitlement, entry):
    list_campaigns(entitlement, 1, 2)
    narrow(agent, entitlement, 2, 3)

    assert entry().grant.campaigns == {2}


def test_narrowings_with_nothing_in_common_grant_no_campaign(agent, entitlement, entry):
    list_campaigns(entitlement, 1)
    narrow(agent, entitlement, 2)

    assert entry().grant.campaigns_of(None) == []


def test_entitlement_whose_only_campaign_is_inactive_grants_none(entitlement, client_company, entry):
    list_campaigns(entitlement, 1)
    client_company.campaigns.filter(number=1).update(is_active=False)

    assert entry().grant.campaigns_of(None) == []


def test_entitlement_whose_only_department_is_inactive_grants_none(entitlement, client_company, entry):
    factories.DepartmentFactory(client=client_company, number=2)
    entitlement.departments.set(client_company.departments.filter(number=1))
    client_company.departments.filter(number=1).update(is_active=False)

    assert entry().grant.departments == frozenset()


def test_agent_whose_only_campaign_is_inactive_is_granted_none(agent, entitlement, client_company, entry):
    narrow(agent, entitlement, 3)
    client_company.campaigns.filter(number=3).update(is_active=False)

    assert entry().grant.campaigns == frozenset()


def test_narrowing_of_another_agent_leaves_the_campaigns_alone(group, entitlement, entry):
    narrow(factories.AgentFactory(group=group), entitlement, 3)

    assert entry().grant.campaigns_of(None) == "all"


def test_lists_of_another_group_leave_the_grant_alone(other_group, client_company, entry):
    list_campaigns(factories.EntitlementFactory(group=other_group, client=client_company), 3)

    assert entry().grant.campaigns_of(None) == "all"


def test_question_about_departments_without_a_loaded_grant_is_a_bug(agent, entitlement):
    row = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at("demoaws")).get()
    entry = entry_of(row, agent=row, asked="demoaws")

    with pytest.raises(TypeError):
        why_not_enter(entry, departments=[1])


def test_entry_with_its_grant_costs_one_query(agent, entitlement, entry, django_assert_num_queries):
    list_campaigns(entitlement, 1, 2)
    narrow(agent, entitlement, 2, 3)

    with django_assert_num_queries(1):
        assert why_not_enter(entry(), departments=[1], campaigns=[2]) is None


def test_entry_of_a_session_costs_one_query(agent, entitlement, django_assert_num_queries):
    factories.AgentSessionFactory(agent=agent)

    with django_assert_num_queries(1):
        row = with_entry(
            AgentSession.objects.all(), client=client_at("demoaws"), agent="agent", grant=True
        ).get()
        assert why_not_enter(entry_of(row, agent=row.agent, asked="demoaws"), departments=[1]) is None


def test_entry_tells_every_field_of_the_client(entry, client_company):
    client_company.further_origins = "https://app.example"
    client_company.save()

    told = entry().client

    assert (told.name, told.hand_off, told.origins) == ("Demo AWS", "redirect", client_company.origins)
