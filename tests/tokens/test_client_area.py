"""The client area: an entrance is opened once, the session it begins, and the way on into the CRM."""

import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db.models import F
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts.models import Event, Outcome
from groups.destinations import Place
from groups.models import ClientSession, HandOff
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.asking import basic
from tokens.models import LoginToken, PersonToken, PersonUse
from tokens.redeeming import redeem
from tokens.signing_keys import jwks

pytestmark = pytest.mark.django_db

AREA = "/client/demoaws/"
STOPS = [
    ("person", {"is_active": False}, "person inactive"),
    ("client", {"is_paused": True}, "paused"),
    ("client", {"is_active": False}, "client inactive"),
]


@pytest.fixture
def browser() -> Client:
    """Nobody's browser yet."""
    return Client(HTTP_HOST=PORTAL)


@pytest.fixture
def open_(browser):
    """Open the address of an entrance."""
    return lambda secret, **headers: browser.get(f"/oauth/singlesignon.php?access_token={secret}", **headers)


def stop(person, who, fields) -> None:
    row = person if who == "person" else person.client
    type(row).objects.filter(pk=row.pk).update(**fields)


def assert_used_up(response) -> None:
    assert (response.status_code, b"This link is used up" in response.content) == (403, True)
    assert settings.CLIENT_COOKIE_NAME not in response.cookies
    assert not ClientSession.objects.exists()


# --- Opening an entrance ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "address"),
    [
        (Place(), AREA),
        (Place("clientarea:profile"), f"{AREA}?open=home"),
        (Place("clientarea:invoices", "billing/invoices"), f"{AREA}billing/invoices"),
        (Place("sso:custom_redirect", "list.php?id=3"), f"{AREA}list.php?id=3"),
    ],
)
def test_opening_leads_to_the_place(open_, give_entrance, person, place, address):
    response = open_(give_entrance(person, place))

    assert (response.status_code, response.headers["Location"]) == (303, f"{settings.PORTAL_URL}{address}")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"


def test_opening_begins_a_session_that_saw_no_factor(open_, give_entrance, person):
    cookie = open_(give_entrance(person)).cookies[settings.CLIENT_COOKIE_NAME]

    session = ClientSession.objects.get()
    assert (session.digest, session.person, session.methods) == (digest_of(cookie.value), person, [])
    assert timedelta(minutes=29) < session.idle_at - timezone.now() <= timedelta(minutes=31)
    assert timedelta(hours=11) < session.ends_at - timezone.now() <= timedelta(hours=12, minutes=1)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (
        True,
        "Lax",
        "/",
        "",
    )


def test_opening_is_written_down_without_the_secret(open_, give_entrance, person):
    secret = give_entrance(person)
    open_(secret)

    event = Event.objects.get(action="person.enter")
    assert (event.outcome, event.client, event.door) == (Outcome.OK, "demoaws", "clients")
    assert (event.object, event.details["person"]) == (f"token:{digest_of(secret)[:12]}", person.pk)
    assert secret not in str(list(Event.objects.values()))


def test_opening_twice_is_refused(open_, give_entrance, person):
    secret = give_entrance(person)
    open_(secret)
    ClientSession.objects.all().delete()

    assert_used_up(open_(secret))
    assert Event.objects.get(action="person.enter", outcome=Outcome.REFUSED).details["why"] == "already used"


def test_opening_too_late_is_refused(open_, give_entrance, person):
    secret = give_entrance(person)
    past = timedelta(seconds=61)
    PersonToken.objects.update(issued_at=F("issued_at") - past, expires_at=F("expires_at") - past)

    assert_used_up(open_(secret))


@pytest.mark.parametrize("secret", ["", "0" * 40, "x", "%00x", "é", "a&access_token=b"])
def test_opening_what_nobody_gave_out_is_refused(open_, secret):
    response = open_(secret)

    assert response.status_code in (400, 403)
    assert not ClientSession.objects.exists()


@pytest.mark.parametrize(("who", "fields", "why"), STOPS)
def test_opening_once_somebody_is_stopped_is_refused(open_, give_entrance, person, who, fields, why):
    secret = give_entrance(person)
    stop(person, who, fields)

    assert_used_up(open_(secret))
    assert Event.objects.get(action="person.enter").details["why"] == why


def test_opening_checks_the_path_again(open_, give_entrance, person):
    secret = give_entrance(person)
    PersonToken.objects.update(destination="sso:custom_redirect", path="//evil.example")

    assert_used_up(open_(secret))
    assert Event.objects.get(action="person.enter").details["why"] == "no path"


