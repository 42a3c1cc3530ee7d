"""Going on with what the bus gave, the legacy token included."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import AgentSession, EndReason
from tests import factories
from tests.tokens.circumstances import STOPPED_AGENTS, STOPPED_GROUPS, name_of
from tests.tokens.dialects.bus.conftest import HOST, assert_refused
from tokens import signing_keys
from tokens.dialects.bus.page import Page, seal
from tokens.models import BusSettings, RefreshToken, TokenFamily

pytestmark = pytest.mark.django_db


# --- Going on --------------------------------------------------------------------------------------------------------


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
