"""What the group may enter, over the native API."""

import pytest

from tests import factories

pytestmark = pytest.mark.django_db


def test_clients_are_told_with_what_is_granted(ask, entitlement, client_company):
    factories.CampaignFactory(client=client_company, number=4, name="Off", is_active=False)

    (told,) = ask("GET", "entitlements").json()["entitlements"]

    assert told == {
        "client": "demoaws",
        "name": "Demo AWS",
        "status": "open",
        "departments": [{"number": 1, "name": "Care"}],
        "campaigns": [{"number": number, "name": "Spring"} for number in (1, 2, 3)],
    }


def test_listed_campaigns_are_the_only_ones(ask, entitlement, client_company):
    entitlement.campaigns.add(client_company.campaigns.get(number=2))

    (told,) = ask("GET", "entitlements").json()["entitlements"]

    assert [campaign["number"] for campaign in told["campaigns"]] == [2]


def test_list_of_what_is_switched_off_grants_nothing(ask, entitlement, client_company):
    client_company.campaigns.filter(number=2).update(is_active=False)
    entitlement.campaigns.add(client_company.campaigns.get(number=2))

    assert ask("GET", "entitlements").json()["entitlements"][0]["campaigns"] == []


@pytest.mark.parametrize(
    ("field", "value", "status"), [("is_paused", True, "paused"), ("is_active", False, "off")]
)
def test_client_that_is_closed_says_so(ask, entitlement, client_company, field, value, status):
    setattr(client_company, field, value)
    client_company.save()

    assert ask("GET", "entitlements").json()["entitlements"][0]["status"] == status


def test_clients_of_another_group_are_not_there(ask, other_group):
    factories.EntitlementFactory(group=other_group)

    assert ask("GET", "entitlements").json() == {"entitlements": []}


def test_fifty_clients_cost_as_much_as_one(ask, group, django_assert_max_num_queries):
    for _ in range(50):
        client = factories.ClientFactory()
        factories.CampaignFactory(client=client)
        factories.EntitlementFactory(group=group, client=client)
    ask("GET", "entitlements")

    with django_assert_max_num_queries(8):
        assert len(ask("GET", "entitlements").json()["entitlements"]) == 50
