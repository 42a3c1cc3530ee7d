"""An administrator's own page."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.db.models.functions import Now
from django.test import Client

from accounts.models import Administrator, AdministratorSession, Event
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.accounts.conftest import is_in
from tests.conftest import PORTAL
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOD = {"full_name": "Ada Lovelace", "language": "", "time_zone": "", "theme": ""}


@pytest.fixture
def save(here):
    """Save the profile with these changes."""

    def save(**changes: str):
        return here.post("/profile/", GOOD | changes)

    return save


def row_of(browser: Client) -> AdministratorSession:
    return AdministratorSession.objects.get(digest=digest_of(browser.cookies["administrator"].value))


def text_of(browser: Client, path: str = "/profile/") -> str:
    return browser.get(path).content.decode()


# --- The page ----------------------------------------------------------------------------------------------------


def test_profile_tells_name_and_address(here, owner):
    page = text_of(here)

    assert owner.full_name in page
    assert owner.email in page


def test_profile_is_where_the_menu_leads(here):
    assert '<a class="menu__item" href="/profile/">' in text_of(here, "/groups/")


def test_profile_is_for_those_who_signed_in(client):
    assert client.get("/profile/")["Location"] == "/accounts/login/?next=/profile/"


def test_address_of_the_library_shows_the_profile(here):
    assert "How you sign in" in text_of(here, "/accounts/2fa/")


def test_profile_needs_few_queries(here, elsewhere, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        here.get("/profile/")


def test_profile_counts_the_recovery_codes_that_are_left(here, owner):
    codes = factories.RecoveryCodesFactory(user=owner)
    Authenticator.objects.filter(pk=codes.pk).update(data=codes.data | {"used_mask": 0b101})

    assert "8 of 10 left" in text_of(here)


@pytest.fixture
def newcomer(client, group):
    """An administrator's browser, who has no second factor yet."""
    administrator = factories.MembershipFactory(group=group).administrator
    client.post("/accounts/login/", {"login": administrator.email, "password": PASSWORD})
    return client


def test_newcomer_is_shown_how_to_get_a_second_factor_and_nothing_else(newcomer):
    page = text_of(newcomer, "/accounts/2fa/")

    assert "One thing first" in page
    assert "Set up" in page
    assert 'name="full_name"' not in page
    assert "Change password" not in page


def test_newcomer_changes_nothing(newcomer):
    assert newcomer.post("/profile/", GOOD)["Location"] == "/accounts/2fa/"
    assert newcomer.post("/accounts/2fa/", GOOD).status_code == 405
    assert not Administrator.objects.filter(full_name="Ada Lovelace").exists()


# --- What he says about himself ----------------------------------------------------------------------------------


def test_saved_profile_is_kept(save, owner):
    response = save(language="es", time_zone="America/New_York", theme="dark")

    owner.refresh_from_db()
    assert (response.status_code, response["Location"]) == (303, "/profile/")
    assert (owner.full_name, owner.language, owner.time_zone, owner.theme) == (
        "Ada Lovelace",
        "es",
        "America/New_York",
        "dark",
    )


def test_saved_profile_is_recorded_by_what_changed(save, owner):
    save(theme="dark")

    event = Event.objects.get(action="administrator.update")
    assert event.details == {"full_name": "Ada Lovelace", "theme": "dark"}
    assert event.actor == f"administrator:{owner.email}"


def test_profile_saved_as_it_was_is_not_recorded(save):
    save()
    save()

    assert Event.objects.filter(action="administrator.update").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", ""),
        ("full_name", "   "),
        ("full_name", "x" * 201),
        ("full_name", "Ada \N{RIGHT-TO-LEFT OVERRIDE}ecalevoL"),
        ("full_name", "Ada\nLovelace"),
        ("full_name", "Ada\0"),
        ("language", "xx"),
        ("time_zone", "Mars/Olympus"),
        ("theme", "pink"),
    ],
)
def test_profile_that_cannot_be_is_refused_beside_the_field(save, field, value):
    response = save(**{field: value})

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert not Administrator.objects.filter(full_name="Ada Lovelace", theme="pink").exists()


def test_name_of_markup_is_shown_as_text(save, here):
    save(full_name="<script>alert(1)</script>")

    assert "<script>alert(1)" not in text_of(here)
    assert "&lt;script&gt;alert(1)" in text_of(here)


def test_address_is_the_operators_to_change(save, owner):
    email = owner.email
    save(email="eve@evil.example", is_staff="on")

    owner.refresh_from_db()
    assert (owner.email, owner.is_staff) == (email, False)


# --- Theme, language, time zone ----------------------------------------------------------------------------------


def test_theme_is_the_administrators_in_every_browser(save, elsewhere):
    save(theme="dark")

    assert 'data-theme="dark"' in text_of(elsewhere, "/groups/")


def test_theme_of_the_administrator_goes_before_the_browsers(here):
    here.cookies["theme"] = "dark"

    assert "data-theme" not in text_of(here)


def test_sign_in_pages_of_this_browser_follow(save, here):
    save(theme="dark", language="es")
    here.post("/accounts/logout/")

    page = text_of(here, "/accounts/login/")
    assert 'data-theme="dark"' in page
    assert 'lang="es"' in page
    assert 'data-theme="dark"' in text_of(here, "/sso/sign-in")


