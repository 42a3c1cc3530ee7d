"""The back office: relying parties, whose first secret is shown once."""

import pytest
from django.urls import reverse

from accounts.models import Event
from tests import factories
from tests.tokens.admin.office import errors_on, every_kept_text, list_of, page_of, rows_of, shown_on
from tokens.models import (
    RelyingParty,
    RelyingPartySecret,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_party(office, client_company):
    """Send the form of a new relying party, good where the test says nothing else."""

    def make_one(*addresses: dict, **changed):
        good = {
            "client": client_company.pk,
            "name": "CRM",
            "is_active": "on",
            "needs_pkce": "on",
            "gives_refresh_tokens": "on",
            "refresh_hours": "12",
            "algorithm": "RS256",
        }
        sent = {name: value for name, value in (good | changed).items() if value is not None}
        return office.post(reverse("admin:tokens_relyingparty_add"), sent | rows_of("addresses", *addresses))

    return make_one


def test_new_relying_party_shows_issuer_id_and_first_secret(make_party):
    response = make_party({"use": "redirect", "address": "https://crm.example/callback"})

    issuer, identifier, secret = shown_on(response)
    party = RelyingParty.objects.get()
    assert (issuer, identifier) == ("http://localhost:8000", party.identifier)
    assert RelyingPartySecret.objects.of(identifier, secret).relying_party == party
    assert party.addresses.get().address == "https://crm.example/callback"


def test_new_relying_party_is_written_down(make_party, operator):
    make_party()

    events = Event.objects.filter(action__in=["relyingparty.add", "secret.create"]).order_by("pk")
    assert [event.action for event in events] == ["relyingparty.add", "secret.create"]
    assert {(event.client, event.door, event.actor) for event in events} == {
        ("demoaws", "backoffice", f"administrator:{operator.email}")
    }


def test_public_relying_party_has_no_secret(make_party):
    response = make_party(is_public="on")

    assert shown_on(response) == ["http://localhost:8000", RelyingParty.objects.get().identifier]
    assert "the only place" not in response.content.decode()
    assert not RelyingPartySecret.objects.exists()


def test_secret_is_kept_nowhere_that_can_be_read(office, make_party):
    *_, secret = shown_on(make_party())

    assert secret not in every_kept_text(office)
    assert secret not in office.get(page_of(RelyingParty.objects.get())).content.decode()
    assert secret not in office.get(list_of("relyingparty")).content.decode()


def test_page_with_a_secret_is_never_stored(make_party):
    assert make_party().headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("use", "address"),
    [
        ("redirect", "http://crm.example/"),
        ("redirect", "javascript:alert(1)"),
        ("redirect", "https://crm.example/#fragment"),
        ("redirect", "https://user@crm.example/"),
        ("redirect", "https://*.crm.example/"),
        ("redirect", "https://crm.example/\u202e"),
        ("redirect", "https://" + "x" * 500),
        ("redirect", ""),
        ("origin", "https://crm.example/path"),
        ("origin", "https://CRM.example"),
        ("elsewhere", "https://crm.example/"),
    ],
)
def test_address_that_cannot_be_registered_is_refused_beside_its_field(make_party, settings, use, address):
    settings.DEMO = False

    assert errors_on(make_party({"use": use, "address": address}))
    assert not RelyingParty.objects.exists()


def test_address_that_is_given_twice_is_refused(make_party):
    twice = {"use": "redirect", "address": "https://crm.example/callback"}

    response = make_party(twice, twice)

    assert response.status_code == 200
    assert not RelyingParty.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"is_public": "on", "needs_pkce": None},
        {"refresh_hours": "0"},
        {"refresh_hours": "2161"},
        {"name": "a\u202eb"},
        {"name": "x" * 500},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"initiate_login_uri": "https://crm.example/#x"},
        {"backchannel_logout_uri": "ftp://crm.example/"},
        {"client": "999999"},
    ],
)
def test_relying_party_that_cannot_be_is_refused(make_party, changed):
    assert errors_on(make_party(**changed))
    assert not RelyingParty.objects.exists()


def test_two_relying_parties_of_a_client_do_not_both_receive_agents(make_party, party):
    RelyingParty.objects.update(receives_agents=True)

    assert "receives its agents" in errors_on(make_party(receives_agents="on"))


def change_party(office, party, **changed):
    same = {
        "name": party.name,
        "is_active": "on",
        "gives_refresh_tokens": "on",
        "refresh_hours": "12",
        "algorithm": "RS256",
    }
    inlines = rows_of("addresses") | rows_of("secrets") | rows_of("signing_pairs")
    return office.post(page_of(party), same | inlines | changed)


def test_relying_party_stays_with_its_client(office, party):
    response = change_party(office, party, client=factories.ClientFactory().pk)

    assert response.status_code == 302
    assert RelyingParty.objects.get().client == party.client


def test_relying_party_with_signing_pairs_cannot_come_to_use_pkce(office, party):
    factories.SigningPairFactory(relying_party=party)

    assert "signing pairs" in errors_on(change_party(office, party, needs_pkce="on"))


def test_relying_party_with_secrets_cannot_become_public(office, party):
    factories.RelyingPartySecretFactory(relying_party=party)

    assert "secrets" in errors_on(change_party(office, party, needs_pkce="on", is_public="on"))
