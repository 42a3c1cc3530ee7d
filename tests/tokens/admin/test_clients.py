"""The back office: a client's people and destinations."""

import pytest

from accounts.models import Event
from groups.models import ClientPerson
from tests import factories
from tests.tokens.admin.office import page_of, rows_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def change_client(office, client_company):
    """Send the form of a client with these new people and destinations."""
    client_company.departments.all().delete()
    client_company.campaigns.all().delete()

    def change_one(*, people=(), destinations=(), **more):
        same = {
            "subdomain": "demoaws",
            "name": "Demo AWS",
            "is_active": "on",
            "hand_off": "redirect",
            "login_url": client_company.login_url,
        }
        inlines = rows_of("departments") | rows_of("campaigns")
        inlines |= rows_of("people", *people) | rows_of("destinations", *destinations)
        return office.post(page_of(client_company), same | inlines | more)

    return change_one


ADA = {"email": "ada@demoaws.example", "full_name": "Ada", "is_active": "on"}

BO = {"email": "bo@demoaws.example", "full_name": "Bo", "is_active": "on"}


def test_people_and_destinations_are_kept_at_their_client(change_client, client_company):
    response = change_client(
        people=[ADA | {"is_owner": "on"}, BO],
        destinations=[{"name": "clientarea:invoices", "path": "invoices/{service_id}"}],
    )

    assert response.status_code == 302
    assert client_company.people.get(is_owner=True).full_name == "Ada"
    assert client_company.destinations.get().path == "invoices/{service_id}"


def test_person_who_is_switched_off_in_the_clients_list_is_told_exactly(change_client, client_company):
    person = factories.ClientPersonFactory(client=client_company)
    off = {"id": person.pk, "email": person.email, "full_name": person.full_name, "external_id": ""}

    change_client(people=[off], **{"people-INITIAL_FORMS": 1})

    told = Event.objects.get(action="client.change").details["changed"][-1]["changed"]
    assert (told["row"], told["to"]) == (f"clientperson:{person.pk}", {"is_active": False})


@pytest.mark.parametrize("people", [
    [ADA | {"is_owner": "on"}, BO | {"is_owner": "on"}],
    [ADA, ADA],
    [ADA | {"email": "nobody"}],
    [ADA | {"full_name": "A\u202eda"}],
])  # fmt: skip
def test_people_who_cannot_be_are_refused(change_client, people):
    assert change_client(people=people).status_code == 200
    assert not ClientPerson.objects.exists()


@pytest.mark.parametrize("destinations", [
    [{"name": "clientarea:invoices", "path": "//evil.example"}],
    [{"name": "clientarea:invoices", "path": "../x"}],
    [{"name": "Click here", "path": "x"}],
    [{"name": "clientarea:invoices", "path": "a"}, {"name": "clientarea:invoices", "path": "b"}],
])  # fmt: skip
def test_destinations_that_cannot_be_are_refused(change_client, client_company, destinations):
    assert change_client(destinations=destinations).status_code == 200
    assert not client_company.destinations.exists()
