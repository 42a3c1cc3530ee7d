"""The back office: credentials, whose secrets are shown once; rotated and revoked there."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Event
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.admin.office import act, confirm, errors_on, every_kept_text, page_of, rows_of, shown_on
from tokens.models import (
    ApiCredential,
    ApiKey,
    PlatformKey,
    RelyingParty,
    RelyingPartySecret,
    SigningPair,
)

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"\b(?:rs|sp|wc|pk|ak)_[A-Za-z0-9_-]{43}")


def add(office, model: str, **fields):
    return office.post(reverse(f"admin:tokens_{model}_add"), fields)


def test_new_secret_is_shown_once(office, party):
    identifier, secret = shown_on(add(office, "relyingpartysecret", relying_party=party.pk))

    assert identifier == party.identifier
    assert RelyingPartySecret.objects.of(identifier, secret)


def test_new_signing_pair_shows_both_keys(office, party):
    api_key, shared_key = shown_on(add(office, "signingpair", relying_party=party.pk, name="Reports"))

    pair = SigningPair.objects.shown(api_key).get()
    assert pair.shared_key == shared_key
    assert shared_key not in pair.sealed_key
    assert not [key for key in (api_key, shared_key) if key in every_kept_text(office)]


def test_signing_pair_of_a_relying_party_with_pkce_is_refused(office, party):
    RelyingParty.objects.update(needs_pkce=True)

    response = add(office, "signingpair", relying_party=party.pk, name="Reports")

    assert "PKCE" in errors_on(response)
    assert not SigningPair.objects.exists()


def test_new_credential_shows_its_identifier_and_secret(office, client_company):
    response = add(
        office,
        "apicredential",
        name="Billing",
        clients=client_company.pk,
        **rows_of("addresses", {"network": "203.0.113.9/24", "note": ""}),
    )

    identifier, secret = shown_on(response)
    credential = ApiCredential.objects.shown(secret).get()
    assert (credential.identifier, credential.clients.get()) == (identifier, client_company)
    assert credential.addresses.get().network == "203.0.113.0/24"


@pytest.mark.parametrize("networks", [["x"], ["203.0.113.9/24", "203.0.113.0/24"], ["10.0.0.0/255.0.0.0"]])
def test_address_list_that_cannot_be_is_refused(office, client_company, networks):
    rows = rows_of("addresses", *({"network": network, "note": ""} for network in networks))

    response = add(office, "apicredential", name="Billing", clients=client_company.pk, **rows)

    assert response.status_code == 200
    assert not ApiCredential.objects.exists()


@pytest.mark.parametrize(("model", "kind", "more"), [
    ("platformkey", PlatformKey, {}),
    ("apikey", ApiKey, {"scopes": ["agents:read", "logins"]}),
])  # fmt: skip
def test_new_key_of_a_group_is_shown_once(office, group, model, kind, more):
    (secret,) = shown_on(add(office, model, group=group.pk, name="Dialer", **more))

    assert kind.objects.shown(secret).get().group == group
    assert secret not in every_kept_text(office)


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_key_with_scopes_that_cannot_be_is_refused(office, group, scopes):
    assert errors_on(add(office, "apikey", group=group.pk, name="Dialer", scopes=scopes))


def test_third_live_secret_is_refused(office, party):
    for secret in ("rs_one", "rs_two"):
        factories.RelyingPartySecretFactory(relying_party=party, secret=secret)

    assert "Two of these are live" in errors_on(add(office, "relyingpartysecret", relying_party=party.pk))


def test_third_live_key_of_a_group_is_refused(office, group):
    for name in ("One", "Two"):
        factories.PlatformKeyFactory(group=group, name=name, secret=f"pk_{name}")

    assert "Two keys are live" in errors_on(add(office, "platformkey", group=group.pk, name="Three"))


def test_secret_of_a_public_relying_party_is_refused(office, party):
    RelyingParty.objects.update(is_public=True, needs_pkce=True)

    assert "no secret" in errors_on(add(office, "relyingpartysecret", relying_party=party.pk))


@pytest.fixture
def every_credential(group, party, client_company):
    """One of each kind."""
    credential = factories.ApiCredentialFactory()
    credential.clients.add(client_company)
    credential.addresses.create(network="127.0.0.1/32", note="here")
    return {
        "relyingpartysecret": factories.RelyingPartySecretFactory(relying_party=party),
        "signingpair": factories.SigningPairFactory(relying_party=party),
        "apicredential": credential,
        "platformkey": factories.PlatformKeyFactory(group=group),
        "apikey": factories.ApiKeyFactory(group=group),
    }


KINDS = ["relyingpartysecret", "signingpair", "apicredential", "platformkey", "apikey"]


@pytest.mark.parametrize("kind", KINDS)
def test_rotation_makes_another_beside_it_for_a_week(office, every_credential, kind):
    old = every_credential[kind]

    shown = shown_on(act(office, old, "rotate"))

    old.refresh_from_db()
    new = type(old).objects.live().exclude(pk=old.pk).get()
    assert timedelta(days=6, hours=23) < old.expires_at - timezone.now() <= timedelta(days=7)
    assert new.digest in {digest_of(value) for value in shown}
    assert new.expires_at is None


@pytest.mark.parametrize("kind", KINDS)
def test_rotation_is_written_down_without_secrets(office, every_credential, kind):
    shown = shown_on(act(office, every_credential[kind], "rotate"))

    assert Event.objects.filter(action__endswith=".rotate", door="backoffice").count() == 1
    secrets = [value for value in shown if len(value) > 40]
    assert secrets
    assert not [secret for secret in secrets if secret in every_kept_text(office)]


@pytest.mark.parametrize("kind", KINDS)
def test_rotating_twice_makes_one(office, every_credential, kind):
    old = every_credential[kind]
    act(office, old, "rotate")

    response = act(office, old, "rotate")

    assert response.status_code == 302
    assert type(old).objects.count() == 2


def test_rotated_credential_may_do_the_same(office, every_credential, client_company):
    act(office, every_credential["apicredential"], "rotate")

    new = ApiCredential.objects.latest("pk")
    assert (new.clients.get(), new.addresses.get().network) == (client_company, "127.0.0.1/32")
    assert new.identifier != every_credential["apicredential"].identifier


@pytest.mark.parametrize("kind", KINDS)
def test_revoking_asks_first(office, every_credential, kind):
    row = every_credential[kind]

    response = act(office, row, "revoke")

    row.refresh_from_db()
    assert b"cannot be taken back" in response.content
    assert row.revoked_at is None


@pytest.mark.parametrize("kind", KINDS)
def test_revoked_credential_is_over_for_good(office, every_credential, kind):
    row = every_credential[kind]
    confirm(office, row, "revoke")

    row.refresh_from_db()
    assert row.revoked_at
    assert Event.objects.filter(action__endswith=".revoke", door="backoffice").count() == 1
    assert office.post(page_of(row), {"name": "x", "expires_at_0": "2100-01-01"}).status_code == 403


@pytest.mark.parametrize("kind", KINDS)
def test_revoking_again_writes_nothing(office, every_credential, kind):
    confirm(office, every_credential[kind], "revoke")
    confirm(office, every_credential[kind], "revoke")

    assert Event.objects.filter(action__endswith=".revoke").count() == 1


def test_page_of_a_credential_shows_neither_digest_nor_sealed_key(office, every_credential):
    for row in every_credential.values():
        page = office.get(page_of(row)).content.decode()
        assert row.digest not in page
        assert getattr(row, "sealed_key", "nothing sealed") not in page


def test_change_of_a_credential_cannot_move_it(office, every_credential, other_group):
    key = every_credential["platformkey"]

    office.post(page_of(key), {"name": "Other", "group": other_group.pk})

    key.refresh_from_db()
    assert (key.name, key.group.code) == ("Under test", "northwind")


def test_no_secret_of_any_kind_ever_goes_through_the_messages(office, every_credential):
    for row in every_credential.values():
        act(office, row, "rotate")

    assert not SECRET.search(office.get("/backoffice/").content.decode() + str(office.cookies))