@pytest.mark.parametrize(
    "headers",
    [{"HTTP_SEC_PURPOSE": "prefetch"}, {"HTTP_SEC_FETCH_MODE": "no-cors"}, {"REQUEST_METHOD": "HEAD"}],
)
def test_looking_ahead_spends_nothing(open_, give_entrance, person, headers):
    secret = give_entrance(person)

    assert open_(secret, **headers).status_code == 204
    assert open_(secret).status_code == 303


def test_frame_spends_nothing_and_offers_a_tab(open_, give_entrance, person):
    secret = give_entrance(person)
    response = open_(secret, HTTP_SEC_FETCH_DEST="iframe", HTTP_SEC_FETCH_MODE="navigate")

    assert b"Open in a tab" in response.content
    assert open_(secret).status_code == 303


def test_opening_replaces_the_session_of_this_browser_alone(petra, petras_session, give_entrance, person):
    other = factories.ClientSessionFactory(person=person)
    petra.get(f"/oauth/singlesignon.php?access_token={give_entrance(person)}")

    petras_session.refresh_from_db()
    other.refresh_from_db()
    assert (petras_session.ended_at is None, other.ended_at is None) == (False, True)


def test_post_to_the_entrance_is_refused(browser, give_entrance, person):
    assert browser.post(f"/oauth/singlesignon.php?access_token={give_entrance(person)}").status_code == 405


# --- The page --------------------------------------------------------------------------------------------------------


def test_page_says_who_he_is_and_where_he_can_go(petra, person, client_company):
    factories.DestinationFactory(client=client_company)
    page = petra.get(AREA).content.decode()

    assert all(told in page for told in (person.full_name, person.email, "Demo AWS", "Invoices"))
    assert f'href="{AREA}billing/invoices"' in page
    assert f'href="{AREA}?open=home"' in page


def test_page_without_the_slash_is_the_same(petra):
    assert petra.get("/client/DemoAWS").status_code == 200


def test_page_shows_names_as_text(petra, person):
    type(person).objects.update(full_name="<script>alert(1)</script>")

    assert b"<script>alert" not in petra.get(AREA).content


@pytest.mark.parametrize("address", [AREA, f"{AREA}?open=home", f"{AREA}billing", "/client/nowhere/"])
def test_nobody_is_told_how_to_come_in(browser, client_company, address):
    response = browser.get(address)

    assert response.status_code == 403
    assert b"Come in through your billing system" in response.content
    assert b"Demo AWS" not in response.content


def test_session_is_worth_nothing_at_another_client(petra):
    factories.ClientFactory(subdomain="acme")

    assert petra.get("/client/acme/").status_code == petra.get("/client/acme/x").status_code == 403


@pytest.mark.parametrize(("who", "fields", "why"), STOPS)
def test_session_is_worth_nothing_once_somebody_is_stopped(petra, person, who, fields, why):
    stop(person, who, fields)

    assert petra.get(AREA).status_code == petra.get(f"{AREA}x").status_code == 403


def test_session_opens_no_other_door(petra, group, petras_secret):
    petra.cookies[settings.AGENT_COOKIE_NAME] = petras_secret
    petra.cookies[settings.SESSION_COOKIE_NAME] = petras_secret

    assert petra.get(f"/sso/group?group={group.pk}").headers["Location"].startswith("/sso/sign-in")
    assert petra.get("/groups/").status_code == 302


def test_session_of_an_agent_opens_no_client_area(browser, session, alices_secret, client_company):
    browser.cookies[settings.CLIENT_COOKIE_NAME] = alices_secret

    assert browser.get(AREA).status_code == 403


def test_page_takes_few_statements(petra, client_company, django_assert_num_queries):
    for number in range(20):
        factories.DestinationFactory(client=client_company, name=f"desk:n{number}")

    with django_assert_num_queries(3):  # session with its person and client, its touch, destinations
        petra.get(AREA)


# --- Signing out -----------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session(petra, petras_session, person):
    response = petra.post(AREA)

    petras_session.refresh_from_db()
    assert petras_session.ended_at is not None
    assert b"You are signed out" in response.content
    assert response.cookies[settings.CLIENT_COOKIE_NAME].value == ""
    event = Event.objects.get(action="person.sign_out")
    assert (event.actor, event.client) == (f"person:{person.pk}", "demoaws")


