"""The main door: e-mail, password, second factor; and what it writes down."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import Administrator, AdministratorSession, Attempt, Event
from sso_portal.lib.encryption import decrypt
from tests import factories
from tests.accounts.conftest import code_of, is_in
from tests.conftest import PORTAL
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
WRONG_PASSWORD = "not the password"


@pytest.fixture
def post_login(client, owner):
    def post(password: str = PASSWORD, *, email: str = owner.email, browser: Client = client):
        return browser.post("/accounts/login/", {"login": email, "password": password})

    return post


@pytest.fixture
def signed_in(client, post_login):
    """The owner's browser, after password and code."""
    post_login()
    client.post("/accounts/2fa/authenticate/", {"code": code_of()})
    return client


def events(action: str = "administrator.sign_in") -> list[tuple[str, str]]:
    return list(Event.objects.filter(action=action).order_by("pk").values_list("outcome", "reason"))


# --- Password, then code -----------------------------------------------------------------------------------------


def test_password_and_code_let_in(signed_in):
    assert is_in(signed_in)


def test_password_leads_to_the_second_factor(post_login):
    response = post_login()

    assert (response.status_code, response["Location"]) == (302, "/accounts/2fa/authenticate/")


def test_password_alone_lets_nobody_in(client, post_login):
    post_login()

    assert not is_in(client)


def test_sign_in_goes_on_to_the_page_that_was_asked_for(client, owner, group):
    page = f"/groups/{group.pk}/"
    client.post(f"/accounts/login/?next={page}", {"login": owner.email, "password": PASSWORD, "next": page})

    assert client.post("/accounts/2fa/authenticate/", {"code": code_of()})["Location"] == page


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "//["])
def test_sign_in_never_goes_on_to_another_site(client, owner, there):
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD, "next": there})

    assert client.post("/accounts/2fa/authenticate/", {"code": code_of()})["Location"] == "/"


@pytest.mark.parametrize("code", ["", "000000", "abcdef", "12345678901234567890"])
def test_wrong_code_lets_nobody_in(client, post_login, code):
    post_login()

    client.post("/accounts/2fa/authenticate/", {"code": code})

    assert not is_in(client)


def test_code_serves_once(client, post_login):
    code = code_of()
    post_login()
    client.post("/accounts/2fa/authenticate/", {"code": code})
    second = Client(HTTP_HOST=PORTAL)
    post_login(browser=second)

    second.post("/accounts/2fa/authenticate/", {"code": code})

    assert not is_in(second)


def test_email_is_taken_in_any_spelling(client, owner, post_login):
    assert post_login(email=f" {owner.email.upper()} ")["Location"] == "/accounts/2fa/authenticate/"


def test_session_gets_a_new_id_at_sign_in(client, owner, post_login):
    client.get("/accounts/login/")
    session = client.session
    session["planted"] = "x"
    session.save()
    planted = session.session_key
    client.cookies["administrator"] = planted

    post_login()
    client.post("/accounts/2fa/authenticate/", {"code": code_of()})

    assert client.cookies["administrator"].value != planted


def test_administrators_cookie_is_kept_to_this_host_and_from_scripts(signed_in):
    cookie = signed_in.cookies["administrator"]

    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["expires"]) == ("Lax", "/", "", "")


def test_administrator_without_second_factor_gets_no_page_but_those_that_give_one(client, group):
    administrator = factories.MembershipFactory(group=group).administrator

    client.post("/accounts/login/", {"login": administrator.email, "password": PASSWORD})

    assert client.get(f"/groups/{group.pk}/")["Location"] == "/accounts/2fa/"
    assert client.get("/backoffice/")["Location"] == "/accounts/2fa/"
    assert client.get("/accounts/2fa/").status_code == 200


@pytest.fixture
def newcomer(client, group):
    """An administrator who has just set up his authenticator app; its `app_secret`."""
    newcomer = factories.MembershipFactory(group=group).administrator
    client.post("/accounts/login/", {"login": newcomer.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    newcomer.app_secret = client.session["mfa.totp.secret"]
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(newcomer.app_secret)})
    return newcomer


@pytest.mark.django_db(transaction=True)  # told after the commit
def test_second_factor_that_was_set_up_lets_in(newcomer, client):
    assert is_in(client)


