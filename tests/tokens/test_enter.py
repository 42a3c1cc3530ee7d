"""The entrance: a login that software asked for is spent at the portal, which hands its agent off."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Event, Outcome
from groups import models as groups
from sso_portal.lib.secrets import digest_of
from tests.tokens.circumstances import STOPS, age, name_of
from tests.tokens.loads import NO_NAVIGATION
from tokens.issuing import CallContext
from tokens.models import Kind, LoginToken
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_form_post(client_company):
    """demoaws receives its agents by form post."""
    groups.Client.objects.filter(pk=client_company.pk).update(hand_off=groups.HandOff.FORM_POST)


@pytest.fixture
def entrance(by_form_post, issue_to_alice):
    """A login that waits to be opened at the portal."""
    call = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")
    return issue_to_alice(kind=Kind.ENTRANCE, call=call, departments=[1], campaigns=[2])


@pytest.fixture
def enter(client):
    """Open an entrance in a browser that nobody signed in at."""
    return lambda secret, headers=None: client.get("/sso/enter", {"token": secret}, headers=headers)


def unspent(issued) -> bool:
    return LoginToken.objects.get(pk=issued.token.pk).redeemed_at is None


def handed_off(response) -> str:
    """The secret in the hand-off page's form."""
    return re.search(r'name="token" value="([^"]+)"', response.content.decode()).group(1)


def test_enter_hands_off_by_form_post_with_a_token_of_its_own(enter, entrance):
    response = enter(entrance.secret)

    secret = handed_off(response)
    assert response.status_code == 200
    assert 'action="https://demoaws.crm.example/login"' in response.content.decode()
    assert LoginToken.objects.get(kind=Kind.HAND_OFF).digest == digest_of(secret)
    assert entrance.secret not in response.content.decode()


def test_enter_spends_the_entrance(enter, entrance):
    enter(entrance.secret)

    token = LoginToken.objects.get(pk=entrance.token.pk)
    assert (token.redeemed_from, token.redeemed_by) == ("127.0.0.1", None)
    assert not unspent(entrance)


def test_enter_is_never_stored_and_tells_its_origin_alone(enter, entrance):
    response = enter(entrance.secret)

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"


def test_enter_carries_call_departments_and_campaigns_on(enter, entrance, relying_party, caller):
    secret = handed_off(enter(entrance.secret))

    token = redeem(secret, relying_party=relying_party, caller=caller).token
    assert (token.did, token.cid, token.call_id) == ("+15550100", "+15550199", "c-7")
    assert (token.campaign_id, token.destination) == ("2", "crm:home")
    assert (token.departments, token.campaigns) == ([1], [2])


def test_enter_writes_an_event_of_each_act(enter, entrance):
    response = enter(entrance.secret)

    reference = response.headers["X-Request-Id"]
    actions = Event.objects.filter(reference=reference).order_by("pk").values_list("action", "outcome")
    assert list(actions) == [("login.redeem", Outcome.OK), ("login.issue", Outcome.OK)]


def test_enter_signs_nobody_in(enter, entrance):
    assert not enter(entrance.secret).cookies
    assert not groups.AgentSession.objects.exists()


def test_enter_redirects_where_the_client_chose_that_meanwhile(enter, entrance):
    groups.Client.objects.update(hand_off=groups.HandOff.REDIRECT)

    response = enter(entrance.secret)

    secret = parse_qs(urlsplit(response.headers["Location"]).query)["token"][0]
    assert response.status_code == 303
    assert LoginToken.objects.get(kind=Kind.HAND_OFF).digest == digest_of(secret)


def test_enter_twice_is_refused(enter, entrance):
    enter(entrance.secret)

    response = enter(entrance.secret)

    assert response.status_code == 400
    assert LoginToken.objects.count() == 2


@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=lambda headers: ",".join(headers.values()))
def test_enter_that_is_no_navigation_spends_nothing(enter, entrance, headers):
    response = enter(entrance.secret, headers)

    assert (response.status_code, response.content) == (204, b"")
    assert unspent(entrance)


def test_enter_by_head_spends_nothing(client, entrance):
    response = client.head("/sso/enter", {"token": entrance.secret})

    assert response.status_code == 204
    assert unspent(entrance)


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_enter_by_another_method_spends_nothing(client, entrance, method):
    response = getattr(client, method)(f"/sso/enter?token={entrance.secret}")

    assert response.status_code in (403, 405)
    assert unspent(entrance)


def test_enter_with_a_trailing_slash_works(client, entrance):
    assert client.get("/sso/enter/", {"token": entrance.secret}).status_code == 200


@pytest.mark.parametrize("query", ["", "?token=", "?token=lt_nothing", "?token=%FF", "?other=1"])
def test_enter_without_a_token_that_is_known_is_refused(client, query):
    response = client.get(f"/sso/enter{query}")

    assert response.status_code == 400
    assert Event.objects.get().reason == "invalid_token"


def test_enter_with_a_hand_off_is_refused_and_does_not_spend_it(enter, issued):
    response = enter(issued.secret)

    assert response.status_code == 400
    assert unspent(issued)


def test_enter_after_sixty_seconds_is_refused(enter, entrance):
    age(entrance.token, timedelta(seconds=61))

    assert enter(entrance.secret).status_code == 400


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_enter_for_somebody_who_may_not_enter_any_more_is_refused(enter, entrance, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = enter(entrance.secret)

    event = Event.objects.get(reference=response.headers["X-Request-Id"])
    assert response.status_code == 400
    assert (event.action, event.reason, event.details["why"]) == ("login.redeem", "invalid_token", stop.why)
    assert not LoginToken.objects.filter(kind=Kind.HAND_OFF).exists()


def test_enter_refused_does_not_repeat_the_token(enter, entrance):
    enter(entrance.secret)

    response = enter(entrance.secret)

    assert entrance.secret not in response.content.decode()
    assert entrance.secret not in str(list(Event.objects.values()))


def test_strangers_guesses_fill_no_log(enter, limit_a_minute):
    limit_a_minute("recorded refusals", 3)

    for i in range(8):
        enter(f"lt_guess-{i}")

    assert Event.objects.filter(action="login.redeem").count() <= 6  # three in each of two minutes
