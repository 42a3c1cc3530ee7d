"""The management commands `cleanup` and `count_tokens`."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AdministratorSession, Attempt, Event, Release, Tally
from accounts.releasing import release_old_days
from groups import models as groups
from tests import factories
from tests.accounts.sealed import days_ago, seal_until
from tests.tokens.circumstances import age
from tests.tokens.commands import run
from tokens.management.commands import cleanup
from tokens.models import LoginToken

pytestmark = pytest.mark.django_db

# --- cleanup ---------------------------------------------------------------------------------------------------------

LONG_AGO = timedelta(days=31)


@pytest.fixture
def old_token(issued) -> LoginToken:
    age(issued.token, LONG_AGO)
    return issued.token


def test_cleanup_deletes_tokens_after_thirty_days(old_token, issue_to_alice):
    young = issue_to_alice().token

    run("cleanup")

    assert list(LoginToken.objects.all()) == [young]


def test_cleanup_keeps_tokens_of_twenty_nine_days(issued):
    age(issued.token, timedelta(days=29))

    run("cleanup")

    assert LoginToken.objects.exists()


def test_cleanup_deletes_every_batch(issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for _ in range(5):
        age(issue_to_alice().token, LONG_AGO)

    out = run("cleanup")

    assert not LoginToken.objects.exists()
    assert "5 login tokens deleted" in out


def test_cleanup_deletes_sessions_that_ended_thirty_days_ago(session, agent):
    old = factories.AgentSessionFactory(agent=agent)
    long_ago = timezone.now() - LONG_AGO
    groups.AgentSession.objects.filter(pk=old.pk).update(
        started_at=long_ago - timedelta(hours=9), ends_at=long_ago
    )

    run("cleanup")

    assert list(groups.AgentSession.objects.all()) == [session]


def test_cleanup_deletes_counters_that_no_longer_count():
    now = timezone.now()
    for name, hours in (("old", -25), ("new", 1)):
        Attempt.objects.create(door="main", name=name, window_ends_at=now + timedelta(hours=hours))
        Tally.objects.create(limit="x", who=name, minute=now + timedelta(hours=hours - 1))

    run("cleanup")

    assert [attempt.name for attempt in Attempt.objects.all()] == ["new"]
    assert [tally.who for tally in Tally.objects.all()] == ["new"]


def test_cleanup_keeps_a_name_locked_for_longer_than_its_window():
    now = timezone.now()
    Attempt.objects.create(
        door="main",
        name="x",
        failures=5,
        window_ends_at=now - timedelta(days=2),
        locked_until=now + timedelta(hours=1),
    )

    run("cleanup")

    assert Attempt.objects.locked().exists()


def test_cleanup_deletes_administrators_sessions_that_are_over():
    now = timezone.now()
    for digest, started, seen in (("over", 9, 0), ("idle", 1, 1), ("live", 1, 0)):
        AdministratorSession.objects.create(
            digest=digest,
            started_at=now - timedelta(hours=started),
            ends_at=now + timedelta(hours=8 - started),
            last_seen_at=now - timedelta(hours=seen),
        )

    run("cleanup")

    assert [session.digest for session in AdministratorSession.objects.all()] == ["live"]


@pytest.fixture
def imported(group):
    """An import of agents that was uploaded some days ago."""

    def imported(*, days: float, **fields) -> groups.AgentImport:
        content = {"group": group, "kind": "agents", "content": b"username", "uploaded_by": "x"}
        uploaded = groups.AgentImport.objects.create(**content | fields)
        groups.AgentImport.objects.filter(pk=uploaded.pk).update(
            created_at=timezone.now() - timedelta(days=days)
        )
        return uploaded

    return imported


def test_cleanup_deletes_imports_after_thirty_days(imported):
    imported(days=31)
    young = imported(days=29)

    run("cleanup")

    assert list(groups.AgentImport.objects.all()) == [young]


def test_cleanup_drops_files_that_nobody_applied_within_a_day(imported):
    imported(days=0.9)
    imported(days=1.1, state="checked")

    run("cleanup")

    files = groups.AgentImport.objects.order_by("pk").values_list("content", flat=True)
    assert [bytes(file) for file in files] == [b"username", b""]


def test_cleanup_deletes_no_event(old_token):
    before = set(Event.objects.values_list("pk", flat=True))

    run("cleanup")

    assert before <= set(Event.objects.values_list("pk", flat=True))


# --- count_tokens ----------------------------------------------------------------------------------------------------


def test_count_tokens_without_any_is_two_zeros():
    assert run("count_tokens").split() == ["0", "0"]


def test_count_tokens_prints_two_equal_numbers(issue_to_alice):
    for _ in range(3):
        issue_to_alice()

    assert run("count_tokens").split() == ["3", "3"]


def test_count_tokens_is_the_same_after_a_cleanup(old_token, issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for _ in range(4):
        age(issue_to_alice().token, LONG_AGO)
    issue_to_alice()

    run("cleanup")

    assert LoginToken.objects.count() == 1
    assert run("count_tokens").split() == ["6", "6"]


def test_count_tokens_counts_a_redeemed_token_once(issued):
    LoginToken.objects.update(redeemed_at=timezone.now())

    assert run("count_tokens").split() == ["1", "1"]


@pytest.mark.usefixtures("entitlement")
def test_count_tokens_counts_no_refused_login(signed_in, group):
    signed_in.get("/sso/group/nosuch", {"group": group.pk})
    signed_in.get("/sso/group/demoaws", {"group": group.pk})

    assert run("count_tokens").split() == ["1", "1"]


def test_count_tokens_is_the_same_while_old_days_are_removed_and_after(issue_to_alice, caller):
    """Three tokens of long ago, cleaned up since, and one of a login that was refused; one of today."""
    for _ in range(3):
        factories.EventFactory(action="login.issue", at=days_ago(403, hours=1))
    factories.EventFactory(action="login.issue", at=days_ago(403, hours=2), outcome="refused", reason="x")
    factories.EventFactory(action="login_tokens.delete", at=days_ago(402, hours=1), details={"rows": 2})
    factories.EventFactory(action="login_tokens.delete", at=days_ago(401, hours=1), details={"rows": 1})
    issue_to_alice()
    seal_until(days_ago(400))
    how = {"by": "test", "caller": caller}

    counted = [run("count_tokens").split()]
    for days in (1, 2, 3):
        release_old_days(is_stopping=lambda days=days: Release.objects.count() == days, **how)
        counted.append(run("count_tokens").split())
    removed = release_old_days(**how)
    counted.append(run("count_tokens").split())

    assert counted == [["4", "4"]] * 5
    assert removed.events == 6


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_count_tokens_is_the_same_after_two_cleanups_at_once(issue_to_alice, monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 50)
    for _ in range(200):
        age(issue_to_alice().token, LONG_AGO)
    together = threading.Barrier(2)

    def clean_up() -> None:
        try:
            together.wait(10)
            run("cleanup")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(clean_up) for _ in range(2)]:
            done.result()

    assert run("count_tokens").split() == ["200", "200"]
