"""Administrators' sessions: what the database keeps of them, how many, and what ends them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.ending_sessions import EndReason, begin_session, end_sessions
from accounts.models import Administrator, AdministratorSession, Event
from accounts.sessions import SessionStore
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.accounts.conftest import code_of, is_in
from tests.conftest import PORTAL
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
CHOSEN = "seven purple lanterns"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def key_of(browser: Client) -> str:
    return browser.cookies["administrator"].value


def row_of(browser: Client) -> AdministratorSession:
    return AdministratorSession.objects.get(digest=digest_of(key_of(browser)))


def endings() -> list[dict]:
    return [event.details for event in Event.objects.filter(action="administrator.end_sessions")]


# --- What is kept ------------------------------------------------------------------------------------------------


def test_database_knows_no_key(here):
    row = row_of(here)

    assert key_of(here) not in [str(value) for value in row.__dict__.values()]


def test_content_is_encrypted():
    store = SessionStore()
    store["secret"] = "of an app being set up"
    store.save()

    assert "secret" not in AdministratorSession.objects.get().content
    assert SessionStore(store.session_key)["secret"] == "of an app being set up"


def test_content_whose_encryption_key_is_gone_is_empty(here, settings):
    settings.ENCRYPTION_KEYS = ["another"]

    assert not is_in(here)


def test_sign_in_keeps_who_from_where_and_how(client, owner):
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD}, REMOTE_ADDR="203.0.113.7")
    client.post(
        "/accounts/2fa/authenticate/",
        {"code": code_of()},
        headers={"User-Agent": FIREFOX},
        REMOTE_ADDR="203.0.113.7",
    )

    row = row_of(client)
    assert (row.administrator, row.address, row.agent_header) == (owner, "203.0.113.7", FIREFOX)
    assert row.methods == ["password", "totp"]


def test_sign_in_leaves_no_row_of_before(client, owner):
    client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    before = row_of(client)
    client.post("/accounts/2fa/authenticate/", {"code": code_of()})

    assert (before.administrator, AdministratorSession.objects.get()) == (None, row_of(client))


def test_keeping_something_puts_off_neither_end_nor_idleness(here):
    AdministratorSession.objects.update(last_seen_at=Now() - timedelta(minutes=5))
    before = row_of(here)
    session = here.session
    session["x"] = 1
    session.save()

    after = row_of(here)
    assert (after.last_seen_at, after.ends_at) == (before.last_seen_at, before.ends_at)


def test_new_key_keeps_the_content():
    store = SessionStore()
    store["x"] = 1
    store.save()
    old = store.session_key
    store.cycle_key()

    assert SessionStore(store.session_key)["x"] == 1
    assert not SessionStore().exists(old)


def test_flushed_session_is_gone():
    store = SessionStore()
    store["x"] = 1
    store.save()
    key = store.session_key
    store.flush()

    assert not store.exists(key)
    assert dict(SessionStore(key).items()) == {}


@pytest.mark.parametrize("key", ["x", "no-such-session-at-all", "\udcff" * 32, "a" * 100_000])
def test_key_that_nobody_has_opens_nothing(client, key):
    assert SessionStore(key).get("x") is None


@pytest.mark.django_db(transaction=True)
def test_session_can_be_used_asynchronously():
    async def keep() -> str:
        store = SessionStore()
        await store.aset("x", 1)
        await store.asave()
        await sync_to_async(lambda: connection.close())()  # of the thread that it was lent
        return store.session_key

    with ThreadPoolExecutor(1) as another:  # in this thread, a browser's test may have left a loop running
        key = another.submit(asyncio.run, keep()).result()

    assert SessionStore(key)["x"] == 1


def test_clearsessions_deletes_those_that_are_over(here, elsewhere):
    AdministratorSession.objects.filter(pk=row_of(elsewhere).pk).update(
        last_seen_at=Now() - timedelta(minutes=16)
    )

    call_command("clearsessions")

    assert AdministratorSession.objects.get() == row_of(here)


def test_session_ends_after_it_started():
    now = timezone.now()

    with pytest.raises(IntegrityError, match="admin_session_ends_after_start"), transaction.atomic():
        AdministratorSession.objects.create(digest="x", started_at=now, ends_at=now)


def test_page_asks_once_for_session_administrator_and_factor(here, django_assert_num_queries):
    with django_assert_num_queries(3):  # the others: the groups of the page, those of the menu
        here.get("/groups/")


# --- Three at once -----------------------------------------------------------------------------------------------


@pytest.fixture
def browsers(owner, visit_as):
    """Three browsers of the owner's; the second was used longest ago."""
    browsers = [visit_as(owner) for _ in range(3)]
    for browser, minutes in zip(browsers, (2, 9, 5), strict=True):
        AdministratorSession.objects.filter(pk=row_of(browser).pk).update(
            last_seen_at=Now() - timedelta(minutes=minutes)
        )
    return browsers


