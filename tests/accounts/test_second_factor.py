"""Second factors: wrong codes are counted, and sensitive pages ask again."""

import json
import tracemalloc
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db.models.functions import Now
from django.test import Client

from accounts import lockout
from accounts.models import Attempt, Event
from tests import factories
from tests.accounts.conftest import code_of, is_in
from tests.conftest import PORTAL
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
SIGN_IN, CONFIRM = "/accounts/2fa/authenticate/", "/accounts/2fa/reauthenticate/"
INCORRECT = "Incorrect code."


@pytest.fixture
def stale(owner, visit_as):
    """The owner's browser, in which he showed his second factor more than five minutes ago."""
    return visit_as(owner, ago=301)


@pytest.fixture
def half_in(client, owner):
    """A browser that gave the owner's password."""
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    return client


def guess(browser: Client, code: str = "000000", *, path: str = SIGN_IN):
    return browser.post(path, {"code": code, "next": "/profile/"})


# --- Wrong codes -------------------------------------------------------------------------------------------------


def test_right_code_after_four_wrong_ones_lets_in(half_in):
    for _ in range(4):
        guess(half_in)
    guess(half_in, code_of())

    assert is_in(half_in)


def test_right_code_after_five_wrong_ones_is_refused(half_in):
    for _ in range(5):
        guess(half_in)
    guess(half_in, code_of())

    assert not is_in(half_in)


def test_recovery_code_after_five_wrong_codes_is_refused(half_in, owner):
    codes = factories.RecoveryCodesFactory(user=owner)
    for _ in range(5):
        guess(half_in)
    guess(half_in, codes.wrap().get_unused_codes()[0])

    assert not is_in(half_in)
    assert len(Authenticator.objects.get(pk=codes.pk).wrap().get_unused_codes()) == 10


def test_wrong_codes_are_counted_together_wherever_they_are_typed(half_in, stale):
    for browser, path in [(half_in, SIGN_IN), (stale, CONFIRM)] * 3:
        guess(browser, path=path)
    guess(half_in, code_of())

    assert not is_in(half_in)


def test_locked_administrator_reads_the_same_as_of_a_wrong_code(half_in):
    answers = [guess(half_in) for _ in range(7)]

    assert {tuple(answer.context["form"].errors["code"]) for answer in answers} == {(INCORRECT,)}
    assert {answer.status_code for answer in answers} == {200}


def test_lock_of_codes_outlives_the_cache(half_in):
    for _ in range(5):
        guess(half_in)
        cache.clear()
    guess(half_in, code_of())

    assert not is_in(half_in)


def test_code_that_was_used_is_refused_whatever_the_cache_forgot(half_in, owner):
    code = code_of()
    guess(half_in, code)
    cache.clear()
    second = Client(HTTP_HOST=PORTAL)
    second.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})

    assert guess(second, code).context["form"].errors["code"] == [INCORRECT]
    assert (is_in(half_in), is_in(second)) == (True, False)


def test_lock_of_codes_ends_by_itself(half_in):
    for _ in range(5):
        guess(half_in)
    Attempt.objects.update(locked_until=Now() - timedelta(seconds=1))
    guess(half_in, code_of())

    assert is_in(half_in)


def test_right_code_starts_the_count_anew(half_in, owner):
    guess(half_in)
    guess(half_in, code_of())

    assert Attempt.objects.get(door=lockout.SECOND_FACTOR, name=owner.email).failures == 0


def test_wrong_codes_are_counted_apart_from_passwords(half_in, owner):
    for _ in range(5):
        guess(half_in)
    second = Client(HTTP_HOST=PORTAL)

    response = second.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert response["Location"] == SIGN_IN


def test_wrong_codes_of_one_lock_nobody_else(half_in, auditor):
    for _ in range(12):
        guess(half_in)
    second = Client(HTTP_HOST=PORTAL)
    second.post("/accounts/login/", {"login": auditor.email, "password": PASSWORD})
    guess(second, code_of())

    assert is_in(second)


def test_lock_of_codes_is_recorded(half_in):
    for _ in range(6):
        guess(half_in)

    events = Event.objects.filter(action="administrator.second_factor").order_by("pk")
    assert [event.reason for event in events] == ["wrong_code"] * 5 + ["locked"]


def test_no_code_is_no_try(half_in):
    for _ in range(6):
        guess(half_in, "")
    guess(half_in, code_of())

    assert is_in(half_in)


@pytest.mark.parametrize("path", [SIGN_IN, CONFIRM])
@pytest.mark.parametrize("credential", ["", "{", "[]", "null", '{"id": 1}', '{"response": {}}', "[" * 5000])
def test_credential_that_no_browser_makes_is_refused(half_in, stale, owner, path, credential):
    factories.PasskeyFactory(user=owner)
    browser = half_in if path == SIGN_IN else stale

    assert browser.post(path, {"credential": credential}).status_code == 200
    assert not is_in(half_in)
    assert stale.get("/profile/sessions/end-others/")["Location"].startswith(CONFIRM)


