"""The other doors on the integration page: what is registered for the group's client, and nobody else's."""

import html

import pytest

from groups.models import Group
from tests import factories
from tokens.models import ApiCredential, RelyingParty, SigningPair

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


@pytest.fixture
def party(client_company) -> RelyingParty:
    party = factories.RelyingPartyFactory(client=client_company, name="Reports", needs_pkce=False)
    factories.RegisteredAddressFactory(relying_party=party)
    return party


@pytest.fixture
def read(group, owner, visit_as):
    """The page's text, as the owner reads it."""

    def read_one(**query) -> str:
        response = visit_as(owner).get(f"/groups/{group.pk}/integration/", query)
        assert response.status_code == 200
        return html.unescape(response.content.decode())

    return read_one


def test_nothing_registered_leaves_the_issuer_whom_to_ask_and_the_doors_of_the_group(read, group):
    page = read()

    assert 'value="http://localhost:8000"' in page
    assert "is registered yet" in page
    assert "http://localhost:8000/api/v4/sso_url" not in page
    assert "http://localhost:8000/includes/api.php" not in page
    assert f"http://localhost:8000/bus/?group={group.pk}" in page
    assert "http://localhost:8000/api/v1/" in page


def test_relying_party_is_shown_with_its_addresses(read, party):
    page = read()

    assert "Client ID of Reports" in page
    assert party.identifier in page
    assert "https://demoaws.crm.example/oidc/callback" in page
    assert "http://localhost:8000/.well-known/openid-configuration" in page


def test_relying_party_without_redirects_is_shown_where_tokens_are_redeemed(read, client_company):
    party = factories.RelyingPartyFactory(client=client_company, name="CRM server")

    page = read()

    assert "http://localhost:8000/api/v1/tokens/redeem" in page
    assert "ID of CRM server" in page
    assert "Client ID of CRM server" not in page
    assert party.identifier in page


@pytest.mark.parametrize(
    ("hand_off", "told"), [("signed", "Audience (aud)"), ("oidc", "https://demoaws.crm.example/begin")]
)
def test_hand_off_says_what_the_receiving_party_needs(read, client_company, hand_off, told):
    client_company.hand_off = hand_off
    client_company.save()
    begins = "https://demoaws.crm.example/begin"
    factories.RelyingPartyFactory(client=client_company, receives_agents=True, initiate_login_uri=begins)

    page = read()

    assert told in page
    assert "/api/v1/tokens/redeem" not in page


def test_relying_party_that_is_off_is_not(read, party):
    RelyingParty.objects.update(is_active=False)

    assert party.identifier not in read()


def test_public_relying_party_is_asked_for_no_secret(read, party):
    RelyingParty.objects.update(is_public=True, needs_pkce=True)

    page = read()

    assert "none: it runs in a browser or an app, and uses PKCE" in page
    assert "CLIENT_SECRET" not in page


def test_signing_pair_is_shown_with_what_to_ask_for(read, party, group):
    pair = factories.SigningPairFactory(relying_party=party)

    page = read()

    assert f"{pair.prefix}…" in page
    assert "http://localhost:8000/api/v4/sso_url" in page
    assert "http://localhost:8000/.well-known/answers.pem" in page
    assert group.code in page


def test_signing_pair_that_is_over_is_not_shown(read, party):
    pair = factories.SigningPairFactory(relying_party=party)
    SigningPair.objects.update(revoked_at=pair.created_at)

    assert "http://localhost:8000/api/v4/sso_url" not in read()


def test_credential_is_shown_at_the_clients_it_may_act_for(read, client_company):
    credential = factories.ApiCredentialFactory(clients=[client_company])

    assert credential.identifier in read()
    ApiCredential.objects.get().clients.clear()
    assert credential.identifier not in read()


def test_bus_shows_the_groups_own_origins(read, group, other_group):
    factories.BusAddressFactory(group=group, address="https://ours.example")
    factories.BusAddressFactory(group=other_group, address="https://theirs.example")

    page = read()

    assert "https://ours.example" in page
    assert "https://theirs.example" not in page


def test_doors_are_those_of_the_client_that_was_chosen(read, group, party):
    other = factories.ClientFactory(subdomain="sandboxdemo", name="Sandbox")
    factories.EntitlementFactory(group=group, client=other)

    assert party.identifier in read(client="demoaws")
    assert party.identifier not in read(client="sandboxdemo")


def test_no_secret_is_on_the_page(read, party, client_company):
    factories.SigningPairFactory(relying_party=party)
    factories.ApiCredentialFactory(clients=[client_company])

    page = read()

    secrets = (factories.SECRET, factories.SIGNING_API_KEY, factories.SHARED_KEY, factories.CREDENTIAL_SECRET)
    assert not [secret for secret in secrets if secret in page]


def test_hostile_names_are_text(read, party, group):
    hostile = "<script>alert(1)</script>\"'$(x)`x`"
    RelyingParty.objects.update(name=hostile)
    Group.objects.update(code="a'$(touch x)\"")

    page = read()

    assert f"Client ID of {hostile}" in page  # unescaped by the test alone


@pytest.mark.parametrize("query", [{}, {"client": ""}])
def test_page_asks_little_of_the_database(
    group, owner, visit_as, party, agent, client_company, query, django_assert_max_num_queries
):
    for number in range(10):
        more = factories.RelyingPartyFactory(client=client_company, secret="", needs_pkce=False)
        factories.RegisteredAddressFactory(relying_party=more)
        factories.SigningPairFactory(relying_party=more, secret=f"sp_{number}")
        factories.BusAddressFactory(group=group, address=f"https://{number}.example")
    factories.ApiCredentialFactory(clients=[client_company])
    browser = visit_as(owner)

    with django_assert_max_num_queries(15):
        browser.get(f"/groups/{group.pk}/integration/", query)
