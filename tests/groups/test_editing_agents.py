"""Making agents, and changing what is known of them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from groups.agent_columns import campaigns_cell, clients_cell, with_access
from groups.editing_agents import (
    Access,
    Profile,
    create,
    set_access_of_many,
    set_end_of_many,
    stamp_of,
    update,
)
from groups.models import Agent, AgentCampaign, AgentEntitlement, Campaign
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db
EVERYWHERE = Access(all_clients=True, campaigns={})
NEXT_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def act(caller):
    """Who acts, from where."""
    return {"by": "administrator:ada", "caller": caller}


def profile(username="bob", full_name="Bob Birch", email="", ends_at=None) -> Profile:
    return Profile(username, full_name, email, ends_at)


def loaded(agent) -> Agent:
    return with_access(Agent.objects.filter(pk=agent.pk).select_related("group")).get()


def cells(agent) -> tuple[str, str]:
    return clients_cell(loaded(agent)), campaigns_cell(loaded(agent))


@pytest.fixture
def narrowed(entitlement):
    """demoaws alone, and there campaigns 1 and 2."""
    campaigns = Campaign.objects.filter(client=entitlement.client, number__in=(1, 2))
    return Access(False, {entitlement.pk: frozenset(campaigns.values_list("pk", flat=True))})


def test_create_makes_an_agent_without_password(group, act):
    agent = create(group=group, profile=profile(email="bob@x.example"), access=EVERYWHERE, **act)

    made = Agent.objects.get(subject=agent.subject)
    assert (made.username, made.email, made.password, made.status) == ("bob", "bob@x.example", "", "active")


def test_create_is_recorded_with_what_was_said(group, act):
    agent = create(group=group, profile=profile(ends_at=NEXT_YEAR), access=EVERYWHERE, **act)

    event = Event.objects.get(action="agent.create")
    assert (event.actor, event.agent, event.group_id) == ("administrator:ada", agent.subject, group.pk)
    assert event.details == {
        "username": "bob",
        "full_name": "Bob Birch",
        "end_date": "2030-01-01T00:00:00Z",
        "clients": "*",
    }


def test_create_narrows_clients_and_campaigns(group, act, narrowed):
    agent = create(group=group, profile=profile(), access=narrowed, **act)

    assert cells(agent) == ("demoaws", "demoaws:1,2")


@pytest.mark.parametrize("username", ["alice", " ALICE ", "ａlice"])
def test_taken_username_is_refused_in_any_spelling(group, agent, act, username):
    with pytest.raises(Refused) as refused:
        create(group=group, profile=profile(username), access=EVERYWHERE, **act)

    assert refused.value.refusal.field == "username"
    assert Agent.objects.count() == 1
    assert not Event.objects.exists()


def test_username_of_another_group_is_free(group, other_group, act):
    factories.AgentFactory(group=other_group, username="bob")

    create(group=group, profile=profile("bob"), access=EVERYWHERE, **act)


def test_client_of_another_group_is_refused(group, other_group, act):
    foreign = factories.EntitlementFactory(group=other_group)

    with pytest.raises(Refused):
        create(group=group, profile=profile(), access=Access(False, {foreign.pk: frozenset()}), **act)

    assert not Agent.objects.exists()


def test_campaign_of_another_client_is_refused(group, entitlement, act):
    foreign = factories.CampaignFactory()
    access = Access(False, {entitlement.pk: frozenset({foreign.pk})})

    with pytest.raises(Refused):
        create(group=group, profile=profile(), access=access, **act)

    assert not Agent.objects.exists()


@pytest.fixture
def change(agent, act):
    """Change alice, as somebody who saw her as she is; what changed."""

    def change(access=EVERYWHERE, seen=None, **fields):
        told = profile(**{"username": "alice", "full_name": "Alice Ames"} | fields)
        return update(agent, profile=told, access=access, seen=seen or stamp_of(loaded(agent)), **act)

    return change


def test_update_tells_and_records_what_changed(agent, change):
    changed = change(full_name="Alice Adams", email="a@x.example")

    assert changed == {"full_name": ["Alice Ames", "Alice Adams"], "email": ["", "a@x.example"]}
    assert Event.objects.get(action="agent.update").details == changed


def test_update_of_nothing_is_not_recorded(change):
    assert change() == {}
    assert not Event.objects.exists()


def test_update_may_rename(agent, change):
    change(username="Alicia")

    assert Agent.objects.get().username_key == "alicia"


def test_update_to_a_taken_username_changes_nothing(group, agent, change):
    factories.AgentFactory(group=group, username="bob")

    with pytest.raises(Refused):
        change(username="BOB", full_name="Somebody")

    agent.refresh_from_db()
    assert (agent.username, agent.full_name) == ("alice", "Alice Ames")


def test_update_replaces_clients_and_campaigns(agent, change, narrowed):
    changed = change(access=narrowed)

    assert cells(agent) == ("demoaws", "demoaws:1,2")
    assert changed == {"clients": ["*", "demoaws"], "campaigns": ["", "demoaws:1,2"]}


def test_update_frees_again(agent, change, narrowed):
    change(access=narrowed)
    change(access=EVERYWHERE)

    assert cells(agent) == ("*", "")
    assert not AgentEntitlement.objects.exists()
    assert not AgentCampaign.objects.exists()


def test_update_of_what_somebody_else_changed_is_refused(agent, change):
    seen = stamp_of(loaded(agent))
    change(full_name="Alice Adams")

    with pytest.raises(Refused) as refused:
        change(full_name="Alice Abel", seen=seen)

    assert refused.value.refusal.code == "changed_meanwhile"
    assert Agent.objects.get().full_name == "Alice Adams"


def test_update_leaves_password_and_status(agent, change):
    change(full_name="Alice Adams")

    now = Agent.objects.get()
    assert (now.password, now.status) == (agent.password, agent.status)


@pytest.mark.parametrize(("days", "reason"), [(-1, "stopped"), (1, "")])
def test_end_date_that_has_come_ends_the_sessions(agent, change, days, reason):
    session = factories.AgentSessionFactory(agent=agent)

    change(ends_at=timezone.now() + timedelta(days=days))

    session.refresh_from_db()
    assert session.end_reason == reason


def test_end_date_that_has_come_ends_the_sessions_before_it_is_put_off(agent, change):
    Agent.objects.update(ends_at=timezone.now() - timedelta(days=1))
    session = factories.AgentSessionFactory(agent=agent)

    change(ends_at=None)

    session.refresh_from_db()
    assert session.end_reason == "stopped"


# --- Many --------------------------------------------------------------------------------------------------------


def test_end_date_of_many_is_set_where_it_differs(group, act):
    agents = factories.AgentFactory.create_batch(2, group=group)
    same = factories.AgentFactory(group=group, ends_at=NEXT_YEAR)

    assert set_end_of_many([*agents, same], NEXT_YEAR, group=group, **act) == 2

    assert set(Agent.objects.values_list("ends_at", flat=True)) == {NEXT_YEAR}
    events = Event.objects.filter(action="agent.update")
    assert {event.agent for event in events} == {agent.subject for agent in agents}


def test_end_date_of_many_that_has_come_ends_the_sessions_before_it_is_put_off(group, act):
    ended = factories.AgentFactory(group=group, ends_at=timezone.now() - timedelta(days=1))
    session = factories.AgentSessionFactory(agent=ended)

    set_end_of_many([ended], NEXT_YEAR, group=group, **act)

    session.refresh_from_db()
    assert session.end_reason == "stopped"


def test_end_date_of_many_that_has_come_ends_their_sessions(group, act):
    agents = factories.AgentFactory.create_batch(2, group=group)
    sessions = [factories.AgentSessionFactory(agent=agent) for agent in agents]

    set_end_of_many(agents, timezone.now() - timedelta(days=1), group=group, **act)

    for session in sessions:
        session.refresh_from_db()
        assert session.end_reason == "stopped"


def test_clients_of_many_are_set(group, act, narrowed):
    agents = factories.AgentFactory.create_batch(2, group=group)

    assert set_access_of_many(agents, narrowed, group=group, **act) == 2

    assert [cells(agent) for agent in agents] == [("demoaws", "demoaws:1,2")] * 2
    assert Event.objects.filter(action="agent.update").count() == 2
