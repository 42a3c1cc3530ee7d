"""Lock-out at a group's door: counted before the password is looked at."""

from contextlib import ExitStack
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db.models import F
from django.db.models.functions import Now

from accounts import lockout
from accounts.alarms import note_failure
from accounts.models import Attempt, Event, FailedSignIn
from groups.models import AgentSession
from groups.signing_in import SignedIn
from groups.standing import unlock
from sso_portal.lib import hashing
from tests import factories
from tests.groups.conftest import WRONG_PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def five_wrong(agent, attempt):
    for _ in range(5):
        attempt(WRONG_PASSWORD)


def test_right_password_after_four_wrong_ones_signs_in(agent, attempt):
    for _ in range(4):
        attempt(WRONG_PASSWORD)

    assert isinstance(attempt(), SignedIn)


def test_right_password_after_five_wrong_ones_is_refused(five_wrong, attempt):
    assert attempt().code == "wrong_credentials"


def test_tries_that_the_gate_sent_away_do_not_count(agent, attempt, monkeypatch):
    with monkeypatch.context() as crowd:
        crowd.setattr(hashing, "GATE_WAIT", 0.0)
        with ExitStack() as others:
            while hashing._gate.acquire(blocking=False):
                others.callback(hashing._gate.release)
            told = [attempt().code for _ in range(6)]

    assert told == ["busy"] * 6
    assert isinstance(attempt(), SignedIn)


def test_fifth_try_still_reaches_the_password(agent, attempt, hashes):
    for _ in range(7):
        attempt(WRONG_PASSWORD)

    assert hashes == ["verify"] * 5 + ["encode"] * 2


def test_locked_name_in_another_spelling_is_locked(five_wrong, attempt):
    assert attempt(username=" ＡLICE ").code == "wrong_credentials"


def test_unlocked_agent_signs_in(five_wrong, agent, attempt, caller):
    unlock(agent, by="test", caller=caller)

    assert isinstance(attempt(), SignedIn)


def test_unlocked_agent_has_five_tries_again(five_wrong, agent, attempt, caller):
    unlock(agent, by="test", caller=caller)
    for _ in range(4):
        attempt(WRONG_PASSWORD)

    assert isinstance(attempt(), SignedIn)


def test_lock_lasts_half_an_hour(five_wrong):
    lasts = Attempt.objects.annotate(lasts=F("locked_until") - Now()).get().lasts

    assert timedelta(minutes=29) < lasts <= timedelta(minutes=30)


def test_lock_ends_by_itself(five_wrong, attempt):
    Attempt.objects.update(locked_until=Now() - timedelta(seconds=1))

    assert isinstance(attempt(), SignedIn)


def test_lock_outlasts_the_window_of_its_failures(five_wrong, attempt):
    Attempt.objects.update(window_ends_at=Now() - timedelta(minutes=10))

    assert attempt().code == "wrong_credentials"


def test_name_whose_lock_ended_has_five_tries_again(five_wrong, attempt):
    Attempt.objects.update(locked_until=Now() - timedelta(seconds=1))
    for _ in range(4):
        attempt(WRONG_PASSWORD)

    assert isinstance(attempt(), SignedIn)


def test_failures_of_a_window_that_passed_are_forgotten(agent, attempt):
    for _ in range(4):
        attempt(WRONG_PASSWORD)
    Attempt.objects.update(window_ends_at=Now() - timedelta(seconds=1))
    attempt(WRONG_PASSWORD)

    assert isinstance(attempt(), SignedIn)


def test_success_starts_the_count_anew(agent, attempt):
    for _ in range(4):
        attempt(WRONG_PASSWORD)
    attempt()
    for _ in range(4):
        attempt(WRONG_PASSWORD)

    assert isinstance(attempt(), SignedIn)


def test_success_leaves_the_count_of_others(group, agent, attempt):
    factories.AgentFactory(group=group, username="bob")
    for _ in range(5):
        attempt(WRONG_PASSWORD, username="bob")
    attempt()

    assert attempt(username="bob").code == "wrong_credentials"


def test_namesake_of_another_group_is_not_locked(five_wrong, other_group, attempt):
    factories.AgentFactory(group=other_group, username="alice")

    assert isinstance(attempt(group=other_group), SignedIn)


def test_unknown_name_is_counted_like_a_known_one(group, attempt):
    for _ in range(6):
        attempt(WRONG_PASSWORD, username="nobody")

    assert Attempt.objects.locked().get().failures == 5


def test_password_that_was_typed_as_the_name_is_not_kept(group, attempt):
    attempt(WRONG_PASSWORD, username="Correct horse 7")
    attempt(WRONG_PASSWORD, username=" correct HORSE 7")

    kept = Attempt.objects.values().get()
    assert kept["failures"] == 2
    assert "horse" not in str(kept)


def test_upgrade_forgets_names_of_nobody_and_keeps_locks(group, other_group, agent, owner, lock):
    lock(agent)
    until = {"window_ends_at": Now(), "locked_until": Now() + timedelta(minutes=30)}
    kept = [
        ("main", owner.email),
        (f"group:{group.pk}:factor", "whoever"),
        ("sign_in.many_names", "192.0.2.1"),
    ]
    forgotten = [("main", "secret"), (group.door, "secret"), (other_group.door, agent.username_key)]
    Attempt.objects.bulk_create(Attempt(door=door, name=name, **until) for door, name in kept + forgotten)

    import_module("groups.migrations.0012_forget_typed_names").forget_typed_names(apps, None)

    left = Attempt.objects.values_list("door", "name")
    assert set(left) == {(group.door, agent.username_key), *kept}


def test_running_session_outlives_a_lock_out(agent, attempt):
    attempt()
    for _ in range(6):
        attempt(WRONG_PASSWORD)

    assert AgentSession.objects.live().count() == 1


def test_lock_out_goes_on_when_rate_limits_are_off(five_wrong, attempt, settings):
    settings.RATE_LIMITS = False

    assert attempt().code == "wrong_credentials"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_48_guesses_at_once_reach_the_password_five_times(at_once):
    passed = at_once(48, lambda: lockout.may_try(door="group:21", name="alice"))

    assert (len(passed), sum(passed)) == (48, 5)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_many_names_at_once_raise_one_alarm(at_once, caller, settings):
    settings.MANY_NAMES = 3
    before = {"address": caller.address_text, "door": "group:21"}
    FailedSignIn.objects.bulk_create(FailedSignIn(**before, name=name) for name in "abc")

    at_once(8, lambda: note_failure(door="group:21", name="dan", caller=caller))

    assert Event.objects.filter(action="sign_in.many_names").count() == 1