@pytest.mark.parametrize("path", [SIGN_IN, CONFIRM])
def test_number_is_not_taken_for_a_length(half_in, stale, owner, path):
    factories.PasskeyFactory(user=owner)
    long = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": 10**9}}
    tracemalloc.start()

    response = (half_in if path == SIGN_IN else stale).post(path, {"credential": json.dumps(long)})

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response.status_code == 200
    assert most < 100_000_000  # bytes


# --- Asking again ------------------------------------------------------------------------------------------------

SENSITIVE = [
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/download/",
    "/profile/sessions/end-others/",
]


@pytest.mark.parametrize("path", SENSITIVE)
def test_sensitive_page_asks_for_the_second_factor_again(stale, owner, path):
    factories.RecoveryCodesFactory(user=owner)

    response = stale.get(path)

    where = urlsplit(response["Location"])
    assert (where.path, parse_qs(where.query)) == (CONFIRM, {"next": [path]})


@pytest.mark.parametrize("path", SENSITIVE)
def test_sensitive_page_opens_while_the_second_factor_is_fresh(here, elsewhere, owner, path):
    factories.RecoveryCodesFactory(user=owner)

    assert here.get(path).status_code == 200


def test_code_confirms_and_leads_on(stale):
    response = stale.post(CONFIRM, {"code": code_of(), "next": "/accounts/2fa/totp/deactivate/"})

    assert response["Location"] == "/accounts/2fa/totp/deactivate/"
    assert stale.get(response["Location"]).status_code == 200


def test_confirmation_never_leads_to_another_site(stale):
    response = stale.post(CONFIRM, {"code": code_of(), "next": "https://evil.example/"})

    assert response["Location"] == "/"


@pytest.mark.parametrize("there", ["//[", "http://[", "javascript:alert(1)", "/" * 5000])
def test_way_on_that_cannot_be_is_not_gone(stale, there):
    assert stale.get(CONFIRM, {"next": there}).status_code == 200
    assert stale.post(CONFIRM, {"code": code_of(), "next": there})["Location"] == "/"


def test_wrong_code_confirms_nothing_and_keeps_the_way_on(stale):
    response = stale.post(CONFIRM, {"code": "000000", "next": "/profile/"})

    assert INCORRECT in response.content.decode()
    assert '<input type="hidden" name="next" value="/profile/"' in response.content.decode()
    assert stale.get("/profile/sessions/end-others/")["Location"].startswith(CONFIRM)


@pytest.mark.parametrize("path", ["/accounts/reauthenticate/", "/accounts/2fa/webauthn/reauthenticate/"])
def test_other_pages_of_the_library_lead_to_the_second_factor(stale, path):
    assert stale.get(f"{path}?next=/profile/")["Location"] == f"{CONFIRM}?next=%2Fprofile%2F"


def test_password_is_no_second_factor(stale):
    stale.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": "/profile/"})

    assert stale.get("/profile/sessions/end-others/")["Location"].startswith(CONFIRM)


def test_newcomer_confirms_by_password(client, group):
    newcomer = factories.MembershipFactory(group=group).administrator
    client.post("/accounts/login/", {"login": newcomer.email, "password": PASSWORD})
    set_up = "/accounts/2fa/totp/activate/"

    asked = client.get(set_up)["Location"]
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": set_up})

    assert asked == "/accounts/reauthenticate/?next=%2Faccounts%2F2fa%2Ftotp%2Factivate%2F"
    assert response["Location"] == set_up
    assert client.get(set_up).status_code == 200


def test_page_that_asks_offers_a_passkey_to_those_who_have_one(stale, owner):
    before = stale.get(CONFIRM).content.decode()
    factories.PasskeyFactory(user=owner)

    assert "Use a passkey" not in before
    assert "Use a passkey" in stale.get(CONFIRM).content.decode()


def test_page_that_asks_says_why_and_has_the_cursor_in_the_code(stale):
    page = stale.get(CONFIRM).content.decode()

    assert "more than five minutes ago" in page
    assert "What you typed is kept" not in page
    assert "autofocus" in page.partition('name="code"')[2].partition(">")[0]


@pytest.fixture
def form(settings):
    settings.ROOT_URLCONF = "tests.accounts.urls_of_a_form"
    return "/a-form/"


def test_form_that_came_too_late_is_filled_in_again(stale, form):
    asked = stale.post(f"{form}?tab=2", {"name": "Ann & Bob", "csrfmiddlewaretoken": "x"})
    waiting = stale.get(asked["Location"]).content.decode()
    onward = stale.post(CONFIRM, {"code": code_of(), "next": f"{form}?tab=2"})["Location"]

    assert "What you typed is kept" in waiting
    assert onward == f"{form}?tab=2"
    assert stale.get(onward).content.decode() == "kept: {'name': 'Ann & Bob'}"


def test_form_is_filled_in_again_once(here, form):
    session = here.session
    session["kept_form"] = [form, "name=Ann"]
    session.save()
    here.get(form)

    assert here.get(form).content.decode() == "empty"


def test_form_of_another_page_stays_kept(here, form):
    session = here.session
    session["kept_form"] = ["/elsewhere/", "name=Ann"]
    session.save()

    assert here.get(form).content.decode() == "empty"
    assert "kept_form" in here.session
    assert "What you typed is kept" not in here.get(f"{CONFIRM}?next={form}").content.decode()
