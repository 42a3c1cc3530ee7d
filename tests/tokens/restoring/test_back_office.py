"""`manage.py restored`: what the back office switched off in the lost time is switched off again."""

import json

import pytest

from accounts.models import Administrator
from groups.models import Client, ClientPerson, Group
from tests import factories
from tests.tokens.restoring.restored import NOW, manage

BACK_OFFICE = {
    "client paused": ("client.change", "is_paused", True, lambda: Client.objects.get()),
    "group switched off": ("group.change", "is_active", False, lambda: Group.objects.get()),
    "administrator made inactive": (
        "administrator.change",
        "is_active",
        False,
        lambda: Administrator.objects.get(),
    ),
    "operator no more": ("administrator.change", "is_staff", False, lambda: Administrator.objects.get()),
}


def line(action: str, row: object, **details: object) -> str:
    """An event as the back office writes it."""
    kind = type(row)._meta.model_name
    told = {"what": str(row)} | details
    return json.dumps({"at": NOW, "action": action, "object": f"{kind}:{row.pk}", "details": told})


@pytest.mark.parametrize("name", BACK_OFFICE)
@pytest.mark.django_db
def test_switches_of_the_back_office_are_set_again(name, tmp_path, client_company, group):
    factories.AdministratorFactory(is_staff=True)
    action, field, value, row = BACK_OFFICE[name]
    log = tmp_path / "log"
    log.write_text(line(action, row(), changed=[{"changed": {"fields": ["x"], "to": {field: value}}}]))

    manage("--events", str(log), "--since", "2029-01-01T00:00:00Z")

    assert getattr(row(), field) is value


@pytest.mark.django_db
def test_row_that_was_switched_off_in_a_list_of_the_back_office_is_switched_off_again(
    client_company, tmp_path
):
    person = factories.ClientPersonFactory(client=client_company)
    told = {"name": "client person", "object": str(person), "row": f"clientperson:{person.pk}"}
    told |= {"fields": ["Is active"], "to": {"is_active": False}}
    (tmp_path / "log").write_text(line("client.change", client_company, changed=[{"changed": told}]))

    manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert not ClientPerson.objects.get().is_active
    assert Client.objects.get().is_active
