"""What the page's script asks (wire.md, section 5): who may ask, signing in, renewing, signing out."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Agent, AgentFactor, AgentSession, AgentStatus, EndReason, Group
from sso_portal.lib.encryption import encrypt
from tests import factories
from tests.tokens.circumstances import STOPPED_AGENTS, STOPPED_GROUPS, name_of
from tests.tokens.dialects.bus.conftest import HOST, REDIRECT, assert_refused
from tokens import signing_keys
from tokens.connecting import issue_code
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusAddress, BusCode, BusSettings, RefreshToken, TokenFamily

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


# --- Registering -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["", "https://evil.example", "https://host.example/", HOST.upper(), "*", "null"]
)
def test_an_unregistered_origin_is_refused(call, origin):
    assert_refused(call("register", {"origin": origin}), 403, "origin_not_registered")


@pytest.mark.parametrize(
    "body", [{"origin": 7}, {"origin": HOST, "appName": "a\0"}, {"origin": HOST, "release": []}]
)
def test_a_registration_that_cannot_be_read_is_refused(call, body):
    assert_refused(call("register", body), 400, "invalid_field")


def test_registering_without_a_session_tells_of_nobody(call):
    response = call("register", {"origin": HOST, "appName": "Dialer", "release": "1.2"})

    assert response.status_code == 200
    assert response.json()["currentUser"] is None


def test_registering_where_the_cookie_arrives_tells_who_is_signed_in(
    call, session, alices_secret, agent, entitlement
):
    response = call("register", {"origin": HOST}, cookie=alices_secret)

    assert response.json()["currentUser"]["id"] == agent.subject
    assert not TokenFamily.objects.exists()


def test_an_idle_session_is_not_restored(call, session, alices_secret):
    AgentSession.objects.update(idle_at=timezone.now() - timedelta(seconds=1))

    assert call("register", {"origin": HOST}, cookie=alices_secret).json()["currentUser"] is None
    assert_refused(call("session", cookie=alices_secret), 403, "login_required")


def test_a_session_of_another_group_is_not_restored(call, other_group):
    factories.AgentSessionFactory(agent=factories.AgentFactory(group=other_group), secret="as_other")

    assert call("register", {"origin": HOST}, cookie="as_other").json()["currentUser"] is None
    assert_refused(call("session", cookie="as_other"), 403, "login_required")


def test_a_restored_session_goes_on_over_the_bus(call, session, alices_secret, agent):
    answer = call("session", cookie=alices_secret)

    assert answer.status_code == 200
    assert answer.json()["currentUser"]["username"] == "alice"
    assert TokenFamily.objects.get().session == session
    event = Event.objects.get(action="bus.connect")
    assert (event.agent, event.object, event.details["app"]) == (agent.subject, session.sid, "Dialer 1.2")


def test_restoring_again_and_again_is_stopped(call, session, alices_secret, limit_a_minute):
    limit_a_minute("bus", 2)
    answers = [call("session", cookie=alices_secret) for _ in range(3)]

    assert_refused(answers[-1], 429, "too_many_requests")
    assert answers[-1]["Retry-After"] == "60"


# --- Signing in ------------------------------------------------------------------------------------------------------


def test_sign_in_answers_exactly_what_was_promised(sign_in, agent, group):
    answer = sign_in().json()

    assert answer.keys() == {"credentials", "currentUser", "company", "expiresIn", "endsIn"}
    assert answer["credentials"].keys() == {"idToken", "refreshToken"}
    assert answer["currentUser"] == {
        "id": agent.subject,
        "username": "alice",
        "name": "Alice Ames",
        "email": None,
        "groupId": group.pk,
        "clients": ["demoaws"],
    }
    assert answer["company"] == {"id": group.pk, "code": "northwind", "name": "Northwind"}
    assert (answer["expiresIn"], answer["endsIn"]) == (900, 12 * 3600)


def test_id_token_is_signed_and_says_who_signed_in_how(sign_in, agent, group):
    now = timezone.now().timestamp()

    answer = sign_in().json()

    claims = signing_keys.read(answer["credentials"]["idToken"])
    family = TokenFamily.objects.get()
    assert claims["iss"] == settings.PORTAL_URL
    assert (claims["sub"], claims["aud"], claims["sid"]) == (agent.subject, f"bus:{group.pk}", family.sid)
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - now) < 30
    assert abs(claims["auth_time"] - now) < 30
    assert claims["amr"] == ["pwd"]
    assert answer["currentUser"].items() <= claims.items()


def test_clients_that_the_agent_may_not_enter_now_are_not_told(sign_in, group):
    factories.EntitlementFactory(group=group, client=factories.ClientFactory(is_paused=True))
    factories.EntitlementFactory(
        group=group, client=factories.ClientFactory(subdomain="zeta", name="A first")
    )

    assert sign_in().json()["currentUser"]["clients"] == ["zeta", "demoaws"]


def test_sign_in_begins_a_session_that_no_cookie_holds(sign_in, agent):
    response = sign_in()

    session = AgentSession.objects.get(agent=agent)
    assert not response.cookies
    assert TokenFamily.objects.get().session == session
    assert not session.has_cookie
    assert session.idle_at == session.ends_at
    assert abs(session.ends_at - TokenFamily.objects.get().ends_at) < timedelta(seconds=1)


def test_sign_in_is_written_down(sign_in, agent):
    sign_in()

    actions = Event.objects.order_by("pk").values_list("action", "outcome", "door", "agent")
    assert list(actions) == [
        ("agent.sign_in", Outcome.OK, "bus", agent.subject),
        ("bus.connect", Outcome.OK, "bus", agent.subject),
    ]


def test_only_digests_are_kept(sign_in):
    given = sign_in().json()["credentials"]["refreshToken"]

    assert given.startswith("rt_")
    assert not RefreshToken.objects.filter(digest=given).exists()


@pytest.mark.parametrize(
    "typed", ["ALICE@northwind.example", "alice@northwind.example", " alice@northwind.example "]
)
def test_an_email_signs_in_whom_it_names(sign_in, agent, typed):
    Agent.objects.update(email="alice@northwind.example")

    assert sign_in(typed).json()["currentUser"]["id"] == agent.subject


def test_an_email_of_two_agents_signs_in_neither(sign_in, group, agent):
    Agent.objects.update(email="desk@northwind.example")
    factories.AgentFactory(group=group, email="Desk@northwind.example")

    assert_refused(sign_in("desk@northwind.example"), 403, "wrong_credentials")


def test_an_email_in_another_group_signs_in_nobody(sign_in, other_group):
    factories.AgentFactory(group=other_group, email="bob@southgate.example")

    assert_refused(sign_in("bob@southgate.example"), 403, "wrong_credentials")


def test_a_username_that_is_anothers_email_goes_first(sign_in, group, agent):
    Agent.objects.filter(pk=agent.pk).update(email="bob@northwind.example")
    bob = factories.AgentFactory(group=group, username="bob@northwind.example")

    assert sign_in("bob@northwind.example").json()["currentUser"]["id"] == bob.subject


def test_wrong_passwords_by_email_and_by_name_lock_one_name(sign_in, agent):
    Agent.objects.update(email="alice@northwind.example")
    for number in range(settings.LOCKOUT_FAILURES):
        sign_in("alice@northwind.example" if number % 2 else "alice", "wrong")

    assert_refused(sign_in(), 403, "wrong_credentials")
    assert_refused(sign_in("alice@northwind.example"), 403, "wrong_credentials")


def test_every_wrong_sign_in_gets_one_answer(sign_in, agent, group, hashes):
    for status in (AgentStatus.DISABLED, AgentStatus.SUSPENDED):
        factories.AgentFactory(group=group, username=status.value, status=status)
    answers = [
        sign_in("alice", "wrong"),
        sign_in("nobody"),
        sign_in("nobody@northwind.example"),
        sign_in("disabled"),
        sign_in("suspended"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert len(hashes) == len(answers)


def test_wrong_sign_in_is_written_down_with_its_reason(sign_in, agent):
    sign_in(password="wrong")

    event = Event.objects.get()
    assert (event.action, event.reason, event.details["why"]) == (
        "agent.sign_in",
        "wrong_credentials",
        "wrong",
    )


def test_many_sign_ins_of_one_address_are_stopped(sign_in, hashes, limit_a_minute):
    limit_a_minute("sign-in address", 2)
    answers = [sign_in(f"nobody{number}", "x") for number in range(3)]

    assert_refused(answers[-1], 429, "too_many_requests")
    assert len(hashes) == 2


def test_sign_in_from_outside_the_groups_networks_is_refused(sign_in, hashes):
    Group.objects.update(agent_networks=["198.51.100.0/24"])

    assert_refused(sign_in(), 403, "outside_networks")
    assert not hashes


def test_an_agent_with_a_second_factor_goes_to_the_portals_page(sign_in, agent):
    AgentFactor.objects.create(agent=agent, secret=encrypt(factories.TOTP_SECRET))

    assert_refused(sign_in(), 403, "interaction_required")
    assert not AgentSession.objects.exists()


@pytest.mark.parametrize("change", [{"needs_second_factor": True}], ids=str)
def test_an_agent_whose_group_needs_a_factor_goes_to_the_portals_page(sign_in, change):
    Group.objects.update(**change)

    assert_refused(sign_in(), 403, "interaction_required")


def test_an_agent_who_must_choose_a_password_goes_to_the_portals_page(sign_in, agent):
    Agent.objects.update(must_choose_password=True)

    assert_refused(sign_in(), 403, "interaction_required")
    assert not AgentSession.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"email": "alice"}, "missing_field"),
        ({"email": "alice", "password": ""}, "missing_field"),
        ({"email": "alice", "password": 7}, "missing_field"),
        ({"email": ["alice"], "password": "x"}, "invalid_field"),
        ({"email": "a" * 255, "password": "x"}, "invalid_field"),
        ({"email": "al\u202eice", "password": "x"}, "invalid_field"),
        ({"email": "alice", "password": "x" * 4097}, "invalid_field"),
    ],
)
def test_a_sign_in_that_cannot_be_read_is_refused(call, body, code):
    assert_refused(call("sign-in", body), 400, code)


def test_signing_in_again_ends_what_the_host_had(sign_in):
    first = sign_in().json()["credentials"]["refreshToken"]

    sign_in(replaces=first)

    old, new = TokenFamily.objects.order_by("pk")
    old.session.refresh_from_db()
    assert (old.end_reason, old.session.end_reason) == ("signed_out", EndReason.SWITCHED)
    assert (new.revoked_at, new.session.ended_at) == (None, None)


def test_signing_in_where_the_browser_is_signed_in_leaves_its_session(call, sign_in, session, alices_secret):
    restored = call("session", cookie=alices_secret).json()["credentials"]["refreshToken"]

    sign_in(replaces=restored)

    session.refresh_from_db()
    assert session.ended_at is None


# --- Codes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def code(session, caller, host) -> str:
    """A code that waits to be redeemed."""
    row = AgentSession.objects.select_related("agent__group").get(pk=session.pk)
    return issue_code(row, redirect_url=REDIRECT, caller=caller)


@pytest.fixture
def redeem(call):
    return lambda code, redirect=REDIRECT, **more: call(
        "code", {"code": code, "redirectUrl": redirect} | more
    )


def test_a_code_is_exchanged_for_what_its_session_goes_on_with(redeem, code, agent, session):
    answer = redeem(code).json()

    assert answer["currentUser"]["id"] == agent.subject
    assert answer["credentials"].keys() == {"idToken", "refreshToken"}
    assert TokenFamily.objects.get().session == session
    assert Event.objects.get(action="bus.redeem_code").outcome == Outcome.OK


def test_a_code_works_once(redeem, code):
    redeem(code)

    assert_refused(redeem(code), 400, "invalid_code")
    assert TokenFamily.objects.count() == 1
    event = Event.objects.get(action="bus.redeem_code", outcome=Outcome.REFUSED)
    assert event.details["why"] == "already used"


def test_a_code_shown_again_ends_what_it_gave_and_nothing_else(call, redeem, code, session, caller):
    other = issue_code(session, redirect_url=REDIRECT, caller=caller)
    given, kept = (redeem(each).json()["credentials"]["refreshToken"] for each in (code, other))

    for _ in range(2):
        redeem(code)

    assert_refused(call("refresh", {"refreshToken": given}), 400, "invalid_grant")
    assert call("refresh", {"refreshToken": kept}).status_code == 200
    event = Event.objects.get(action="login.revoke")
    assert (event.actor, event.agent, event.details) == ("bus", session.agent.subject, {"why": "reused"})


@pytest.mark.parametrize("redirect", [REDIRECT, f"{REDIRECT}/"])
def test_a_code_shown_again_later_or_elsewhere_ends_what_it_gave(redeem, code, redirect):
    redeem(code)
    BusCode.objects.update(expires_at=F("expires_at") - timedelta(seconds=60))

    assert_refused(redeem(code, redirect), 400, "invalid_code")

    assert TokenFamily.objects.get().end_reason == "reused"


def test_a_used_code_shown_to_another_group_ends_nothing(call, redeem, code, other_group):
    redeem(code)
    factories.BusAddressFactory(group=other_group, address=HOST)
    elsewhere = {"X-Bus-Page": seal(Page(other_group.pk, HOST))}

    answer = call("code", {"code": code, "redirectUrl": REDIRECT}, headers=elsewhere)

    assert_refused(answer, 400, "invalid_code")
    assert TokenFamily.objects.get().revoked_at is None


def test_a_code_of_another_address_is_refused_and_stays_good(redeem, code, group):
    factories.BusAddressFactory(group=group, use="redirect", address=f"{REDIRECT}/")

    assert_refused(redeem(code, f"{REDIRECT}/"), 400, "invalid_code")
    assert redeem(code).status_code == 200


def test_a_code_of_another_group_is_unknown_and_stays_good(call, redeem, code, other_group):
    factories.BusAddressFactory(group=other_group, address=HOST)
    elsewhere = {"X-Bus-Page": seal(Page(other_group.pk, HOST))}

    answer = call("code", {"code": code, "redirectUrl": REDIRECT}, headers=elsewhere)

    assert_refused(answer, 400, "invalid_code")
    assert Event.objects.get(outcome=Outcome.REFUSED).agent == ""
    assert redeem(code).status_code == 200


def test_a_code_ends_after_a_minute(redeem, code):
    BusCode.objects.update(expires_at=F("expires_at") - timedelta(seconds=60))

    assert_refused(redeem(code), 400, "invalid_code")
    assert Event.objects.get(action="bus.redeem_code").details["why"] == "expired"


@pytest.mark.parametrize("stop", STOPPED_AGENTS, ids=name_of)
def test_a_code_of_an_agent_who_was_stopped_is_refused(redeem, code, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_refused(redeem(code), 400, "invalid_code")
    assert Event.objects.get(action="bus.redeem_code").details["why"] == stop.why


def test_a_code_of_a_session_that_ended_is_refused(redeem, code):
    AgentSession.objects.all().end(EndReason.SIGNED_OUT)

    assert_refused(redeem(code), 400, "invalid_code")


@pytest.mark.parametrize("code", ["nonsense", "bc_x", "é"])
def test_an_unknown_code_is_refused(redeem, code):
    assert_refused(redeem(code), 400, "invalid_code")


@pytest.mark.parametrize("body", [{}, {"code": "x"}, {"code": "x", "redirectUrl": ""}])
def test_a_code_without_its_address_is_refused(call, body):
    assert_refused(call("code", body), 400, "missing_field")


# --- Going on --------------------------------------------------------------------------------------------------------


@pytest.fixture
def refresh(call):
    return lambda token, **more: call("refresh", {"refreshToken": token}, **more)


@pytest.fixture
def given(sign_in) -> str:
    """Alice's refresh token."""
    return sign_in().json()["credentials"]["refreshToken"]


