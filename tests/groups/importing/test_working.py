"""Who works on an import, one at a time, and what becomes of one whose worker died."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts.models import Event
from groups.importing import applying
from groups.importing.applying import apply
from groups.importing.checking import check, receive
from groups.importing.working import LostTurn, claim, say_alive, start
from groups.models import Agent, AgentImport
from sso_portal.lib.refusals import Refused
from tests import factories
from tests.environment import ROOT
from tests.groups.importing.reading import counts

pytestmark = pytest.mark.django_db


def test_second_file_waits_for_the_first(receive_file):
    receive_file("username\nalice\n")

    with pytest.raises(Refused, match="import_busy"):
        receive_file("username\nalice\n")


def test_file_of_another_group_does_not_wait(receive_file, other_group):
    receive_file("username\nalice\n")

    receive(b"username\na", group=other_group, kind="agents", file_name="", by="x")


def test_claim_is_refused_while_another_file_is_at_work(checked, receive_file):
    asked = checked("username,full_name\nbob,Bob\n")
    receive_file("username\nalice\n")

    with pytest.raises(Refused, match="import_busy"):
        claim(asked, to="applying")


def silence(asked: AgentImport) -> None:
    AgentImport.objects.filter(pk=asked.pk).update(beat_at=Now() - timedelta(seconds=31))


def test_check_that_fell_silent_is_taken_over_once(receive_file):
    asked = receive_file("username,full_name\nbob,Bob\n")
    assert claim_again(asked, "checking") is None
    silence(asked)

    worker = claim_again(asked, "checking")

    assert worker
    assert claim_again(asked, "checking") is None
    with pytest.raises(LostTurn):
        check(asked.pk, asked.worker)
    check(asked.pk, worker)
    assert counts(AgentImport.objects.get()) == {"new": 1}


def claim_again(asked: AgentImport, to: str) -> str | None:
    """Claim it, or not: its own work counts as another's."""
    try:
        return claim(asked, to=to)
    except Refused:
        return None


def test_worker_who_lost_his_turn_applies_nothing(checked, caller):
    asked = checked("username,full_name\nbob,Bob\n")
    slow = claim(asked, to="applying")
    silence(asked)
    quick = claim(asked, to="applying")

    for worker in (slow, quick):
        try:
            apply(asked.pk, worker, only_good=False, by="x", caller=caller)
        except LostTurn:
            assert worker == slow

    assert Event.objects.filter(action="agent.create").count() == 1


def test_progress_is_told_and_keeps_the_turn(receive_file):
    asked = receive_file("username\nalice\n")
    silence(asked)

    say_alive(asked.pk, asked.worker, rows_done=1)

    row = AgentImport.objects.light().get()
    assert (row.rows, row.rows_done, row.is_at_work()) == (1, 1, True)


@pytest.mark.django_db(transaction=True)
def test_work_goes_on_beside_the_request(receive_file):
    asked = receive_file("username,full_name\nbob,Bob\n")

    start(lambda: check(asked.pk, asked.worker)).join(60)

    assert AgentImport.objects.get().state == "checked"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_apply_at_once_make_each_agent_once(checked, caller, at_once):
    asked = checked("username,full_name\n" + "".join(f"b{n},B\n" for n in range(50)))

    def one() -> str | None:
        worker = claim_again(asked, "applying")
        if worker:
            apply(asked.pk, worker, only_good=False, by="x", caller=caller)
        return worker

    workers = at_once(4, one)

    assert len([worker for worker in workers if worker]) == 1
    assert (Agent.objects.count(), Event.objects.filter(action="agent.create").count()) == (50, 50)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_agent_who_is_provisioned_meanwhile_is_made_once(group, checked, caller, monkeypatch):
    """Another transaction makes the same agent between the verdict and the INSERT."""
    asked = checked("username,full_name\nbob,Bob Bow\n")
    insert, calls = applying.insert_many, itertools.count()

    def meanwhile() -> None:
        factories.AgentFactory(group=group, username="bob", full_name="B")
        connection.close()

    def insert_later(*args, **kwargs) -> None:
        if not next(calls):
            other = threading.Thread(target=meanwhile)
            other.start()
            other.join()
        insert(*args, **kwargs)

    monkeypatch.setattr(applying, "insert_many", insert_later)
    apply(asked.pk, claim(asked, to="applying"), only_good=False, by="x", caller=caller)

    assert Agent.objects.get().full_name == "Bob Bow"
    assert counts(AgentImport.objects.get()) == {"change": 1}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_kill_in_the_middle_of_applying_leaves_nothing_half_done(group, checked, caller):
    rows = 5_000
    asked = checked("username,full_name\n" + "".join(f"agent-{n:05},Agent {n}\n" for n in range(rows)))
    worker = claim(asked, to="applying")

    process = apply_in_a_process(asked, worker)
    wait_until_it_writes(process)
    process.send_signal(signal.SIGKILL)
    process.wait(10)

    asked.refresh_from_db()
    assert (asked.state, asked.rows_done) == ("applying", rows)
    assert (Agent.objects.count(), Event.objects.count()) == (0, 0)
    silence(asked)
    apply(asked.pk, claim(asked, to="applying"), only_good=False, by="x", caller=caller)
    assert (Agent.objects.count(), AgentImport.objects.get().state) == (rows, "applied")


def apply_in_a_process(asked: AgentImport, worker: str) -> subprocess.Popen[bytes]:
    database = connection.settings_dict
    environment = os.environ | {
        "DATABASE_URL": f"postgres://postgres@/{database['NAME']}?host={database['OPTIONS']['host']}"
    }
    code = (
        "from groups.importing.applying import apply; from sso_portal.lib.web import Caller; "
        f"apply({asked.pk}, '{worker}', only_good=False, by='x', caller=Caller('', None, '', ''))"
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code], cwd=ROOT, env=environment
    )


def wait_until_it_writes(process: subprocess.Popen[bytes]) -> None:
    """Until its transaction holds locks on the agents' table, rows of it written."""
    for _ in range(3000):
        assert process.poll() is None, "it was done before it could be killed"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE relation = 'groups_agent'::regclass"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone():
                return
        time.sleep(0.02)
    raise AssertionError("it never wrote")