def test_signing_out_without_a_session_is_no_error(browser):
    assert browser.post(AREA).status_code == 200
    assert not Event.objects.exists()


def test_signing_out_wants_a_csrf_token(petras_session, petras_secret):
    browser = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)
    browser.cookies[settings.CLIENT_COOKIE_NAME] = petras_secret

    assert browser.post(AREA).status_code == 403
    petras_session.refresh_from_db()
    assert petras_session.ended_at is None


# --- On into the CRM -------------------------------------------------------------------------------------------------


@pytest.fixture
def redeem_at(relying_party):
    """Redeem as demoaws' CRM, over HTTP."""

    def redeem_one(secret, party=relying_party):
        return Client(HTTP_HOST=PORTAL).post(
            "/api/v1/tokens/redeem",
            json.dumps({"token": secret}),
            content_type="application/json",
            HTTP_AUTHORIZATION=basic(party.identifier, factories.SECRET),
        )

    return redeem_one


def token_in(response) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["token"][0]


def test_frame_mints_nothing_on_the_way_into_the_crm(petra):
    response = petra.get(f"{AREA}billing/invoices", headers={"Sec-Fetch-Dest": "iframe"})

    assert response.status_code == 200
    assert not PersonToken.objects.exists()


def test_redirect_carries_a_token_to_the_crm(petra, petras_session):
    response = petra.get(f"{AREA}billing/invoices?id=3")

    assert response.status_code == 303
    assert response.headers["Location"].startswith("https://demoaws.crm.example/login?token=pt_")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    token = PersonToken.objects.get()
    assert (token.use, token.session, token.path) == (
        PersonUse.HAND_OFF,
        petras_session,
        "billing/invoices?id=3",
    )
    assert Event.objects.get().action == "person.hand_off"


def test_home_is_the_path_that_is_empty(petra):
    petra.get(f"{AREA}?open=home")

    assert PersonToken.objects.get().path == ""


@pytest.mark.parametrize(
    "path",
    [
        "/evil.example",
        "%2e%2e/x",
        "a/%2e%2e/b",
        "a%2f..%2fb",
        "a%5cb",
        "https:/x",
        "a%20b",
        "caf%C3%A9",
        "a//b",
    ],
)
def test_path_out_of_the_crm_is_refused(petra, path):
    response = petra.get(f"{AREA}{path}")

    assert response.status_code == 400
    assert not PersonToken.objects.exists()


def test_looking_ahead_hands_nobody_on(petra):
    assert petra.head(f"{AREA}x").status_code == 204
    assert not PersonToken.objects.exists()


def test_handing_on_has_a_limit(petra, limit_a_minute):
    limit_a_minute("pop", 1)

    assert [petra.get(f"{AREA}x").status_code for _ in range(2)] == [303, 429]


def test_form_post_carries_the_token_in_a_form(petra, client_company):
    type(client_company).objects.update(hand_off=HandOff.FORM_POST)
    response = petra.get(f"{AREA}x")

    assert re.search(rb'name="token"\s+value="pt_', response.content)
    assert "https://demoaws.crm.example" in response.headers["Content-Security-Policy"]


def test_signed_carries_all_that_there_is_to_say(petra, client_company, person, relying_party):
    type(client_company).objects.update(hand_off=HandOff.SIGNED)
    response = petra.get(f"{AREA}billing/invoices").content.decode()

    signed = re.search(r'name="id_token"\s+value="([^"]+)"', response)
    assert signed
    read = jwt.decode(signed[1], KeySet.import_key_set(jwks()))
    assert (read.header["typ"], read.claims["kind"]) == ("person+jwt", "person")
    assert read.claims["sub"] == f"person:{person.pk}"
    assert (read.claims["aud"], read.claims["destination"]) == (relying_party.identifier, "billing/invoices")
    assert read.claims["exp"] - read.claims["iat"] == 60
    assert PersonToken.objects.get().use == PersonUse.SIGNED


def test_signed_without_a_system_to_receive_it_is_refused(petra, client_company):
    type(client_company).objects.update(hand_off=HandOff.SIGNED)

    assert petra.get(f"{AREA}x").status_code == 403
    assert not PersonToken.objects.exists()


def test_openid_connect_hands_nobody_on_and_says_so(petra, client_company):
    type(client_company).objects.update(hand_off=HandOff.OIDC)

    assert b"OpenID Connect" in petra.get(AREA).content
    response = petra.get(f"{AREA}x")
    assert (response.status_code, b"does not open from here" in response.content) == (409, True)
    assert not PersonToken.objects.exists()