def test_a_refresh_token_is_exchanged_for_the_next(refresh, given, agent):
    answer = refresh(given).json()

    assert answer["credentials"]["refreshToken"] != given
    assert signing_keys.read(answer["credentials"]["idToken"])["sub"] == agent.subject
    assert 12 * 3600 - 30 < answer["endsIn"] <= 12 * 3600
    assert Event.objects.get(action="login.refresh").outcome == Outcome.OK


def test_a_refresh_token_used_twice_ends_its_family(refresh, given):
    following = refresh(given).json()["credentials"]["refreshToken"]

    assert_refused(refresh(given), 400, "invalid_grant")
    assert_refused(refresh(following), 400, "invalid_grant")
    assert TokenFamily.objects.get().end_reason == "reused"


def test_refreshing_prolongs_nothing(refresh, given):
    TokenFamily.objects.update(ends_at=timezone.now() + timedelta(seconds=300))

    answer = refresh(given).json()

    assert answer["expiresIn"] <= answer["endsIn"] <= 300
    TokenFamily.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert_refused(refresh(answer["credentials"]["refreshToken"]), 400, "invalid_grant")


def test_refreshing_notes_that_the_session_is_in_use_and_prolongs_it_no_bit(refresh, given):
    long_ago = timezone.now() - timedelta(hours=1)
    AgentSession.objects.update(last_seen_at=long_ago)
    before = AgentSession.objects.get()

    refresh(given)

    after = AgentSession.objects.get()
    assert after.last_seen_at > long_ago
    assert (after.idle_at, after.ends_at) == (before.idle_at, before.ends_at)


