"""Each page of the back office: opens, asks little of the database, and deletes nothing that has a history."""

import pytest
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.tokens.admin.office import list_of, page_of

pytestmark = pytest.mark.django_db

MODELS = [
    "addressrule",
    "apicredential",
    "apikey",
    "busaddress",
    "bussettings",
    "handoff",
    "jobrun",
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


@pytest.mark.parametrize("ticked", ["9" * 30, "-1" * 12, "abc", "1.5", "", "\0"])
def test_action_on_what_is_no_row_is_refused(office, party, ticked):
    chosen = {"action": "revoke", "_selected_action": ticked, "index": 0}

    assert office.post(list_of("relyingpartysecret"), chosen).status_code in (302, 404)


@pytest.mark.parametrize("key", ["9" * 30, "abc", "1_5F", "-1"])
def test_page_of_what_is_no_row_is_not_there(office, key):
    assert office.get(f"/backoffice/tokens/relyingparty/{key}/change/").status_code in (302, 404)