def test_cookies_of_the_choice_are_kept_from_scripts(save, here):
    save(theme="dark", language="es")

    for name in ("theme", "language"):
        cookie = here.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert cookie["max-age"] > 300 * 24 * 3600


def test_choice_taken_back_is_forgotten_by_this_browser(save, here):
    save(theme="dark", language="es")
    save()

    assert (here.cookies["theme"].value, here.cookies["language"].value) == ("", "")


def test_language_is_the_administrators_in_every_browser(save, elsewhere):
    save(language="es")

    response = elsewhere.get("/profile/", headers={"Accept-Language": "en"})
    assert response["Content-Language"] == "es"
    assert 'lang="es"' in response.content.decode()


def test_language_is_the_browsers_otherwise(here):
    response = here.get("/profile/", headers={"Accept-Language": "es-MX,es;q=0.9"})

    assert response["Content-Language"] == "es"


def test_agents_pages_speak_the_browsers_language(client):
    response = client.get("/sso/sign-in", headers={"Accept-Language": "es"})

    assert 'lang="es"' in response.content.decode()
    assert (response["Content-Language"], response["Cache-Control"]) == ("es", "no-store")


def test_agents_pages_do_not_look_up_the_administrator(here, django_assert_num_queries):
    with django_assert_num_queries(0):
        here.get("/sso/sign-in")


def test_times_are_in_the_administrators_zone(save, here, owner):
    save(time_zone="Asia/Tokyo")
    key = factories.PasskeyFactory(user=owner)
    Authenticator.objects.filter(pk=key.pk).update(created_at="2026-03-01T20:30:00Z")

    assert "2 Mar 2026, 05:30" in text_of(here, "/accounts/2fa/webauthn/")


# --- Sessions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def others(elsewhere):
    """The owner's session in another browser: Firefox on Linux, at a documentation address."""
    AdministratorSession.objects.filter(pk=row_of(elsewhere).pk).update(
        agent_header=FIREFOX, address="203.0.113.9"
    )
    return row_of(elsewhere)


def test_profile_lists_the_sessions_this_one_marked(here, others):
    page = text_of(here)

    assert "Firefox on Linux" in page
    assert "203.0.113.9" in page
    assert page.count("This one") == 1
    assert f"/profile/sessions/{row_of(here).pk}/end/" not in page


def test_profile_lists_no_session_that_is_over(here, others):
    AdministratorSession.objects.filter(pk=others.pk).update(last_seen_at=Now() - timedelta(minutes=16))

    assert "Firefox on Linux" not in text_of(here)


def test_session_ends_after_a_question(here, elsewhere, others):
    page = f"/profile/sessions/{others.pk}/end/"
    asked = text_of(here, page)
    still_in = is_in(elsewhere)
    response = here.post(page)

    assert "Sign out Firefox on Linux?" in asked
    assert still_in
    assert (response.status_code, response["Location"]) == (303, "/profile/")
    assert (is_in(here), is_in(elsewhere)) == (True, False)


def test_ended_session_is_recorded(here, others, owner):
    here.post(f"/profile/sessions/{others.pk}/end/")

    event = Event.objects.get(action="administrator.end_sessions")
    assert (event.actor, event.object) == (f"administrator:{owner.email}", f"administrator:{owner.email}")
    assert event.details == {"sessions": 1, "reason": "ended"}


def test_signing_out_everywhere_else_leaves_this_session(here, elsewhere, others, owner, visit_as):
    third = visit_as(owner)

    asked = text_of(here, "/profile/sessions/end-others/")
    here.post("/profile/sessions/end-others/")

    assert "Firefox on Linux, 203.0.113.9" in asked
    assert [is_in(browser) for browser in (here, elsewhere, third)] == [True, False, False]


def test_nothing_to_sign_out_elsewhere_leads_back(here):
    assert here.get("/profile/sessions/end-others/")["Location"] == "/profile/"


def test_session_of_somebody_else_is_missing(here, auditor, visit_as):
    foreign = visit_as(auditor)

    assert here.get(f"/profile/sessions/{row_of(foreign).pk}/end/").status_code == 404
    assert here.post(f"/profile/sessions/{row_of(foreign).pk}/end/").status_code == 404
    assert is_in(foreign)


def test_own_session_is_ended_by_signing_out_alone(here):
    assert here.post(f"/profile/sessions/{row_of(here).pk}/end/").status_code == 404


@pytest.mark.parametrize("path", ["/profile/sessions/{}/end/", "/profile/sessions/end-others/"])
def test_ending_sessions_asks_for_the_second_factor_again(owner, visit_as, elsewhere, others, path):
    stale = visit_as(owner, ago=301)

    for method in (stale.get, stale.post):
        response = method(path.format(others.pk))
        assert (response.status_code, response["Location"].partition("?")[0]) == (
            303,
            "/accounts/2fa/reauthenticate/",
        )
    assert is_in(elsewhere)


def test_sessions_end_by_post_with_a_token_alone(owner, here, others):
    strict = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)
    strict.cookies["administrator"] = here.cookies["administrator"].value

    assert strict.post("/profile/sessions/end-others/").status_code == 403
    assert owner.sessions.count() == 2