def test_fourth_session_ends_the_least_recently_used(browsers, owner, visit_as):
    fourth = visit_as(owner)

    assert [is_in(browser) for browser in [*browsers, fourth]] == [True, False, True, True]


def test_session_ended_by_the_limit_is_recorded(browsers, owner, visit_as):
    visit_as(owner)

    assert endings() == [{"sessions": 1, "reason": "limit"}]


def test_sessions_that_are_over_are_not_counted(browsers, owner, visit_as):
    AdministratorSession.objects.filter(pk=row_of(browsers[1]).pk).update(
        last_seen_at=Now() - timedelta(minutes=20)
    )
    visit_as(owner)

    assert endings() == []


def test_sessions_of_others_are_not_counted(browsers, auditor, visit_as):
    visit_as(auditor)

    assert [is_in(browser) for browser in browsers] == [True, True, True]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_many_sign_ins_at_once_leave_three_sessions(owner, caller):
    barrier = threading.Barrier(12)

    def sign_in(_: int) -> None:
        store = SessionStore()
        store[SESSION_KEY] = str(owner.pk)
        store.save()
        barrier.wait()
        begin_session(owner, key=store.session_key, caller=caller)
        connection.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(sign_in, range(12)))

    assert owner.sessions.live().count() == 3


# --- What ends them ----------------------------------------------------------------------------------------------


def test_changed_password_ends_every_session(here, elsewhere, owner):
    fields = {"oldpassword": PASSWORD, "password1": CHOSEN, "password2": CHOSEN}
    here.post("/accounts/password/change/", fields)

    assert not owner.sessions.exists()
    assert endings() == [{"sessions": 1, "reason": "password"}]


def test_reset_password_ends_every_session(here, elsewhere, owner, client, mailoutbox):
    client.post("/accounts/password/reset/", {"email": owner.email})
    link = next(word for word in mailoutbox[0].body.split() if "/password/reset/key/" in word)
    form = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": CHOSEN, "password2": CHOSEN})

    assert not owner.sessions.exists()


def test_removed_second_factor_ends_the_other_sessions(here, elsewhere, owner):
    response = here.post("/accounts/2fa/totp/deactivate/")

    assert response.status_code == 302
    assert owner.sessions.get() == row_of(here)
    assert endings() == [{"sessions": 1, "reason": "factor"}]


def test_administrator_made_inactive_is_out_for_good(here, owner, operator, visit_as):
    page = f"/backoffice/accounts/administrator/{owner.pk}/change/"
    visit_as(operator).post(page, {"email": owner.email, "full_name": owner.full_name})
    Administrator.objects.filter(pk=owner.pk).update(is_active=True)

    assert not is_in(here)
    assert endings() == [{"sessions": 1, "reason": "stopped"}]


def test_ending_nothing_writes_nothing(owner, caller):
    assert end_sessions(owner.sessions.all(), reason=EndReason.ENDED, by="test", caller=caller) == 0
    assert endings() == []


def test_ended_session_is_not_revived_by_a_request_under_way(here):
    session = here.session
    session["x"] = 1
    AdministratorSession.objects.all().delete()

    with pytest.raises(UpdateError):
        session.save()
    assert not AdministratorSession.objects.exists()


@pytest.fixture
def operator():
    administrator = factories.AdministratorFactory(is_staff=True, is_superuser=True)
    return factories.SecondFactorFactory(user=administrator).user


def test_foreign_cookie_is_taken_away():
    browser = Client(HTTP_HOST=PORTAL)
    browser.cookies["administrator"] = "planted"

    assert browser.get("/groups/").cookies["administrator"].value == ""
