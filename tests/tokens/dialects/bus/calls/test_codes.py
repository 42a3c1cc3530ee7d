"""Codes, and what they are redeemed for."""

from datetime import timedelta

import pytest
from django.db.models import F

from accounts.models import Event, Outcome
from groups.models import AgentSession, EndReason
from tests import factories
from tests.tokens.circumstances import STOPPED_AGENTS, name_of
from tests.tokens.dialects.bus.conftest import HOST, REDIRECT, assert_refused
from tokens.connecting import issue_code
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusCode, TokenFamily

pytestmark = pytest.mark.django_db


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


def test_a_code_that_is_spent_is_told_however_much_was_refused(redeem, code, limit_a_minute):
    limit_a_minute("recorded refusals", 0)
    AgentSession.objects.all().end(EndReason.SIGNED_OUT)

    redeem(code)

    assert BusCode.objects.get().redeemed_at
    assert Event.objects.get(action="bus.redeem_code").details["why"] == "session ended"


@pytest.mark.parametrize("code", ["nonsense", "bc_x", "é"])
def test_an_unknown_code_is_refused(redeem, code):
    assert_refused(redeem(code), 400, "invalid_code")


@pytest.mark.parametrize("body", [{}, {"code": "x"}, {"code": "x", "redirectUrl": ""}])
def test_a_code_without_its_address_is_refused(call, body):
    assert_refused(call("code", body), 400, "missing_field")