def test_second_factor_is_encrypted_at_rest(newcomer):
    kept = Authenticator.objects.get(user=newcomer, type="totp").data["secret"]

    assert newcomer.app_secret not in kept
    assert decrypt(kept) == newcomer.app_secret


def test_recovery_codes_are_encrypted_at_rest(newcomer):
    data = Authenticator.objects.get(user=newcomer, type="recovery_codes").data

    assert decrypt(data["seed"])


def test_recovery_code_serves_once(newcomer, post_login):
    code = Authenticator.objects.get(user=newcomer, type="recovery_codes").wrap().get_unused_codes()[0]
    browsers = [Client(HTTP_HOST=PORTAL) for _ in range(2)]
    for browser in browsers:
        post_login(email=newcomer.email, browser=browser)
        browser.post("/accounts/2fa/authenticate/", {"code": code})

    assert [is_in(browser) for browser in browsers] == [True, False]


def test_sign_up_is_closed(client):
    chosen = "seven purple lanterns"
    fields = {"email": "eve@evil.example", "password1": chosen, "password2": chosen}

    assert client.post("/accounts/signup/", fields).status_code == 404
    assert not Administrator.objects.exists()


@pytest.mark.parametrize("name", ["signup", "email", "confirm-email", "inactive"])
def test_pages_that_the_library_brings_along_are_missing(client, name):
    assert client.get(f"/accounts/{name}/").status_code == 404


# --- Lock-out ----------------------------------------------------------------------------------------------------


def test_right_password_after_five_wrong_ones_is_refused(client, post_login):
    for _ in range(5):
        post_login(WRONG_PASSWORD)

    assert post_login().status_code == 200


def test_right_password_after_four_wrong_ones_lets_on(post_login):
    for _ in range(4):
        post_login(WRONG_PASSWORD)

    assert post_login().status_code == 302


def test_lock_ends_by_itself(post_login):
    for _ in range(5):
        post_login(WRONG_PASSWORD)
    Attempt.objects.update(locked_until=Now() - timedelta(seconds=1))

    assert post_login().status_code == 302


def test_lock_out_outlives_the_cache(post_login):
    for _ in range(5):
        post_login(WRONG_PASSWORD)
        cache.clear()

    assert post_login().status_code == 200


def test_password_that_was_typed_as_the_name_is_not_kept(post_login):
    post_login("whatever", email="Correct.Horse@battery.example")

    assert Attempt.objects.get().failures == 1
    assert "horse" not in str([*Attempt.objects.values(), *Event.objects.values()])


@pytest.fixture
def lock():
    def lock(email: str) -> None:
        until = timezone.now() + timedelta(minutes=30)
        Attempt.objects.create(door="main", name=email, failures=5, window_ends_at=until, locked_until=until)

    return lock


def test_locked_name_costs_one_hash(owner, lock, post_login, hashes):
    lock(owner.email)

    post_login()

    assert len(hashes) == 1


@pytest.mark.parametrize("email", ["", "nobody@portal.example"])
def test_wrong_name_or_password_costs_one_hash(owner, post_login, hashes, email):
    post_login(WRONG_PASSWORD, email=email or owner.email)

    assert len(hashes) == 1


@pytest.mark.parametrize("circumstance", ["wrong", "unknown", "disabled", "locked"])
def test_every_refusal_looks_the_same(owner, post_login, lock, circumstance):
    if circumstance == "locked":
        lock(owner.email)
    Administrator.objects.update(is_active=circumstance != "disabled")
    password = WRONG_PASSWORD if circumstance == "wrong" else PASSWORD

    response = post_login(
        password, email="nobody@portal.example" if circumstance == "unknown" else owner.email
    )

    assert response.status_code == 200
    assert response.context["form"].non_field_errors() == [
        "The email address and/or password you specified are not correct."
    ]


def test_disabled_administrators_right_password_is_recorded_as_refused(owner, post_login):
    Administrator.objects.update(is_active=False)

    post_login()

    assert [outcome for outcome, _ in events()] == ["refused"]


# --- What ends a session -----------------------------------------------------------------------------------------


def age(*, started: timedelta = timedelta(0), seen: timedelta = timedelta(0)) -> None:
    """Set back when the sessions started and when they were seen last."""
    AdministratorSession.objects.update(
        started_at=Now() - started,
        ends_at=Now() - started + timedelta(hours=8),
        last_seen_at=Now() - seen,
    )


