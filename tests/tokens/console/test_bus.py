"""The page of a group's message bus: addresses, settings, and what goes on."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import AgentSession, EndReason
from tests import factories
from tests.reading import page_of
from tokens.changing_bus import MOST_ADDRESSES
from tokens.connecting import connect_by_password, connect_by_session
from tokens.models import BusAddress, BusSettings, TokenFamily

pytestmark = pytest.mark.django_db
CHANGES = ["addresses/new/", "settings/", "end/"]


@pytest.fixture
def bus_page(group) -> str:
    return f"/groups/{group.pk}/bus/"


@pytest.fixture
def add(bus_page, as_owner):
    """Fill in the form; where it leads."""
    return lambda address, use="origin": as_owner.post(
        f"{bus_page}addresses/new/", {"use": use, "address": address}
    )


# --- Who sees and changes it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "manager", "auditor"])
def test_every_role_sees_it(request, visit_as, bus_page, who):
    assert visit_as(request.getfixturevalue(who)).get(bus_page).status_code == 200


@pytest.mark.parametrize("who", ["manager", "auditor"])
@pytest.mark.parametrize("what", CHANGES)
def test_owners_alone_change_it(request, visit_as, bus_page, who, what):
    browser = visit_as(request.getfixturevalue(who))

    assert browser.get(bus_page + what).status_code == 403
    assert browser.post(bus_page + what).status_code == 403


@pytest.mark.parametrize("what", ["", *CHANGES])
def test_it_is_missing_for_the_owner_of_another_group(stranger, visit_as, bus_page, what):
    assert visit_as(stranger).get(bus_page + what).status_code == 404


@pytest.mark.parametrize("what", CHANGES)
def test_changes_ask_for_the_second_factor_again(owner, visit_as, bus_page, what):
    response = visit_as(owner, ago=400).get(bus_page + what)

    assert response.status_code in (302, 303)
    assert "reauthenticate" in response["Location"]


def test_page_costs_few_queries_however_long_its_lists(as_owner, bus_page, group):
    for number in range(40):
        factories.BusAddressFactory(group=group, address=f"https://host{number}.example")

    with CaptureQueriesContext(connection) as queries:
        assert as_owner.get(bus_page).status_code == 200
    assert len(queries) <= 15


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "address"),
    [
        ("origin", "https://crm.example.com"),
        ("origin", "https://crm.example.com:8443"),
        ("redirect", "https://crm.example.com/signed-in?from=portal"),
    ],
)
def test_address_is_registered(add, group, owner, use, address):
    assert add(address, use).status_code == 303

    assert BusAddress.objects.get().address == address
    event = Event.objects.get(action="bus.add_address")
    assert (event.actor, event.group_id) == (f"administrator:{owner.email}", group.pk)
    assert event.details == {"use": use, "address": address}


@pytest.mark.parametrize(
    ("use", "address"),
    [
        ("origin", ""),
        ("origin", "crm.example.com"),
        ("origin", "https://crm.example.com/"),
        ("origin", "https://crm.example.com/page"),
        ("origin", "https://CRM.example.com"),
        ("origin", "https://*.example.com"),
        ("origin", "https://crm.example.com; script-src *"),
        ("origin", "https://crm.example.com,https://evil.example"),
        ("origin", "javascript:alert(1)"),
        ("origin", "'none'"),
        ("origin", "null"),
        ("redirect", "https://crm.example.com/#x"),
        ("redirect", "https://user@crm.example.com/"),
        ("redirect", "javascript:alert(1)//https://x"),
        ("redirect", "https://crm.example.com/" + "x" * 500),
        ("nothing", "https://crm.example.com"),
    ],
)
def test_what_is_no_address_is_refused_beside_its_field(add, use, address):
    response = add(address, use)

    assert response.status_code in (200, 400)
    assert 'aria-invalid="true"' in response.content.decode()
    assert not BusAddress.objects.exists()


def test_address_is_registered_once(add):
    add("https://crm.example.com")

    response = add("https://crm.example.com")

    assert response.status_code == 409
    assert "on the list already" in page_of(response)
    assert BusAddress.objects.count() == 1
    assert Event.objects.get(outcome=Outcome.REFUSED).reason == "listed_already"


def test_list_has_an_end(add, group):
    for number in range(MOST_ADDRESSES):
        factories.BusAddressFactory(group=group, address=f"https://host{number}.example")

    assert add("https://crm.example.com").status_code == 409
    assert add("https://crm.example.com/in", "redirect").status_code == 303


def test_address_is_removed_after_asking(as_owner, bus_page, group):
    row = factories.BusAddressFactory(group=group)
    where = f"{bus_page}addresses/{row.pk}/remove/"
    assert "can no longer open the bus" in page_of(as_owner.get(where))

    as_owner.post(where)

    assert not BusAddress.objects.exists()
    assert Event.objects.get(action="bus.remove_address").details["address"] == row.address
    assert as_owner.post(where).status_code == 404


def test_address_of_another_group_is_missing(as_owner, bus_page, other_group):
    row = factories.BusAddressFactory(group=other_group)

    assert as_owner.post(f"{bus_page}addresses/{row.pk}/remove/").status_code == 404
    assert BusAddress.objects.exists()


# --- Settings --------------------------------------------------------------------------------------------------------


def test_settings_are_changed_and_written_down(as_owner, bus_page, group):
    as_owner.post(f"{bus_page}settings/", {"refresh_hours": 48, "legacy_days": 90})

    terms = BusSettings.objects.get(group=group)
    assert (terms.refresh_hours, terms.gives_legacy_token, terms.legacy_days) == (48, False, 90)
    assert Event.objects.get().details == {"refresh_hours": [12, 48]}


def test_legacy_token_is_switched_on_with_a_warning_on_the_page(as_owner, bus_page, group):
    form = {"refresh_hours": 12, "gives_legacy_token": "on", "legacy_days": 30}
    as_owner.post(f"{bus_page}settings/", form)

    assert BusSettings.objects.get(group=group).gives_legacy_token
    assert "Whoever copies it is the agent for as long" in page_of(as_owner.get(bus_page))


def test_legacy_token_is_refused_to_the_card_industry(as_owner, bus_page, group):
    type(group).objects.update(password_profile="pci", needs_second_factor=True, idle_minutes=15)

    form = {"refresh_hours": 12, "gives_legacy_token": "on", "legacy_days": 30}
    response = as_owner.post(f"{bus_page}settings/", form)

    assert response.status_code == 400
    assert "no long-lived token" in page_of(response)
    assert not BusSettings.objects.exists()


def test_nothing_changed_writes_nothing(as_owner, bus_page):
    as_owner.post(f"{bus_page}settings/", {"refresh_hours": 12, "legacy_days": 90})

    assert not BusSettings.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"refresh_hours": 0, "legacy_days": 90},
        {"refresh_hours": 2161, "legacy_days": 90},
        {"refresh_hours": "x", "legacy_days": 90},
        {"refresh_hours": 12, "legacy_days": 91},
        {"refresh_hours": 12, "legacy_days": -1},
        {},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(as_owner, bus_page, form):
    response = as_owner.post(f"{bus_page}settings/", form)

    assert 'aria-invalid="true"' in response.content.decode()
    assert not BusSettings.objects.exists()


# --- What goes on ----------------------------------------------------------------------------------------------------


@pytest.fixture
def connected(group, agent, caller):
    """Alice, by password over the bus."""
    return connect_by_password(
        group=group, typed="alice", password=factories.PASSWORD, app="", replaces="", caller=caller
    )


def test_sign_ins_that_go_on_are_counted(as_owner, bus_page, connected):
    assert "1 sign-in" in page_of(as_owner.get(bus_page))


@pytest.mark.parametrize("how", ["revoked", "over", "session ended"])
def test_sign_ins_that_ended_are_not_counted(as_owner, bus_page, connected, how):
    families = TokenFamily.objects.all()
    if how == "revoked":
        families.revoke("signed_out")
    elif how == "over":
        families.update(ends_at=timezone.now() - timedelta(seconds=1))
    else:
        AgentSession.objects.all().end(EndReason.ENDED)

    assert "0 sign-ins" in page_of(as_owner.get(bus_page))


def test_all_are_ended_with_the_sessions_that_no_browser_holds(
    as_owner, bus_page, connected, group, agent, caller
):
    own = factories.AgentSessionFactory(agent=agent, secret="as_own")
    row = AgentSession.objects.select_related("agent__group").get(pk=own.pk)
    row.now = timezone.now()
    connect_by_session(row, group=group, app="", caller=caller)
    assert "2 sign-ins over the bus end" in page_of(as_owner.get(f"{bus_page}end/"))

    as_owner.post(f"{bus_page}end/")

    assert set(TokenFamily.objects.values_list("end_reason", flat=True)) == {"replaced"}
    connected.family.session.refresh_from_db()
    own.refresh_from_db()
    assert (connected.family.session.end_reason, own.ended_at) == (EndReason.ENDED, None)
    assert Event.objects.get(action="bus.end_all").details == {"sign_ins": 2}


def test_other_groups_sign_ins_go_on(as_owner, bus_page, connected, other_group, caller):
    factories.AgentFactory(group=other_group, username="bob")
    elsewhere = connect_by_password(
        group=other_group, typed="bob", password=factories.PASSWORD, app="", replaces="", caller=caller
    )

    as_owner.post(f"{bus_page}end/")

    assert TokenFamily.objects.get(revoked_at=None) == elsewhere.family
