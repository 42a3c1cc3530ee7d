"""Rosters, which name everybody who works here; and the export, which can be imported again."""

import pytest
from django.db.models.functions import Now

from groups.models import Agent
from tests import factories
from tests.groups.console.imports.uploaded import last
from tests.reading import page_of

pytestmark = pytest.mark.django_db


# --- Rosters ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(group):
    return [factories.AgentFactory(group=group, username=f"a{n}") for n in range(10)]


def test_roster_names_who_leaves(staff, upload):
    text = page_of(upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster"))

    assert "1 agent is missing in the roster and will be disabled" in text
    assert "a9" in text
    assert "How many agents will be disabled?" not in text


@pytest.mark.parametrize("number", ["", "8", "x", "9" * 99])
def test_many_leavers_need_the_number(staff, upload, apply, number):
    upload("username\na0\n", kind="roster")

    response = apply(number=number)

    assert response.status_code == 200
    assert len(response.context["form"].errors["number"]) == 1
    assert last().state == "checked"


def test_right_number_disables_many(staff, upload, apply):
    upload("username\na0\n", kind="roster")

    apply(number=" 9 ")

    assert Agent.objects.filter(status="disabled").count() == 9


@pytest.mark.parametrize(("fields", "leaving"), [({}, 0), ({"with_api": "on"}, 1)])
def test_agents_of_the_sso_api_leave_when_ticked(staff, upload, fields, leaving):
    Agent.objects.filter(username="a9").update(provisioned_by="api")

    upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster", **fields)

    assert last().summary["leaving"] == leaving


def test_roster_that_grew_shows_the_preview_again(staff, group, upload, apply):
    upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster")
    factories.AgentFactory(group=group, username="late")

    text = page_of(apply())

    assert "more agents would be disabled than when you looked" in text
    assert "late" in text


# --- Export and back -------------------------------------------------------------------------------------------------


def test_export_is_imported_unchanged(group, staff, entitlement, client_company, as_owner, address, upload):
    narrowing = factories.NarrowingFactory(agent=staff[0], entitlement=entitlement)
    narrowing.campaigns.add(client_company.campaigns.get(number=2))
    Agent.objects.filter(pk=staff[1].pk).update(
        all_clients=False, full_name="=1+1", email="a@x.example", status="disabled", ends_at=Now()
    )
    Agent.objects.filter(pk=staff[2].pk).update(ends_at="2031-03-31T22:00:00Z", full_name="'Twas O'Hara")
    exported = b"".join(as_owner.get(address("export/")))

    upload(exported)

    assert last().summary | {"unchanged": 10, "new": 0, "change": 0, "faulty": 0} == last().summary
