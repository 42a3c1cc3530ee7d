"""Who may call the message bus, how often, and what it costs."""

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from accounts.models import Event
from groups.models import AgentFactor, AgentSession, Group
from sso_portal.lib.encryption import encrypt
from tests import factories
from tests.tokens.dialects.bus.conftest import HOST, REDIRECT, assert_refused
from tokens.connecting import issue_code
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusAddress, BusSettings, TokenFamily

pytestmark = pytest.mark.django_db


CALLS = ["register", "sign-in", "code", "session", "refresh", "sign-out"]


# --- Who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": HOST},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"X-Bus-Page": None},
        {"X-Bus-Page": "forged"},
    ],
    ids=str,
)
def test_nobody_asks_but_the_pages_own_script(call, session, alices_secret, what, headers):
    assert_refused(
        call(what, {"origin": HOST}, headers=headers, cookie=alices_secret), 403, "foreign_request"
    )
    assert not TokenFamily.objects.exists()


def test_a_browser_without_fetch_metadata_may_ask(call, agent):
    assert call("register", {"origin": HOST}, headers={"Sec-Fetch-Site": None}).status_code == 200


@pytest.mark.parametrize("what", CALLS[1:])
def test_nothing_is_answered_before_a_host_registered(call, group, what):
    assert_refused(call(what, headers={"X-Bus-Page": seal(Page(group.pk))}), 403, "foreign_request")


@pytest.mark.parametrize("what", CALLS)
def test_an_origin_that_was_removed_gets_nothing_from_the_next_call_on(call, agent, what):
    BusAddress.objects.all().delete()

    body = {"origin": HOST, "email": "alice", "password": factories.PASSWORD}
    assert_refused(call(what, body), 403, "origin_not_registered")


@pytest.mark.parametrize("what", CALLS)
def test_an_inactive_group_has_no_bus(call, what):
    Group.objects.update(is_active=False)

    assert_refused(call(what, {"origin": HOST}), 404, "unknown_group")


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b'"x"', b'{"a":' * 30 + b"1" + b"}" * 30],
)
def test_a_body_that_is_no_json_object_is_refused(call, what, body):
    assert_refused(call(what, body), 400, "invalid_json")


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(call, what, method):
    assert_refused(call(what, method=method), 405, "method_not_allowed")


@pytest.mark.parametrize("path", ["nothing", "sign-in/x", "", "register/../x"])
def test_other_addresses_are_missing(call, path):
    assert_refused(call(path), 404, "not_found")


def test_a_trailing_slash_is_tolerated(call):
    assert call("register/", {"origin": HOST}).status_code == 200


def test_no_answer_lets_another_site_read_it(call):
    response = call("register", {"origin": HOST}, headers={"Origin": HOST})

    assert not [name for name in response.headers if name.startswith("Access-Control-")]


# --- What it costs ---------------------------------------------------------------------------------------------------


def statements_of(send) -> list[str]:
    with CaptureQueriesContext(connection) as statements:
        assert send().status_code == 200
    sent = [query["sql"].split()[0].upper() for query in statements.captured_queries]
    return [word for word in sent if word not in ("SAVEPOINT", "RELEASE")]


def test_a_refresh_is_one_round_of_selects_and_one_transaction(refresh, given):
    sent = statements_of(lambda: refresh(given))

    assert sent.count("SELECT") <= 6
    assert sent.count("INSERT") == 4  # one of them the first tally of this minute


def test_more_entitlements_cost_no_more(sign_in, group, still_clock):
    sign_in()  # the first ever also makes the key that signs
    few = statements_of(sign_in)
    for _ in range(20):
        factories.EntitlementFactory(group=group)

    assert len(statements_of(sign_in)) == len(few)


# --- Hostile, stricter, too often ------------------------------------------------------------------------------------


def test_a_password_with_half_a_character_is_refused(call, agent):
    body = b'{"email": "alice", "password": "\\ud800abc"}'

    assert_refused(call("sign-in", body), 400, "invalid_field")