def test_session_idle_for_a_quarter_of_an_hour_is_over(signed_in):
    age(seen=timedelta(minutes=15, seconds=1))

    assert not is_in(signed_in)


def test_session_idle_for_less_goes_on(signed_in):
    age(seen=timedelta(minutes=14))

    assert is_in(signed_in)


def test_use_puts_off_being_idle(signed_in):
    age(seen=timedelta(minutes=14))
    is_in(signed_in)

    assert timezone.now() - AdministratorSession.objects.get().last_seen_at < timedelta(minutes=1)


def test_use_is_written_once_a_minute(signed_in):
    age(seen=timedelta(seconds=50))
    is_in(signed_in)

    assert timezone.now() - AdministratorSession.objects.get().last_seen_at > timedelta(seconds=45)


def test_page_that_keeps_itself_up_to_date_is_no_use(signed_in):
    age(seen=timedelta(minutes=14))
    signed_in.get("/groups/", headers={"X-Live": "1"})

    assert timezone.now() - AdministratorSession.objects.get().last_seen_at > timedelta(minutes=13)


def test_session_is_over_after_eight_hours(signed_in):
    age(started=timedelta(hours=8, seconds=1))

    assert not is_in(signed_in)


def test_session_before_eight_hours_goes_on(signed_in):
    age(started=timedelta(hours=7, minutes=59))

    assert is_in(signed_in)


def test_session_that_is_over_leads_back_to_where_it_was(signed_in, group):
    age(seen=timedelta(minutes=15, seconds=1))

    response = signed_in.get(f"/groups/{group.pk}/?after=alice")

    query = parse_qs(urlsplit(response["Location"]).query)
    assert query == {"next": [f"/groups/{group.pk}/?after=alice"]}


def test_disabled_administrator_is_out_at_the_next_request(signed_in):
    Administrator.objects.update(is_active=False)

    assert not is_in(signed_in)


def test_changed_password_ends_the_sessions(signed_in, owner):
    owner.set_password("seven purple lanterns")
    owner.save()

    assert not is_in(signed_in)


def test_sign_out_ends_the_session(signed_in):
    cookie = signed_in.cookies["administrator"].value
    signed_in.post("/accounts/logout/")
    signed_in.cookies["administrator"] = cookie

    assert not is_in(signed_in)


def test_sign_out_is_no_get(signed_in):
    signed_in.get("/accounts/logout/")

    assert is_in(signed_in)


# --- The audit log -----------------------------------------------------------------------------------------------


def test_sign_in_is_recorded_once(signed_in, owner):
    assert events() == [("ok", "")]
    assert Event.objects.get(action="administrator.sign_in").actor == f"administrator:{owner.email}"


def test_password_without_code_is_no_sign_in(post_login):
    post_login()

    assert events() == []


def test_sign_out_is_recorded(signed_in):
    signed_in.post("/accounts/logout/")

    assert events("administrator.sign_out") == [("ok", "")]


def test_wrong_password_is_recorded(post_login, owner):
    response = post_login(WRONG_PASSWORD)

    event = Event.objects.get()
    assert (event.outcome, event.reason, event.details) == (
        "refused",
        "wrong_credentials",
        {"name": owner.email},
    )
    assert event.reference == response["X-Request-Id"]


def test_lock_out_is_recorded(owner, lock, post_login):
    lock(owner.email)

    post_login()

    assert events() == [("refused", "locked")]


def test_wrong_code_is_recorded(client, post_login):
    post_login()

    client.post("/accounts/2fa/authenticate/", {"code": "000000"})

    assert [outcome for outcome, _ in Event.objects.values_list("outcome", "action")] == ["refused"]


@pytest.mark.django_db(transaction=True)  # told after the commit
def test_change_of_factors_is_recorded(newcomer):
    changes = Event.objects.filter(action="administrator.change_factors")

    assert "totp" in [event.details["factor"] for event in changes]


def test_change_of_password_is_recorded(signed_in):
    chosen = "seven purple lanterns"
    fields = {"oldpassword": PASSWORD, "password1": chosen, "password2": chosen}

    signed_in.post("/accounts/password/change/", fields)

    assert events("administrator.change_password") == [("ok", "")]
