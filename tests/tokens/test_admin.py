"""The back office: relying parties and credentials, whose secrets are shown once; records to look at."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from accounts.models import AdministratorSession, Event
from groups.models import ClientPerson
from sso_portal.lib.secrets import digest_of
from tests import factories
from tokens.models import (
    ApiCredential,
    ApiKey,
    PlatformKey,
    Purpose,
    RelyingParty,
    RelyingPartySecret,
    SigningKey,
    SigningPair,
    TokenFamily,
)
from tokens.signing_keys import current

pytestmark = pytest.mark.django_db

MODELS = [
    "addressrule",
    "apicredential",
    "apikey",
    "busaddress",
    "bussettings",
    "handoff",
    "logintoken",
    "platformkey",
    "relyingparty",
    "relyingpartysecret",
    "signingkey",
    "signingpair",
    "tokenfamily",
]
MADE_HERE = [
    "addressrule",
    "apicredential",
    "apikey",
    "platformkey",
    "relyingparty",
    "relyingpartysecret",
    "signingpair",
]
OF_GROUPS = [
    "agent",
    "agententitlement",
    "agentsession",
    "campaign",
    "client",
    "department",
    "entitlement",
    "group",
]
MOST_QUERIES = 15
SECRET = re.compile(r"\b(?:rs|sp|wc|pk|ak)_[A-Za-z0-9_-]{43}")


@pytest.fixture
def operator():
    administrator = factories.AdministratorFactory(is_staff=True, is_superuser=True)
    return factories.SecondFactorFactory(user=administrator).user


@pytest.fixture
def office(operator, visit_as):
    """The operator's browser."""
    return visit_as(operator)


@pytest.fixture
def party(client_company) -> RelyingParty:
    return factories.RelyingPartyFactory(client=client_company, secret="", needs_pkce=False)


def list_of(model: str, app: str = "tokens") -> str:
    return reverse(f"admin:{app}_{model}_changelist")


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def shown_on(response) -> list[str]:
    """The values on the page that shows secrets."""
    assert response.status_code == 200, response
    return re.findall(r'<input id="shown-\d+"\s+type="text"\s+value="([^"]*)"', response.content.decode())


