"""`prompt=login` and `max_age` ask for a sign-in that really happened, second factor included."""

from datetime import timedelta
from time import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client
from django.utils import timezone

from groups import models as groups
from sso_portal.lib.encryption import encrypt
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.reading import words_of
from tests.tokens.dialects.oidc.authorize.asking import HOSTILE, make_older, sign_in, target_of, told
from tests.tokens.dialects.oidc.parties import (
    FORM,
    REDIRECT_URI,
    VERIFIER,
    read_id_token,
)
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- prompt=login and max_age: a sign-in that happened ---------------------------------------------------------------

ANEW = [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"max_age": "60"}]


@pytest.fixture
def old_session(session):
    """Alice signed in ten minutes ago."""
    make_older(session, timedelta(minutes=10))
    return session


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_is_asked_for_and_leads_back_at_once(authorize, signed_in, wish):
    answer = told(sign_in(signed_in, authorize(**wish)))

    token = LoginToken.objects.get()
    assert digest_of(answer["code"]) == token.digest
    assert timezone.now() - token.session.started_at < timedelta(minutes=1)


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_shows_the_page_though_somebody_is_signed_in(authorize, signed_in, wish):
    page = signed_in.get(authorize(**wish).headers["Location"])

    assert page.status_code == 200
    assert 'name="password"' in page.content.decode()


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_new_sign_in_of_somebody_who_was_not_there_is_asked_once(authorize, somebody, wish):
    assert "code" in told(sign_in(somebody, authorize(somebody, **wish)))


def test_session_younger_than_max_age_will_do(authorize, session):
    make_older(session, timedelta(seconds=50))

    assert "code" in told(authorize(max_age="60"))


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("wish", ANEW, ids=str)
def test_way_back_without_the_sign_in_asks_again(authorize, signed_in, wish):
    """An agent who takes the address behind the sign-in page has not signed in."""
    response = authorize(**wish)
    for _ in range(3):
        response = signed_in.get(target_of(response).path)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("old_session")
def test_note_of_one_request_is_worth_nothing_for_the_next(authorize, signed_in):
    first = target_of(response := authorize(prompt="login"))
    sign_in(signed_in, response)
    LoginToken.objects.all().delete()
    note = parse_qs(urlsplit(first.path).query)["asked"][0]

    response = authorize(prompt="login", state="of the next", asked=note)

    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("old_session")
def test_note_serves_no_longer_than_the_browser_needs_to_come_back(authorize, signed_in):
    target = target_of(response := authorize(prompt="login"))
    sign_in(signed_in, response)
    groups.AgentSession.objects.filter(ended_at=None).update(started_at=timezone.now() - timedelta(minutes=6))

    assert signed_in.get(target.path).headers["Location"].startswith("/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
@pytest.mark.parametrize("note", ["", "1", "2999-01-01T00:00:00+00:00", "a:b:c", HOSTILE])
def test_note_that_nobody_signed_is_worth_nothing(authorize, note):
    assert authorize(prompt="login", asked=note).headers["Location"].startswith("/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
def test_wish_taken_out_of_the_address_takes_the_note_along(authorize, signed_in, party):
    """Without the wish the party is told the true time of the sign-in, which it compares."""
    target = target_of(authorize(max_age="60"))
    answer = told(signed_in.get(target.path.replace("max_age=60", "max_age=9999")))

    started = LoginToken.objects.get(digest=digest_of(answer["code"])).session.started_at
    assert timezone.now() - started > timedelta(minutes=9)


@pytest.mark.usefixtures("old_session")
def test_somebody_else_may_sign_in_anew(authorize, signed_in, group):
    bob = factories.AgentFactory(group=group, username="bob")

    sign_in(signed_in, authorize(prompt="login"), username="bob")

    assert LoginToken.objects.get().agent == bob


# --- … with a second factor ------------------------------------------------------------------------------------------


@pytest.fixture
def app(agent):
    """Alice's authenticator app."""
    return groups.AgentFactor.objects.create(agent=agent, secret=encrypt(factories.TOTP_SECRET))


@pytest.fixture
def proved_session(app, old_session):
    """Alice showed her password and her app's code ten minutes ago."""
    groups.AgentSession.objects.update(methods=["pwd", "mfa"])
    return old_session


def let_go_idle() -> None:
    groups.AgentSession.objects.filter(ended_at=None).update(idle_at=timezone.now() - timedelta(seconds=1))


def show_code(browser, page: str):
    """Type the app's code at the page that asks for it, and follow on."""
    assert page.startswith("/sso/second-factor?"), page
    shown = browser.post(
        page, {"code": format_hotp_value(hotp_value(factories.TOTP_SECRET, int(time()) // 30))}
    )
    assert shown.status_code == 303, words_of(shown)
    return browser.get(shown.headers["Location"])


def claims_told(response, party) -> dict[str, object]:
    """What the ID token says that the code of this answer is worth."""
    form = {"grant_type": "authorization_code", "code": told(response)["code"], "redirect_uri": REDIRECT_URI}
    form |= {"client_id": party.identifier, "code_verifier": VERIFIER}
    answer = Client(HTTP_HOST=PORTAL).post("/oauth/token", urlencode(form), FORM)
    return read_id_token(answer.json()["id_token"]).claims


@pytest.mark.usefixtures("proved_session")
@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}], ids=str)
@pytest.mark.parametrize("is_idle", [False, True], ids=["live", "idle"])
def test_new_sign_in_takes_both_factors_and_the_party_is_told(
    authorize, signed_in, party, session, wish, is_idle
):
    if is_idle:
        let_go_idle()
    page = authorize(**wish).headers["Location"]
    assert 'name="username"' in signed_in.get(page).content.decode()
    asked = signed_in.post(page, {"username": "alice", "password": factories.PASSWORD})

    claims = claims_told(show_code(signed_in, asked.headers["Location"]), party)

    assert claims["amr"] == ["pwd", "mfa"]
    assert time() - claims["auth_time"] < 60
    assert claims["sid"] == session.sid  # to other parties the session goes on


@pytest.mark.usefixtures("proved_session")
def test_unlocking_is_no_new_sign_in_where_it_spared_the_second_factor(authorize, signed_in):
    """An agent unlocks his session at the door, by the password alone, and goes back to the waiting request."""
    let_go_idle()
    waiting = target_of(response := authorize(prompt="login")).path
    page = response.headers["Location"].replace("&switch=1", "")
    unlocked = signed_in.post(page, {"username": "alice", "password": factories.PASSWORD})
    assert unlocked.headers["Location"] == waiting

    again = signed_in.get(waiting)

    assert again.headers["Location"].startswith("/sso/sign-in?")
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("proved_session")
@pytest.mark.parametrize(("max_age", "will_do"), [("300", False), ("3600", True)])
def test_unlocked_session_is_as_old_as_its_second_factor(authorize, signed_in, group, max_age, will_do):
    for _ in range(2):  # unlocking twice makes it no younger
        let_go_idle()
        signed_in.post(
            f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": factories.PASSWORD}
        )

    response = authorize(max_age=max_age)

    assert response.headers["Location"].startswith(REDIRECT_URI if will_do else "/sso/sign-in?")


@pytest.mark.usefixtures("old_session")
def test_unlocking_is_a_new_sign_in_of_who_has_no_second_factor(authorize, signed_in, party):
    let_go_idle()

    claims = claims_told(sign_in(signed_in, authorize(prompt="login")), party)

    assert claims["amr"] == ["pwd"]
