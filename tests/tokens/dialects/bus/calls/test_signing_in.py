"""Signing in through the bus, and out of it."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Agent, AgentFactor, AgentSession, AgentStatus, EndReason, Group
from sso_portal.lib.encryption import encrypt
from tests import factories
from tests.tokens.dialects.bus.conftest import HOST, assert_refused
from tokens import signing_keys
from tokens.dialects.bus.page import Page, seal
from tokens.models import RefreshToken, TokenFamily

pytestmark = pytest.mark.django_db


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
