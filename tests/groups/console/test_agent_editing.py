"""The forms that add and change an agent."""

import re
from datetime import UTC, datetime

import pytest

from accounts.models import Event
from groups.agent_columns import campaigns_cell, clients_cell
from groups.models import Agent, Campaign, EntitledCampaign
from tests import factories

pytestmark = pytest.mark.django_db
BIDI = "bo\u202eb"


def typed(**changes) -> dict[str, object]:
    return {"username": "bob", "full_name": "Bob Birch", "which": "all"} | changes


@pytest.fixture
def add(manager, visit_as, group):
    """Send the form that adds an agent."""
    browser = visit_as(manager)
    return lambda **changes: browser.post(f"/groups/{group.pk}/agents/new/", typed(**changes))


def errors_in(response) -> list[str]:
    assert response.status_code == 200
    return re.findall(r"<span>([^<]+)</span>\s*</li>", response.content.decode())


def test_agent_is_added(add, group):
    response = add(email="bob@x.example")

    agent = Agent.objects.get()
    assert response["Location"] == f"/groups/{group.pk}/agents/{agent.subject}/"
    assert (agent.group, agent.username, agent.email, agent.all_clients) == (
        group,
        "bob",
        "bob@x.example",
        True,
    )
    assert Event.objects.filter(action="agent.create", agent=agent.subject).exists()


def test_activation_code_is_shown_on_the_next_page(add, group, attempt):
    page = add(give_code="on").content.decode()

    code = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", page)[0]
    assert "Bob Birch was added" in page
    assert attempt(code, username="bob").pending


def test_form_offers_a_code(manager, visit_as, group):
    page = visit_as(manager).get(f"/groups/{group.pk}/agents/new/").content.decode()

    assert re.search(r'name="give_code"[^>]* checked', page)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"username": ""}, "This field is required."),
        ({"full_name": ""}, "This field is required."),
        ({"email": "bob"}, "Enter a valid email address."),
        ({"end_date": "soon"}, "Enter a valid date."),
        ({"end_date": "9999-12-31"}, "Please choose a year from 1970 to 2199."),
        ({"end_date": "0001-01-01"}, "Please choose a year from 1970 to 2199."),
        ({"end_time": "17:00"}, "Please choose the day, too."),
        ({"end_time": "noon", "end_date": "2027-01-01"}, "Enter a valid time."),
        ({"which": "some"}, "Please tick at least one client, or choose every client."),
        ({"username": BIDI}, "characters that cannot be"),
        ({"username": "bo\u200bb"}, "characters that cannot be"),
        ({"full_name": BIDI}, "characters that cannot be"),
        ({"full_name": "a\0b"}, "Null characters are not allowed."),
        ({"full_name": "x" * 5000}, "at most 200 characters"),
        ({"username": "x" * 5000}, "at most 150 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(add, changes, error):
    response = add(**changes)

    assert error in " ".join(errors_in(response))
    assert 'aria-invalid="true"' in response.content.decode()
    assert not Agent.objects.exists()


def test_taken_username_is_said_beside_the_field(add, agent):
    response = add(username="ALICE")

    assert errors_in(response) == ["Another agent of this group has this username. Please choose another."]
    assert 'value="ALICE"' in response.content.decode()


def test_end_date_is_the_end_of_that_day_where_the_administrator_is(add, manager):
    manager.time_zone = "America/New_York"
    manager.save()

    add(end_date="2027-03-31")

    assert Agent.objects.get().ends_at == datetime(2027, 4, 1, 4, tzinfo=UTC)


def test_end_time_ends_access_within_the_day(add):
    add(end_date="2027-03-31", end_time="17:30")

    assert Agent.objects.get().ends_at == datetime(2027, 3, 31, 17, 30, tzinfo=UTC)


def access() -> tuple[str, str]:
    agent = Agent.objects.get()
    return clients_cell(agent), campaigns_cell(agent)


@pytest.fixture
def campaigns(entitlement):
    """The ids of demoaws' campaigns, by number."""
    return dict(Campaign.objects.filter(client=entitlement.client).values_list("number", "pk"))


def test_clients_and_campaigns_are_narrowed(add, group, entitlement, campaigns):
    factories.EntitlementFactory(group=group)

    add(which="some", clients=entitlement.pk, **{f"campaigns_{entitlement.pk}": [campaigns[1], campaigns[3]]})

    assert access() == ("demoaws", "demoaws:1,3")


def test_campaigns_narrow_where_every_client_is_open(add, entitlement, campaigns):
    add(which="all", **{f"campaigns_{entitlement.pk}": [campaigns[2]]})

    assert access() == ("*", "demoaws:2")


def test_campaigns_of_a_client_that_is_not_ticked_do_not_count(add, group, entitlement, campaigns):
    other = factories.EntitlementFactory(group=group, client__subdomain="other")

    add(which="some", clients=other.pk, **{f"campaigns_{entitlement.pk}": [campaigns[2]]})

    assert access() == ("other", "")


@pytest.mark.parametrize("field", ["clients", "campaigns"])
def test_foreign_client_or_campaign_is_no_choice(add, entitlement, other_group, field):
    foreign = factories.EntitlementFactory(group=other_group)
    campaign = factories.CampaignFactory(client=foreign.client)
    changes = {"clients": {"which": "some", "clients": foreign.pk}}
    changes["campaigns"] = {f"campaigns_{entitlement.pk}": [campaign.pk]}

    assert "is not one of the available choices" in " ".join(errors_in(add(**changes[field])))
    assert not Agent.objects.exists()


def test_only_campaigns_that_the_group_has_are_offered(manager, visit_as, group, entitlement, campaigns):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign_id=campaigns[2])

    page = visit_as(manager).get(f"/groups/{group.pk}/agents/new/").content.decode()

    offered = re.findall(rf'name="campaigns_{entitlement.pk}"\s+value="(\d+)"', page)
    assert offered == [str(campaigns[2])]


