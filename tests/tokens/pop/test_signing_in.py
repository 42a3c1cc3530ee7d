"""The pop of somebody who must sign in first."""

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Event
from groups import models as groups
from tests import factories
from tests.tokens.pop.popping import nothing_minted, target_of
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


def test_pop_without_a_session_goes_to_the_sign_in_page(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk})

    assert response.status_code == 303
    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")
    assert nothing_minted()


def test_pop_without_a_session_carries_its_address_with_the_query(client, group):
    address = f"/sso/group/demoaws?group={group.pk}&did=%2B15550100&call_id=a%26b"

    response = client.get(address)

    assert target_of(response).path == address


def test_pop_without_a_session_tells_the_sign_in_page_two_digits_of_the_caller(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk, "cid": "+15550199"})

    assert target_of(response).caller_tail == "99"
    assert target_of(response).client == "demoaws"


def test_pop_without_a_session_carries_its_reference_and_when_it_was(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk})

    target = target_of(response)
    assert target.reference == response.headers["X-Request-Id"]
    assert timezone.now() - datetime.fromisoformat(target.at) < timedelta(seconds=30)


@pytest.mark.usefixtures("agent")
def test_sign_in_on_the_way_to_a_pop_says_which(client, group):
    popped = client.get("/sso/group/demoaws", {"group": group.pk})
    target = target_of(popped)
    page = popped.headers["Location"]

    client.post(page, {"username": "alice", "password": "wrong"})
    client.post(page, {"username": "alice", "password": factories.PASSWORD})

    pop = {"reference": target.reference, "at": target.at, "client": "demoaws"}
    events = Event.objects.filter(action="agent.sign_in").order_by("pk")
    assert [(event.outcome, event.details["pop"]) for event in events] == [("refused", pop), ("ok", pop)]


@pytest.mark.usefixtures("agent")
def test_sign_in_on_the_way_to_no_pop_says_none(client, group):
    page = client.get("/sso/group", {"group": group.pk}).headers["Location"]

    client.post(page, {"username": "alice", "password": factories.PASSWORD})

    assert "pop" not in Event.objects.get(action="agent.sign_in").details


def test_choosing_a_password_on_the_way_to_a_pop_says_which(client, group, agent):
    groups.Agent.objects.filter(pk=agent.pk).update(must_choose_password=True)
    popped = client.get("/sso/group/demoaws", {"group": group.pk})
    proved = client.post(popped.headers["Location"], {"username": "alice", "password": factories.PASSWORD})

    new = {"new_password": "a brand new phrase 7", "repeated": "a brand new phrase 7"}
    client.post(proved.headers["Location"], new)

    event = Event.objects.get(action="agent.sign_in")
    assert event.details["pop"]["reference"] == target_of(popped).reference


def test_pop_after_signing_in_goes_straight_on(client, group, agent):
    page = client.get("/sso/group/demoaws", {"group": group.pk, "did": "7"}).headers["Location"]

    signed_in = client.post(page, {"username": "alice", "password": factories.PASSWORD})
    response = client.get(signed_in.headers["Location"])

    assert response.headers["Location"].startswith("https://demoaws.crm.example/login?token=")
    assert LoginToken.objects.get().did == "7"


def test_pop_with_a_cookie_of_nobody_goes_to_the_sign_in_page(client, group):
    client.cookies[settings.AGENT_COOKIE_NAME] = "as_forged"

    assert (
        client.get("/sso/group/demoaws", {"group": group.pk}).headers["Location"].startswith("/sso/sign-in")
    )


@pytest.mark.parametrize(
    "ended",
    [
        {"ended_at": timezone.now(), "end_reason": "signed_out"},
        {"idle_at": timezone.now() - timedelta(seconds=1)},
        {
            "ends_at": timezone.now() - timedelta(seconds=1),
            "started_at": timezone.now() - timedelta(hours=12),
        },
    ],
    ids=["ended", "idle", "past-its-longest"],
)
def test_pop_with_a_session_that_is_over_goes_to_the_sign_in_page(pop, session, ended):
    groups.AgentSession.objects.filter(pk=session.pk).update(**ended)

    response = pop()

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert nothing_minted()


def test_pop_with_a_session_of_another_group_goes_to_the_asked_groups_sign_in_page(
    pop, other_group, client_company
):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = pop(group=other_group.pk)

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={other_group.pk}&to=")
    assert nothing_minted()
