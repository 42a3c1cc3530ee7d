"""Changing a group's settings: recorded, and never over what somebody else changed meanwhile."""

import pytest

from accounts.models import Event
from groups.changing_settings import change_settings, stamp_of, values_of, with_demands_of_profile
from groups.models import AgentSession, Group, Role
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db
ACCESS = {
    "password_profile": "pci",
    "needs_second_factor": False,
    "idle_minutes": 30,
    "longest_session_hours": 12,
    "sessions_per_agent": 3,
}


@pytest.fixture
def change(owner, group, caller):
    """Change settings as the owner, who saw them as they are."""

    def change(changes, *, shown="", by=None):
        group.refresh_from_db()
        shown = shown or stamp_of(values_of(group, changes))
        return change_settings(changes, shown=shown, by=by or owner.memberships.get(), caller=caller)

    return change


def test_change_is_kept_and_recorded_as_one_event(change, group):
    change({"name": "Northwind Two", "time_zone": "Europe/Madrid"})

    group.refresh_from_db()
    event = Event.objects.get()
    assert (group.name, group.time_zone) == ("Northwind Two", "Europe/Madrid")
    assert (event.action, event.group_id) == ("group.change_settings", group.pk)
    assert event.details == {
        "name": ["Northwind", "Northwind Two"],
        "time_zone": ["UTC", "Europe/Madrid"],
    }


def test_event_names_only_what_changed(change):
    change({"name": "Northwind", "time_zone": "Europe/Madrid"})

    assert Event.objects.get().details == {"time_zone": ["UTC", "Europe/Madrid"]}


def test_nothing_changed_is_no_event(change):
    assert change({"name": "Northwind"}) == {}
    assert not Event.objects.exists()


def test_change_over_somebody_elses_is_refused(change, group):
    shown = stamp_of(values_of(group, ["name"]))
    change({"name": "Northwind Two"})

    with pytest.raises(Refused) as caught:
        change({"name": "Northwind Three"}, shown=shown)

    group.refresh_from_db()
    assert caught.value.refusal.code == "changed_meanwhile"
    assert group.name == "Northwind Two"


def test_change_of_another_section_is_no_obstacle(change, group):
    shown = stamp_of(values_of(group, ["name"]))
    change({"time_zone": "Europe/Madrid"})

    assert change({"name": "Northwind Two"}, shown=shown)


def test_who_lost_the_role_meanwhile_changes_nothing(change, owner, group):
    by = owner.memberships.get()
    owner.memberships.update(role=Role.MANAGER)

    with pytest.raises(Refused):
        change({"name": "Northwind Two"}, by=by)

    assert Group.objects.get(pk=group.pk).name == "Northwind"


def test_card_industry_profile_brings_its_demands(change, group):
    change(with_demands_of_profile(ACCESS))

    group.refresh_from_db()
    assert (group.password_profile, group.needs_second_factor, group.idle_minutes) == ("pci", True, 15)


@pytest.mark.parametrize("stricter", [{"needs_second_factor": True}, with_demands_of_profile(ACCESS)])
def test_demanded_second_factor_ends_the_sessions_without_one(change, agent, stricter):
    without = factories.AgentSessionFactory(agent=agent, methods=["pwd"])
    with_it = factories.AgentSessionFactory(agent=agent, methods=["pwd", "mfa"])

    change(stricter)

    assert AgentSession.objects.open().get() == with_it
    assert AgentSession.objects.get(pk=without.pk).end_reason == "ended"


def test_other_groups_and_other_changes_end_no_session(change, agent, other_group):
    theirs = factories.AgentSessionFactory(agent=factories.AgentFactory(group=other_group), methods=["pwd"])
    change({"needs_second_factor": True})
    ours = factories.AgentSessionFactory(agent=agent, methods=["pwd"])

    change({"name": "Northwind Two", "needs_second_factor": True})
    change({"needs_second_factor": False})

    assert set(AgentSession.objects.open()) == {theirs, ours}


def test_shorter_idle_time_than_demanded_stays():
    assert with_demands_of_profile(ACCESS | {"idle_minutes": 5})["idle_minutes"] == 5


def test_other_profiles_demand_nothing():
    access = ACCESS | {"password_profile": "default"}

    assert with_demands_of_profile(access) == access