@pytest.mark.parametrize("stop", STOPPED_AGENTS, ids=name_of)
def test_an_agent_who_was_stopped_goes_on_no_longer(refresh, given, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_refused(refresh(given), 400, "invalid_grant")


@pytest.mark.parametrize("stop", STOPPED_GROUPS, ids=name_of)
def test_agents_of_a_group_that_was_stopped_go_on_no_longer(refresh, given, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_refused(refresh(given), 404, "unknown_group")


def test_an_agent_whose_session_ended_goes_on_no_longer(refresh, given):
    AgentSession.objects.all().end(EndReason.ENDED)

    assert_refused(refresh(given), 400, "invalid_grant")


def test_a_refresh_token_is_worth_nothing_on_another_groups_page(refresh, given, other_group):
    factories.BusAddressFactory(group=other_group, address=HOST)

    elsewhere = refresh(given, headers={"X-Bus-Page": seal(Page(other_group.pk, HOST))})

    assert_refused(elsewhere, 400, "invalid_grant")
    assert refresh(given).status_code == 200


def test_a_relying_partys_refresh_token_is_worth_nothing_here(refresh, given, relying_party, client_company):
    TokenFamily.objects.update(relying_party=relying_party, client=client_company)

    assert_refused(refresh(given), 400, "invalid_grant")


@pytest.mark.parametrize("hours", [1, 12, 90 * 24])
def test_a_group_chooses_how_long_its_agents_go_on(sign_in, group, hours):
    BusSettings.objects.create(group=group, refresh_hours=hours)

    assert sign_in().json()["endsIn"] == hours * 3600


# --- The legacy token ------------------------------------------------------------------------------------------------


@pytest.fixture
def legacy(group) -> BusSettings:
    return BusSettings.objects.create(group=group, gives_legacy_token=True, legacy_days=30)


def test_a_legacy_token_is_all_that_is_given(legacy, sign_in):
    answer = sign_in().json()

    assert answer["credentials"].keys() == {"legacy_token"}
    assert answer["credentials"]["legacy_token"].startswith("at_")
    assert answer["expiresIn"] == answer["endsIn"] == 30 * 24 * 3600
    assert not RefreshToken.objects.exists()
    assert Event.objects.get(action="bus.connect").details["legacy_token"] is True


def test_a_legacy_token_ends_with_the_log_out(legacy, sign_in, call, client):
    token = sign_in().json()["credentials"]["legacy_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/bus/me", headers=bearer).status_code == 200

    call("sign-out", {"token": token})

    assert client.get("/bus/me", headers=bearer).status_code == 401


# --- Signing out -----------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_family_and_its_session(call, given, refresh):
    assert call("sign-out", {"token": given}).json() == {}

    assert AgentSession.objects.get().end_reason == EndReason.SIGNED_OUT
    assert TokenFamily.objects.get().end_reason == "signed_out"
    assert_refused(refresh(given), 400, "invalid_grant")
    assert Event.objects.filter(action="agent.sign_out").count() == 1


def test_signing_out_with_a_token_that_was_renewed_since_works(call, given, refresh):
    refresh(given)

    call("sign-out", {"token": given})

    assert TokenFamily.objects.get().end_reason == "signed_out"


def test_signing_out_ends_the_session_that_the_browser_carries(call, session, alices_secret):
    call("sign-out", cookie=alices_secret)

    session.refresh_from_db()
    assert session.end_reason == EndReason.SIGNED_OUT


@pytest.mark.parametrize("token", ["", "rt_unknown", "at_unknown", "x"])
def test_signing_out_nobody_is_answered_all_the_same(call, token):
    assert call("sign-out", {"token": token}).status_code == 200


def test_signing_out_on_another_groups_page_ends_nothing(call, given, other_group):
    factories.BusAddressFactory(group=other_group, address=HOST)

    call("sign-out", {"token": given}, headers={"X-Bus-Page": seal(Page(other_group.pk, HOST))})

    assert TokenFamily.objects.get().revoked_at is None


# --- GET /bus/me -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ask_me(client):
    return lambda authorization: client.get("/bus/me", headers={"Authorization": authorization})


def test_a_server_learns_who_an_id_token_is_of(ask_me, sign_in, agent, group):
    answer = sign_in().json()

    response = ask_me(f"Bearer {answer['credentials']['idToken']}")

    assert response.json() == {"currentUser": answer["currentUser"], "company": answer["company"]}


@pytest.mark.parametrize("stop", STOPPED_AGENTS + STOPPED_GROUPS, ids=name_of)
def test_an_id_token_of_who_was_stopped_is_worth_nothing(ask_me, sign_in, agent, entitlement, stop):
    token = sign_in().json()["credentials"]["idToken"]
    stop.act(agent, entitlement)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")


def test_an_id_token_ends_with_its_session(ask_me, sign_in):
    token = sign_in().json()["credentials"]["idToken"]
    AgentSession.objects.all().end(EndReason.ENDED)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")


def test_an_id_token_ends_when_it_says(ask_me, sign_in):
    token = sign_in().json()["credentials"]["idToken"]
    claims = signing_keys.read(token)

    late = signing_keys.sign(claims | {"exp": claims["iat"] - 1})

    assert_refused(ask_me(f"Bearer {late}"), 401, "unauthorized")


@pytest.mark.parametrize(
    "change", [{"aud": "bus:0"}, {"aud": "rp_x"}, {"jti": "x"}, {"jti": None}, {"iss": "x"}]
)
def test_another_token_of_the_portals_is_worth_nothing(ask_me, sign_in, change):
    claims = signing_keys.read(sign_in().json()["credentials"]["idToken"])

    assert_refused(ask_me(f"Bearer {signing_keys.sign(claims | change)}"), 401, "unauthorized")


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "Bearer at_x", "Bearer é"]
)
def test_without_a_token_nothing_is_told(ask_me, shown):
    response = ask_me(shown.encode().decode("latin-1"))

    assert_refused(response, 401, "unauthorized")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_relying_partys_access_token_is_worth_nothing_here(
    ask_me, sign_in, relying_party, client_company, legacy
):
    token = sign_in().json()["credentials"]["legacy_token"]
    TokenFamily.objects.update(relying_party=relying_party, client=client_company)

    assert_refused(ask_me(f"Bearer {token}"), 401, "unauthorized")


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