def test_a_browsers_session_that_is_never_idle_is_not_ended_by_the_next_code(call, session, agent, caller):
    AgentSession.objects.update(idle_at=F("ends_at"))
    codes = [issue_code(session, redirect_url=REDIRECT, caller=caller) for _ in range(2)]
    first = call("code", {"code": codes[0], "redirectUrl": REDIRECT}).json()["credentials"]["refreshToken"]

    second = call("code", {"code": codes[1], "redirectUrl": REDIRECT, "replaces": first})

    assert second.status_code == 200
    assert AgentSession.objects.get().ended_at is None


def test_a_code_never_ends_its_own_session(call, session, agent, caller):
    AgentSession.objects.update(has_cookie=False)
    codes = [issue_code(session, redirect_url=REDIRECT, caller=caller) for _ in range(2)]
    first = call("code", {"code": codes[0], "redirectUrl": REDIRECT}).json()["credentials"]["refreshToken"]

    call("code", {"code": codes[1], "redirectUrl": REDIRECT, "replaces": first})

    assert AgentSession.objects.get().ended_at is None


def test_signing_in_again_leaves_the_browsers_session_its_place(sign_in, session, group):
    Group.objects.update(sessions_per_agent=2)
    given = sign_in().json()["credentials"]["refreshToken"]

    for _ in range(2):
        given = sign_in(replaces=given).json()["credentials"]["refreshToken"]

    assert AgentSession.objects.get(pk=session.pk).ended_at is None
    assert AgentSession.objects.filter(ended_at=None).count() == 2


def test_a_second_factor_that_is_demanded_since_ends_what_was_given(refresh, given):
    Group.objects.update(needs_second_factor=True)

    assert_refused(refresh(given), 400, "invalid_grant")
    assert Event.objects.filter(action="login.refresh").latest("pk").details["why"] == "second factor missing"


def test_a_second_factor_that_the_agent_set_up_since_ends_what_was_given(refresh, given, agent):
    AgentFactor.objects.create(agent=agent, secret=encrypt("A" * 32), last_counter=0)

    assert_refused(refresh(given), 400, "invalid_grant")


def test_what_began_with_a_second_factor_goes_on(call, refresh, session, group, caller, entitlement):
    AgentSession.objects.update(methods=["pwd", "mfa"])
    session.refresh_from_db()
    code = issue_code(session, redirect_url=REDIRECT, caller=caller)
    given = call("code", {"code": code, "redirectUrl": REDIRECT}).json()["credentials"]["refreshToken"]
    Group.objects.update(needs_second_factor=True)

    assert refresh(given).status_code == 200


def test_a_group_of_the_card_industry_gives_no_legacy_token(call, session, group, caller, entitlement):
    BusSettings.objects.create(group=group, gives_legacy_token=True)
    AgentSession.objects.update(methods=["pwd", "mfa"])
    Group.objects.update(password_profile="pci", needs_second_factor=True, idle_minutes=15)
    code = issue_code(session, redirect_url=REDIRECT, caller=caller)

    credentials = call("code", {"code": code, "redirectUrl": REDIRECT}).json()["credentials"]

    assert credentials.keys() == {"idToken", "refreshToken"}


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("code", {"code": "bc_x", "redirectUrl": REDIRECT}),
        ("refresh", {"refreshToken": "rt_x"}),
        ("register", {"origin": "https://evil.example"}),
    ],
)
def test_guesses_have_an_end(call, group, limit_a_minute, what, body):
    limit_a_minute("refused credentials", 2)

    statuses = [call(what, body).status_code for _ in range(3)]

    assert statuses[0] == statuses[1] != 429
    assert statuses[2] == 429


def test_a_sign_in_is_renewed_only_so_often_a_minute(refresh, given, settings, limit_a_minute):
    limit_a_minute("bus", 1)
    following = refresh(given).json()["credentials"]["refreshToken"]

    response = refresh(following)

    assert_refused(response, 429, "too_many_requests")
    assert response.headers["Retry-After"] == "60"
    settings.RATE_LIMITS = False
    assert refresh(following).status_code == 200