def errors_on(response) -> str:
    assert response.status_code == 200
    page = response.content.decode()
    assert "shown-1" not in page
    return " ".join(re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', page, re.DOTALL))


def rows_of(prefix: str, *rows: dict) -> dict:
    """The fields of an inline form with these new rows."""
    fields = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        fields |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return fields


def act(office, row, action: str, **more):
    """Choose an action for one row in its list."""
    chosen = {"action": action, "_selected_action": row.pk, "index": 0}
    return office.post(list_of(row._meta.model_name), chosen | more)


def confirm(office, row, action: str):
    """Answer the question of an action with yes."""
    answer = {"action": action, "_selected_action": row.pk, "confirmed": "yes"}
    return office.post(list_of(row._meta.model_name), answer)


def every_kept_text(office) -> str:
    """All that an administrator's browser or a reader of the logs keeps."""
    kept = [*Event.objects.values(), *LogEntry.objects.values(), *Session.objects.values()]
    return str([*kept, *AdministratorSession.objects.values(), str(office.cookies)])


# --- Pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_list_opens(office, model):
    assert office.get(list_of(model)).status_code == 200


@pytest.mark.parametrize(("app", "model"), [("tokens", name) for name in MADE_HERE] + [
    ("groups", name) for name in OF_GROUPS if name != "agentsession"
])  # fmt: skip
def test_page_to_add_opens_and_shows_nothing_that_is_not_there_yet(office, app, model):
    response = office.get(reverse(f"admin:{app}_{model}_add"))

    assert response.status_code == 200
    assert b"DatabaseDefault" not in response.content


@pytest.mark.parametrize("model", sorted(set(MODELS) - set(MADE_HERE)))
def test_what_is_to_look_at_cannot_be_added(office, model):
    assert office.get(reverse(f"admin:tokens_{model}_add")).status_code == 403


def test_page_of_a_relying_party_asks_little_of_the_database(office, party, django_assert_max_num_queries):
    for number in range(20):
        factories.RegisteredAddressFactory(relying_party=party, address=f"https://crm.example/{number}")
    office.get("/backoffice/")

    with django_assert_max_num_queries(MOST_QUERIES):
        assert office.get(page_of(party)).status_code == 200


@pytest.mark.parametrize("model", ["logintoken", "tokenfamily", "relyingpartysecret", "signingpair"])
def test_list_asks_the_same_however_long_it_is(office, model, django_assert_max_num_queries):
    make = {
        "logintoken": factories.LoginTokenFactory,
        "tokenfamily": factories.TokenFamilyFactory,
        "relyingpartysecret": lambda: factories.RelyingPartyFactory(secret=f"rs_{timezone.now()}"),
        "signingpair": lambda: factories.SigningPairFactory(
            secret=f"sp_{timezone.now()}", relying_party__secret=""
        ),
    }[model]
    for _ in range(10):
        make()
    office.get("/backoffice/")

    with django_assert_max_num_queries(MOST_QUERIES):
        assert office.get(list_of(model)).status_code == 200


def test_operator_without_the_permission_may_not(visit_as):
    staff = factories.SecondFactorFactory(user__is_staff=True).user

    assert visit_as(staff).get(list_of("relyingparty")).status_code == 403


@pytest.mark.parametrize("model", [name for name in MODELS if name != "addressrule"])
def test_nothing_with_a_history_can_be_deleted(office, model):
    assert office.get(reverse(f"admin:tokens_{model}_delete", args=[1])).status_code in (302, 403)
    assert b"delete_selected" not in office.get(list_of(model)).content


@pytest.mark.parametrize("model", ["group", "client", "agent"])
def test_groups_clients_and_agents_stay(office, model):
    assert b"delete_selected" not in office.get(list_of(model, "groups")).content


# --- Relying parties -------------------------------------------------------------------------------------------------


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

    assert response.status_code == 302
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


# --- Credentials -----------------------------------------------------------------------------------------------------


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


# --- Records ---------------------------------------------------------------------------------------------------------


def test_signing_keys_show_no_private_half(office):
    key = current(Purpose.TOKENS, "RS256")

    page = office.get(page_of(key)).content.decode()

    assert key.kid in page
    assert SigningKey.objects.get().sealed_key not in page
    assert "PRIVATE KEY" not in page


def test_family_is_revoked_after_a_question(office):
    family = factories.TokenFamilyFactory()

    asked = act(office, family, "revoke")
    assert TokenFamily.objects.live().exists()
    confirm(office, family, "revoke")

    assert b"Revoke these?" in asked.content
    assert not TokenFamily.objects.live().exists()
    assert Event.objects.get(action="login.revoke").door == "backoffice"


# --- Clients, agents -------------------------------------------------------------------------------------------------


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


def give_codes(office, agents):
    chosen = {
        "action": "give_activation_code",
        "_selected_action": [agent.pk for agent in agents],
        "index": 0,
    }
    return office.post(list_of("agent", "groups"), chosen)


def test_activation_codes_are_shown_once(office, group):
    agents = factories.AgentFactory.create_batch(3, group=group)

    codes = shown_on(give_codes(office, agents))

    assert len(codes) == 3
    assert not [code for code in codes if code in every_kept_text(office)]


def test_more_activation_codes_than_a_page_holds_are_refused(office, group):
    agents = factories.AgentFactory.create_batch(21, group=group)

    assert give_codes(office, agents).status_code == 302
    assert not Event.objects.filter(action="agent.give_activation_code").exists()


def as_shown(office, row, **changed) -> dict:
    """What the form of a row sends that nobody changed, but for these fields."""
    shown = office.get(page_of(row)).context
    forms = [
        shown["adminform"].form,
        *(each.formset.management_form for each in shown["inline_admin_formsets"]),
    ]
    fields = {field.html_name: field.value() for form in forms for field in form}
    return {
        name: value for name, value in (fields | changed).items() if value is not None and value is not False
    }


def end_of(session) -> str:
    session.refresh_from_db()
    return session.end_reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"is_active": False}, "stopped"), ({"needs_second_factor": True}, "ended"), ({"name": "Westgate"}, "")],
)
def test_group_that_is_switched_off_or_made_stricter_ends_its_agents_sessions(office, group, changed, reason):
    session, elsewhere = factories.AgentSessionFactory(agent__group=group), factories.AgentSessionFactory()

    response = office.post(page_of(group), as_shown(office, group, **changed))

    assert response.status_code == 302, errors_on(response)
    assert (end_of(session), end_of(elsewhere)) == (reason, "")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [("", "2020-01-01", "stopped"), ("2020-01-01", "", "stopped"), ("", "2100-01-01", "")],
    ids=["comes", "was there and is lifted", "is far off"],
)
def test_agent_has_no_session_left_from_before_his_end(office, agent, before, after, reason):
    """Also where it is lifted: what he was given before it would be worth something again."""
    session = factories.AgentSessionFactory(agent=agent)
    type(agent).objects.update(ends_at=f"{before}T00:00:00Z" if before else None)
    ends = {"ends_at": None, "ends_at_0": after, "ends_at_1": "00:00:00" if after else ""}

    response = office.post(page_of(agent), as_shown(office, agent, **ends))

    assert response.status_code == 302, errors_on(response)
    assert end_of(session) == reason


@pytest.mark.parametrize("verb", ["suspend", "disable"])
def test_stopping_an_agent_ends_his_sessions(office, agent, verb):
    session = factories.AgentSessionFactory(agent=agent)

    office.post(list_of("agent", "groups"), {"action": verb, "_selected_action": agent.pk, "index": 0})

    assert end_of(session) == "stopped"


def test_no_secret_of_any_kind_ever_goes_through_the_messages(office, every_credential):
    for row in every_credential.values():
        act(office, row, "rotate")

    assert not SECRET.search(office.get("/backoffice/").content.decode() + str(office.cookies))


# --- Asked again for the second factor -------------------------------------------------------------------------------

ADD = "/backoffice/tokens/platformkey/add/"


@pytest.mark.parametrize(("ago", "shown", "taken"), [(0, 200, 200), (200, 303, 200), (400, 303, 303)])
def test_second_factor_is_asked_for_before_a_form_and_as_it_is_sent(operator, visit_as, ago, shown, taken):
    """Before it already when the five minutes would hardly do for filling it in."""
    browser = visit_as(operator, ago=ago)

    assert (browser.get(ADD).status_code, browser.post(ADD, {}).status_code) == (shown, taken)


@pytest.mark.parametrize("address", ["/backoffice/", "/backoffice/tokens/platformkey/"])
def test_looking_needs_no_fresh_second_factor(operator, visit_as, address):
    assert visit_as(operator, ago=400).get(address).status_code == 200
