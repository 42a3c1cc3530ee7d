"""Logins in the portal's own words."""

from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Event
from groups.models import Agent, AgentStatus, HandOff, ProvisionedBy
from tests import factories
from tests.tokens.dialects.native.conftest import assert_problem
from tokens.models import LoginToken
from tokens.redeeming import redeem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

ASKED = {"username": "alice", "full_name": "Alice Ames", "client": "demoaws"}


def test_login_opens_the_clients_door_for_the_agent(ask, agent, relying_party, caller):
    call = {"did": "+15550100", "cid": "+15550199", "call_id": "c-7", "campaign_id": "spring"}
    body = ASKED | {"departments": [1], "campaigns": [2, 1], "call": call, "destination": "crm:home"}

    response = ask("POST", "logins", body)

    assert response.status_code == 200
    assert response.json().keys() == {"url", "expires_in"}
    assert response.json()["expires_in"] == 60
    (secret,) = parse_qs(urlsplit(response.json()["url"]).query)["token"]
    token = redeem(secret, relying_party=relying_party, caller=caller).token
    assert (token.agent, token.campaigns, token.departments) == (agent, [1, 2], [1])
    assert (token.did, token.call_id, token.destination) == ("+15550100", "c-7", "crm:home")


def test_login_of_a_client_without_redirect_begins_at_the_portal(ask, client_company, agent):
    client_company.hand_off = HandOff.FORM_POST
    client_company.save()

    assert "/sso/enter?token=" in ask("POST", "logins", ASKED).json()["url"]


def test_agent_who_is_new_is_made_once(ask, group, key):
    body = ASKED | {"username": "Zoë"}
    ask("POST", "logins", body)
    ask("POST", "logins", body | {"username": "ZOË"})

    made = Agent.objects.get(group=group)
    assert (made.provisioned_by, made.password) == (ProvisionedBy.API, "")
    assert Event.objects.get(action="agent.provision").actor == key.named


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a\u200bb"}, "username"),
        ({"full_name": None}, "full_name"),
        ({"full_name": 7}, "full_name"),
        ({"email": "x"}, "email"),
        ({"client": " "}, "client"),
        ({"departments": "1"}, "departments"),
        ({"departments": [True]}, "departments"),
        ({"campaigns": [-1]}, "campaigns"),
        ({"campaigns": [2**31]}, "campaigns"),
        ({"departments": [9]}, "departments"),
        ({"campaigns": [9]}, "campaigns"),
        ({"call": []}, "call"),
        ({"call": {"did": "1" * 65}}, "call.did"),
        ({"destination": "https://evil.example/"}, "destination"),
    ],
)
def test_field_that_is_wrong_is_named(ask, group, changed, field):
    problem = assert_problem(ask("POST", "logins", ASKED | changed), 400, "invalid_fields")

    assert list(problem["errors"]) == [field]
    assert not LoginToken.objects.exists()
    assert not group.agents.exists()


@pytest.mark.parametrize("status", [AgentStatus.SUSPENDED, AgentStatus.DISABLED])
def test_agent_who_is_stopped_is_refused(ask, agent, status):
    Agent.objects.update(status=status)

    assert_problem(ask("POST", "logins", ASKED), 403, "agent_disabled")


@pytest.mark.parametrize("client", ["acme", "nobody"])
def test_client_without_entitlement_is_as_an_unknown_one(ask, agent, client):
    factories.ClientFactory(subdomain="acme")

    problem = assert_problem(ask("POST", "logins", ASKED | {"client": client}), 403, "client_unavailable")
    assert "acme" not in problem["detail"]


def test_name_of_another_groups_agent_is_this_groups_own(ask, group, other_group):
    foreign = factories.AgentFactory(group=other_group, username="alice")

    ask("POST", "logins", ASKED)

    assert LoginToken.objects.get().agent.group == group
    assert LoginToken.objects.get().agent != foreign


def test_login_costs_one_round_of_queries_and_one_transaction(ask, agent, django_assert_max_num_queries):
    ask("POST", "logins", ASKED)

    with django_assert_max_num_queries(11):
        ask("POST", "logins", ASKED)