# --- Redeeming -------------------------------------------------------------------------------------------------------


def test_redemption_tells_of_the_person(petra, person, relying_party, redeem_at):
    answer = redeem_at(token_in(petra.get(f"{AREA}billing/invoices")))
    told = answer.json()

    assert answer.status_code == 200, told
    assert told.pop("auth_time") <= told.pop("issued_at")
    assert told == {
        "kind": "person",
        "iss": settings.PORTAL_URL,
        "sub": f"person:{person.pk}",
        "aud": relying_party.identifier,
        "username": person.email,
        "fullname": person.full_name,
        "email": person.email,
        "group": None,
        "client": "demoaws",
        "departments": [],
        "campaigns": [],
        "call": {"did": None, "cid": None, "call_id": None, "campaign_id": None},
        "destination": "billing/invoices",
        "amr": [],
        "sid": None,
    }


def test_redemption_is_written_down(petra, relying_party, redeem_at):
    secret = token_in(petra.get(f"{AREA}x"))
    redeem_at(secret)

    event = Event.objects.get(action="person.redeem")
    assert (event.actor, event.object) == (relying_party.named, f"token:{digest_of(secret)[:12]}")
    assert PersonToken.objects.get().redeemed_by == relying_party


def test_redemption_twice_is_refused(petra, redeem_at):
    secret = token_in(petra.get(f"{AREA}x"))

    assert [redeem_at(secret).status_code for _ in range(2)] == [200, 400]


def test_redemption_by_another_client_is_refused_and_spends_nothing(petra, redeem_at):
    secret = token_in(petra.get(f"{AREA}x"))
    other = factories.RelyingPartyFactory(secret="")
    factories.RelyingPartySecretFactory(relying_party=other, secret="rs_another")
    response = Client(HTTP_HOST=PORTAL).post(
        "/api/v1/tokens/redeem",
        json.dumps({"token": secret}),
        content_type="application/json",
        HTTP_AUTHORIZATION=basic(other.identifier, "rs_another"),
    )

    assert (response.status_code, response.json()["code"]) == (400, "invalid_token")
    assert Event.objects.get(action="person.redeem").details["why"] == "another client's"
    assert redeem_at(secret).status_code == 200


@pytest.mark.parametrize(("who", "fields", "why"), STOPS)
def test_redemption_once_somebody_is_stopped_is_refused(petra, person, redeem_at, who, fields, why):
    secret = token_in(petra.get(f"{AREA}x"))
    stop(person, who, fields)

    assert redeem_at(secret).json()["code"] == "invalid_token"
    assert Event.objects.get(action="person.redeem").details["why"] == why


def test_redemption_after_signing_out_is_refused(petra, redeem_at):
    secret = token_in(petra.get(f"{AREA}x"))
    petra.post(AREA)

    assert redeem_at(secret).status_code == 400


@pytest.mark.parametrize("use", [PersonUse.ENTRANCE, PersonUse.SIGNED])
def test_token_of_another_use_is_not_redeemed(petra, redeem_at, use):
    secret = token_in(petra.get(f"{AREA}x"))
    PersonToken.objects.update(use=use)

    assert redeem_at(secret).status_code == 400
    assert PersonToken.objects.get().redeemed_at is None


def test_entrance_is_worth_nothing_to_the_crm(give_entrance, person, redeem_at, open_):
    secret = give_entrance(person)

    assert redeem_at(secret).status_code == 400
    assert open_(secret).status_code == 303


def test_hand_off_is_worth_nothing_at_the_entrance(petra, open_, redeem_at):
    secret = token_in(petra.get(f"{AREA}x"))

    assert open_(secret).status_code == 403
    assert redeem_at(secret).status_code == 200


def test_agents_login_is_worth_nothing_at_the_entrance(open_, issued):
    assert open_(issued.secret).status_code == 403
    assert LoginToken.objects.get().redeemed_at is None


def test_persons_login_is_worth_nothing_as_an_agents(petra, relying_party, caller):
    with pytest.raises(Exception, match="invalid_token"):
        redeem(token_in(petra.get(f"{AREA}x")), relying_party=relying_party, caller=caller)


def test_redemption_takes_one_claim_and_few_statements(petra, redeem_at, django_assert_num_queries):
    secret = token_in(petra.get(f"{AREA}x"))

    with django_assert_num_queries(7):  # secret, its touch, savepoint, claim, token, event, release
        redeem_at(secret)
