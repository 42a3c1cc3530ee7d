"""The management command `create_sso_token`."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError

from accounts.models import Event
from groups.models import Client
from tests import factories
from tests.tokens.commands import run
from tokens.models import PersonToken

pytestmark = pytest.mark.django_db


def create(*arguments: str) -> str:
    return run("create_sso_token", *arguments).strip()


def test_command_prints_an_address_that_signs_in(person, client):
    address = create("--client", "demoaws", "--user", str(person.pk))

    assert client.get(address).status_code == 303
    assert PersonToken.objects.get().person == person


def test_command_takes_the_clients_number_and_means_its_owner(client_company):
    owner = factories.ClientPersonFactory(client=client_company, is_owner=True)

    create("--client", str(client_company.pk))

    assert PersonToken.objects.get().person == owner


def test_command_takes_a_destination(person, client_company):
    name = "clientarea:product_details"
    factories.DestinationFactory(client=client_company, name=name, path="services/{service_id}")

    create("--client", "demoaws", "--user", str(person.pk), "--destination", name, "--service-id", "417")

    assert PersonToken.objects.get().path == "services/417"


def test_command_is_written_down(person):
    secret = parse_qs(urlsplit(create("--client", "demoaws", "--user", str(person.pk))).query)["access_token"]

    event = Event.objects.get()
    assert (event.actor, event.action, event.door) == ("command", "person.create_token", "command")
    assert secret[0] not in str(event.__dict__)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--client", "nowhere"], "There is no client nowhere."),
        (["--client", "0"], "There is no client 0."),
        (["--client", "9" * 30], "There is no client"),
        (["--client", "demoaws"], "The client has no owner."),
        (["--client", "demoaws", "--user", "0"], "There is no such person."),
        (["--client", "demoaws", "--user", "9" * 30], "There is no such person."),
        (
            ["--client", "demoaws", "--user", "{person}", "--destination", "x"],
            "There is no such destination.",
        ),
    ],
)
def test_command_says_what_is_wrong(person, arguments, said):
    given = [argument.replace("{person}", str(person.pk)) for argument in arguments]

    with pytest.raises(CommandError, match=said):
        create(*given)


def test_command_gives_nothing_to_somebody_who_is_stopped(person, client_company):
    Client.objects.update(is_paused=True)

    with pytest.raises(CommandError, match="paused"):
        create("--client", "demoaws", "--user", str(person.pk))
