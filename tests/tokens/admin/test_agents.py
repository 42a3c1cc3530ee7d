"""The back office: agents and their groups; what is changed there holds at once."""

import pytest

from accounts.models import Event
from tests import factories
from tests.tokens.admin.office import errors_on, every_kept_text, list_of, page_of, shown_on

pytestmark = pytest.mark.django_db


def give_codes(office, agents):
    chosen = {
        "action": "give_activation_code",
        "_selected_action": [agent.pk for agent in agents],
        "index": 0,
    }
    return office.post(list_of("agent", "groups"), chosen)


def test_activation_codes_are_shown_once(office, group):
    agents = factories.AgentFactory.create_batch(3, group=group)

    codes = shown_on(give_codes(office, agents))

    assert len(codes) == 3
    assert not [code for code in codes if code in every_kept_text(office)]


def test_more_activation_codes_than_a_page_holds_are_refused(office, group):
    agents = factories.AgentFactory.create_batch(21, group=group)

    assert give_codes(office, agents).status_code == 302
    assert not Event.objects.filter(action="agent.give_activation_code").exists()


def as_shown(office, row, **changed) -> dict:
    """What the form of a row sends that nobody changed, but for these fields."""
    shown = office.get(page_of(row)).context
    forms = [
        shown["adminform"].form,
        *(each.formset.management_form for each in shown["inline_admin_formsets"]),
    ]
    fields = {field.html_name: field.value() for form in forms for field in form}
    return {
        name: value for name, value in (fields | changed).items() if value is not None and value is not False
    }


def end_of(session) -> str:
    session.refresh_from_db()
    return session.end_reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"is_active": False}, "stopped"), ({"needs_second_factor": True}, "ended"), ({"name": "Westgate"}, "")],
)
def test_group_that_is_switched_off_or_made_stricter_ends_its_agents_sessions(office, group, changed, reason):
    session, elsewhere = factories.AgentSessionFactory(agent__group=group), factories.AgentSessionFactory()

    response = office.post(page_of(group), as_shown(office, group, **changed))

    assert response.status_code == 302, errors_on(response)
    assert (end_of(session), end_of(elsewhere)) == (reason, "")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [("", "2020-01-01", "stopped"), ("2020-01-01", "", "stopped"), ("", "2100-01-01", "")],
    ids=["comes", "was there and is lifted", "is far off"],
)
def test_agent_has_no_session_left_from_before_his_end(office, agent, before, after, reason):
    """Also where it is lifted: what he was given before it would be worth something again."""
    session = factories.AgentSessionFactory(agent=agent)
    type(agent).objects.update(ends_at=f"{before}T00:00:00Z" if before else None)
    ends = {"ends_at": None, "ends_at_0": after, "ends_at_1": "00:00:00" if after else ""}

    response = office.post(page_of(agent), as_shown(office, agent, **ends))

    assert response.status_code == 302, errors_on(response)
    assert end_of(session) == reason


@pytest.mark.parametrize("verb", ["suspend", "disable"])
def test_stopping_an_agent_ends_his_sessions(office, agent, verb):
    session = factories.AgentSessionFactory(agent=agent)

    office.post(list_of("agent", "groups"), {"action": verb, "_selected_action": agent.pk, "index": 0})

    assert end_of(session) == "stopped"
