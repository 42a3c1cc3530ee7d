"""Every fact that the database itself keeps, broken by the bare ORM."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.db.models import ProtectedError
from django.utils import timezone

from groups.models import (
    Agent,
    AgentCampaign,
    AgentSession,
    Campaign,
    Client,
    EntitledCampaign,
    EntitledDepartment,
    Group,
    Membership,
)
from tests import factories

pytestmark = pytest.mark.django_db


def breaks(name: str):
    """What the database says when the constraint of this name is broken. (SQLite names the columns of a unique one.)"""
    return pytest.raises(IntegrityError, match=rf"{name}|UNIQUE constraint failed")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("group_idle_5_to_60_minutes", {"idle_minutes": 4}),
        ("group_idle_5_to_60_minutes", {"idle_minutes": 61}),
        ("group_session_1_to_24_hours", {"longest_session_hours": 0}),
        ("group_session_1_to_24_hours", {"longest_session_hours": 25}),
        ("group_sessions_1_to_10", {"sessions_per_agent": 0}),
        ("group_sessions_1_to_10", {"sessions_per_agent": 11}),
    ],
)
def test_group_with_a_figure_out_of_bounds_is_refused(group, name, change):
    with breaks(name):
        Group.objects.filter(pk=group.pk).update(**change)


def test_group_code_that_is_taken_is_refused(group, other_group):
    with breaks("code"):
        Group.objects.filter(pk=other_group.pk).update(code=group.code)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("client_subdomain_lower_case", {"subdomain": "DemoAws"}),
        ("client_has_subdomain", {"subdomain": ""}),
        ("client_hand_off_known", {"hand_off": "pigeon"}),
        ("client_login_url_is_web_address", {"login_url": "javascript:alert(1)"}),
        ("client_login_url_is_web_address", {"login_url": "//crm.example/login"}),
        ("client_login_url_is_web_address", {"login_url": ""}),
    ],
)
def test_client_that_cannot_be_meant_is_refused(client_company, name, change):
    with breaks(name):
        Client.objects.filter(pk=client_company.pk).update(**change)


def test_client_subdomain_that_is_taken_is_refused(client_company):
    other = factories.ClientFactory()

    with breaks("subdomain"):
        Client.objects.filter(pk=other.pk).update(subdomain="demoaws")


def test_second_membership_of_an_administrator_in_a_group_is_refused(owner, group):
    with breaks("one_membership_a_group"):
        factories.MembershipFactory(administrator=owner, group=group, role="auditor")


def test_membership_with_an_unknown_role_is_refused(owner):
    with breaks("membership_role_known"):
        Membership.objects.filter(administrator=owner).update(role="king")


def test_second_campaign_of_a_number_is_refused(client_company):
    with breaks("one_campaign_a_number"):
        factories.CampaignFactory(client=client_company, number=1)


def test_second_department_of_a_number_is_refused(client_company):
    with breaks("one_department_a_number"):
        factories.DepartmentFactory(client=client_company, number=1)


def test_number_of_another_clients_campaign_is_free(client_company):
    assert factories.CampaignFactory(number=1).pk


def test_second_entitlement_of_a_group_to_a_client_is_refused(entitlement):
    with breaks("one_entitlement_a_client"):
        factories.EntitlementFactory(group=entitlement.group, client=entitlement.client)


def test_department_listed_twice_is_refused(entitlement):
    department = entitlement.client.departments.get()
    entitlement.departments.add(department)

    with breaks("department_listed_once"):
        EntitledDepartment.objects.create(entitlement=entitlement, department=department)


def test_campaign_listed_twice_is_refused(entitlement):
    campaign = entitlement.client.campaigns.first()
    entitlement.campaigns.add(campaign)

    with breaks("campaign_listed_once"):
        EntitledCampaign.objects.create(entitlement=entitlement, campaign=campaign)


@pytest.fixture
def narrowing(agent, entitlement):
    return factories.NarrowingFactory(agent=agent, entitlement=entitlement)


def test_second_narrowing_of_an_agent_to_a_client_is_refused(narrowing):
    with breaks("one_narrowing_a_client"):
        factories.NarrowingFactory(agent=narrowing.agent, entitlement=narrowing.entitlement)


def test_agents_campaign_listed_twice_is_refused(narrowing):
    campaign = narrowing.entitlement.client.campaigns.first()
    narrowing.campaigns.add(campaign)

    with breaks("agent_campaign_listed_once"):
        AgentCampaign.objects.create(narrowing=narrowing, campaign=campaign)


def test_department_that_is_listed_cannot_be_deleted(entitlement):
    department = entitlement.client.departments.get()
    entitlement.departments.add(department)

    with pytest.raises(ProtectedError):
        department.delete()


def test_campaign_that_is_listed_cannot_be_deleted(entitlement):
    campaign = entitlement.client.campaigns.first()
    entitlement.campaigns.add(campaign)

    with pytest.raises(ProtectedError):
        campaign.delete()


def test_campaign_that_an_agent_is_narrowed_to_cannot_be_deleted(narrowing):
    campaign = narrowing.entitlement.client.campaigns.first()
    narrowing.campaigns.add(campaign)

    with pytest.raises(ProtectedError):
        Campaign.objects.filter(pk=campaign.pk).delete()


def test_group_with_agents_cannot_be_deleted(agent):
    with pytest.raises(ProtectedError):
        agent.group.delete()


@pytest.mark.parametrize("spelling", ["alice", "ALICE", " Alice ", "ａｌｉｃｅ"])
def test_username_in_another_spelling_is_taken_in_its_group(agent, spelling):
    with breaks("username_unique_in_group"):
        factories.AgentFactory(group=agent.group, username=spelling)


def test_username_is_free_in_another_group(agent, other_group):
    assert factories.AgentFactory(group=other_group, username="alice").pk


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("agent_has_username", {"username_key": ""}),
        ("agent_has_subject", {"subject": ""}),
        ("agent_status_known", {"status": "resting"}),
        ("activation_code_has_an_end", {"activation_digest": "ab" * 32}),
        ("activation_code_has_an_end", {"activation_expires_at": timezone.now()}),
    ],
)
def test_agent_that_cannot_be_meant_is_refused(agent, name, change):
    with breaks(name):
        Agent.objects.filter(pk=agent.pk).update(**change)


def test_subject_that_is_taken_is_refused(agent):
    other = factories.AgentFactory(group=agent.group)

    with breaks("subject"):
        Agent.objects.filter(pk=other.pk).update(subject=agent.subject)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ended_session_has_reason", {"ended_at": timezone.now()}),
        ("ended_session_has_reason", {"end_reason": "limit"}),
        ("session_ends_after_start", {"ends_at": models.F("started_at")}),
        ("session_ends_after_start", {"ends_at": models.F("started_at") - timedelta(hours=1)}),
    ],
)
def test_session_whose_facts_disagree_is_refused(agent, name, change):
    session = factories.AgentSessionFactory(agent=agent)

    with breaks(name):
        AgentSession.objects.filter(pk=session.pk).update(**change)


@pytest.mark.parametrize("field", ["digest", "sid"])
def test_session_with_anothers_name_is_refused(agent, field):
    one, other = factories.AgentSessionFactory.create_batch(2, agent=agent)

    with breaks(field):
        AgentSession.objects.filter(pk=other.pk).update(**{field: getattr(one, field)})


def test_client_cannot_take_a_word_of_the_consoles_addresses():
    with pytest.raises(ValidationError, match="taken"):
        factories.ClientFactory.build(subdomain="numbers").full_clean()