@pytest.mark.parametrize("path", ["agents/new/", "agents/{subject}/edit/"])
def test_roles(auditor, stranger, visit_as, group, agent, path):
    address = f"/groups/{group.pk}/{path.format(subject=agent.subject)}"

    assert visit_as(auditor).get(address).status_code == 403
    assert visit_as(auditor).post(address, typed()).status_code == 403
    assert visit_as(stranger).get(address).status_code == 404
    assert visit_as(stranger).post(address, typed()).status_code == 404
    assert Agent.objects.count() == 1


# --- Changing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def edit(manager, visit_as, agent):
    """Send the form that changes alice, as it was shown but for these changes."""
    browser = visit_as(manager)
    address = f"/groups/{agent.group_id}/agents/{agent.subject}/edit/"

    def edit(seen: str | None = None, **changes):
        shown = browser.get(address).content.decode()
        seen = seen or re.search(r'name="seen"\s+value="(\w+)"', shown)[1]
        return browser.post(address, typed(username="alice", full_name="Alice Ames", seen=seen) | changes)

    return edit


def test_change_is_saved_and_recorded(edit, agent):
    response = edit(full_name="Alice Adams", username="Alicia")

    assert response["Location"] == f"/groups/{agent.group_id}/agents/{agent.subject}/"
    now = Agent.objects.get()
    assert (now.username, now.username_key, now.full_name) == ("Alicia", "alicia", "Alice Adams")
    assert Event.objects.get(action="agent.update").details == {
        "username": ["alice", "Alicia"],
        "full_name": ["Alice Ames", "Alice Adams"],
    }


def test_taken_username_changes_nothing(edit, group):
    factories.AgentFactory(group=group, username="bob")

    assert errors_in(edit(username="Bob", full_name="Somebody"))
    assert Agent.objects.get(username="alice").full_name == "Alice Ames"


def test_change_of_what_somebody_else_changed_shows_it_anew(edit):
    page = edit(seen="0" * 16, full_name="Alice Abel").content.decode()

    assert "Somebody changed this meanwhile" in page
    assert 'value="Alice Ames"' in page
    assert Agent.objects.get().full_name == "Alice Ames"


def test_form_shows_the_end_date_as_it_was_typed(manager, visit_as, agent):
    Agent.objects.update(ends_at=datetime(2027, 4, 1, tzinfo=UTC))

    page = visit_as(manager).get(f"/groups/{agent.group_id}/agents/{agent.subject}/edit/").content.decode()

    assert 'value="2027-03-31"' in page


@pytest.mark.parametrize("year", [1900, 2500])
def test_form_of_an_end_date_that_nobody_means_opens(manager, visit_as, agent, year):
    Agent.objects.update(ends_at=datetime(year, 4, 1, tzinfo=UTC))
    browser, address = visit_as(manager), f"/groups/{agent.group_id}/agents/{agent.subject}/"

    assert browser.get(address).status_code == 200
    assert browser.get(f"{address}edit/").status_code == 200


def test_campaign_that_is_switched_off_stays_with_the_agent(edit, agent, entitlement, campaigns):
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set([campaigns[1]])
    Campaign.objects.filter(number=1).update(is_active=False)

    response = edit(full_name="Alice Adams", **{f"campaigns_{entitlement.pk}": [campaigns[1]]})

    assert response.status_code == 303
    assert access() == ("*", "demoaws:1")


def test_queries_of_the_form_are_few(manager, visit_as, agent, group, django_assert_max_num_queries):
    for _ in range(20):
        entitlement = factories.EntitlementFactory(group=group)
        factories.CampaignFactory.create_batch(2, client=entitlement.client)
        factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    browser, address = visit_as(manager), f"/groups/{group.pk}/agents/{agent.subject}/edit/"
    browser.get(address)

    with django_assert_max_num_queries(13):
        browser.get(address)
