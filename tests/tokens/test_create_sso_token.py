"""`manage.py create_sso_token`, and the people of the demo world."""

from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import Event
from groups.models import Client, ClientPerson, Destination
from tests import factories
from tests.conftest import PORTAL
from tokens.models import ApiCredential, CredentialAddress, PersonToken

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def create(*arguments: str) -> str:
    return run("create_sso_token", *arguments).strip()


# --- create_sso_token ------------------------------------------------------------------------------------------------


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


# --- The demo world --------------------------------------------------------------------------------------------------


@pytest.fixture
def demo() -> dict[str, str]:
    """The demo world, and its names."""
    run("demo")
    return dict(line.split("=", 1) for line in run("demo", "--env").splitlines())


@pytest.fixture
def ask(demo):
    """Ask as the demo's billing system; what is answered."""

    def ask_once(*, address="127.0.0.1", **fields):
        who = {"identifier": demo["WHMCS_IDENTIFIER"], "secret": demo["WHMCS_SECRET"]}
        sent = who | {"action": "CreateSsoToken"} | fields
        response = Browser(HTTP_HOST=PORTAL).post("/includes/api.php", sent, REMOTE_ADDR=address)
        return response.json()

    return ask_once


def test_demo_lets_its_billing_system_ask(demo, ask):
    answer = ask(client_id=demo["CLIENT_ID"], user_id=demo["USER_ID"])

    assert answer["result"] == "success"


def test_demo_has_an_owner_and_places(demo, ask):
    answer = ask(
        client_id=demo["CLIENT_ID"], destination="clientarea:product_details", service_id=demo["SERVICE_ID"]
    )
    arrived = Browser(HTTP_HOST=PORTAL).get(answer["redirect_url"])

    assert arrived.headers["Location"].endswith(f"/client/demoaws/services/{demo['SERVICE_ID']}")


def test_demo_knows_whom_to_refuse(demo, ask):
    blocked = demo["BLOCKED_CLIENT_ID"]

    assert ask(client_id=blocked)["message"] == f"SSO authentication blocked for client {blocked}"
    assert (
        ask(client_id=demo["CLIENT_ID"], user_id=demo["OTHER_USER_ID"])["message"]
        == "Invalid user_id for client"
    )
    assert ask(client_id=demo["CLIENT_ID"], address="127.0.0.2")["message"] == "Invalid IP 127.0.0.2"


def test_demo_again_restores_what_was_changed(demo, ask):
    ClientPerson.objects.update(is_active=False, is_owner=False, full_name="x")
    CredentialAddress.objects.update(network="127.0.0.2/32")
    Destination.objects.update(path="elsewhere")
    ApiCredential.objects.update(revoked_at=timezone.now())
    ApiCredential.objects.get().clients.clear()

    run("demo")

    answer = ask(client_id=demo["CLIENT_ID"], destination="clientarea:invoices")
    assert answer["result"] == "success", answer
    token = PersonToken.objects.get()
    assert (token.path, token.person.full_name) == ("billing/invoices", "Rosa Delgado")
    assert list(CredentialAddress.objects.values_list("network", flat=True)) == ["127.0.0.1/32"]


def test_demo_twice_adds_nobody(demo):
    models = (ClientPerson, Destination, ApiCredential, CredentialAddress)
    before = [model.objects.count() for model in models]

    run("demo")

    assert [model.objects.count() for model in models] == before
