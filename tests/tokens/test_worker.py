"""The worker as a process of its own, on PostgreSQL: started, interrupted, beside another, without its database."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from structlog.contextvars import get_contextvars

from accounts.models import Event
from groups.models import AgentSession, EndReason
from tests import factories
from tests.tokens.listening import Listener, listening
from tokens.handoffs import remember
from tokens.jobs import JOBS
from tokens.models import Handoff, JobRun, SigningKey
from tokens.worker import _do

ROOT = Path(__file__).resolve().parent.parent.parent
Worker = subprocess.Popen[bytes]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


@pytest.fixture
def party(relying_party, listener):
    """demoaws' CRM, which wants to be told of log-outs."""
    relying_party.backchannel_logout_uri = listener.address
    relying_party.save()
    return relying_party


def wait_for(question: Callable[[], object], *, within: float = 60) -> None:
    until = time.monotonic() + within
    while not question():
        assert time.monotonic() < until
        time.sleep(0.1)


def log_out(agent, party, *, times: int = 1) -> None:
    """Sessions of an agent that were in the CRM, and are over."""
    for _ in range(times):
        session = factories.AgentSessionFactory(agent=agent)
        remember(session, party)
        AgentSession.objects.filter(pk=session.pk).end(EndReason.SIGNED_OUT)


# --- Once -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_once_tells_what_is_due_and_does_every_job(agent, party, listener, capsys):
    log_out(agent, party, times=2)

    call_command("worker", "--once")

    assert "2 log-outs passed on." in capsys.readouterr().out
    assert len(listener.heard) == 2
    assert set(JobRun.objects.exclude(done_at=None).values_list("job", flat=True)) == set(JOBS)


@contextmanager
def read_only() -> Iterator[None]:
    """Whoever comes to the database now may only read."""
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            yield
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


@contextmanager
def away() -> Iterator[None]:
    """The database is gone, for everybody but this test: connections are cut, and no new ones let in."""
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        mine = cursor.fetchone()[0]
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
            cursor.execute(others, [name, mine])
            yield
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


# --- As a process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[], Worker]]:
    """Start a worker on the database of this test run; ended whatever happens."""
    started: list[Worker] = []

    def start_one() -> Worker:
        database = connection.settings_dict
        where = f"postgres://postgres@/{database['NAME']}?host={database['OPTIONS']['host']}"
        log = (tmp_path / f"{len(started)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": where, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_worker_tells_and_ends_when_it_is_asked_to(start, agent, party, listener, number, tmp_path):
    worker = start()
    log_out(agent, party)
    assert listener.wait_for(1)
    worker.send_signal(number)

    assert worker.wait(10) == 0
    assert b"Traceback" not in (tmp_path / "0.log").read_bytes()
    assert Handoff.objects.exclude(told_at=None).count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_worker_ends_what_it_has_begun(start, agent, party, listener):
    listener.takes = 1.5
    worker = start()
    log_out(agent, party)
    assert listener.wait_for(1)
    worker.terminate()

    assert worker.wait(10) == 0
    assert Handoff.objects.exclude(told_at=None).count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_each_log_out_once(start, agent, party, listener):
    log_out(agent, party, times=60)
    SigningKey.objects.all().delete()  # they will want their first key at the same moment
    for _ in range(2):
        start()

    assert listener.wait_for(60)
    time.sleep(1.5)
    assert len(listener.heard) == 60
    assert Counter(Handoff.objects.values_list("tries", flat=True)) == {1: 60}
    assert Handoff.objects.exclude(told_at=None).count() == 60
    assert Event.objects.filter(action="logout.tell").count() == 60


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_party_that_does_not_answer_keeps_nobody_else_waiting(start, agent, party, listener):
    with listening() as silent:
        silent.takes = 6
        slow = factories.RelyingPartyFactory(backchannel_logout_uri=silent.address, secret="")
        log_out(agent, slow, times=30)
        log_out(agent, party, times=3)
        start()

        assert silent.wait_for(1)
        assert listener.wait_for(3, within=4)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_worker_survives_that_its_database_goes_away(start, agent, party, listener):
    worker = start()
    log_out(agent, party)
    assert listener.wait_for(1)
    with away():
        time.sleep(3)
    log_out(agent, party)

    assert listener.wait_for(2)
    assert worker.poll() is None


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_worker_that_may_only_read_says_that_the_database_is_away(start, tmp_path):
    with read_only():
        worker = start()
        wait_for(lambda: b"worker.database_away" in (tmp_path / "0.log").read_bytes())

    assert worker.poll() is None
    assert b"worker.broke" not in (tmp_path / "0.log").read_bytes()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_do_each_job_once(start, tmp_path):
    for _ in range(2):
        start()
    wait_for(lambda: JobRun.objects.exclude(done_at=None).count() == len(JOBS))
    begun = dict(JobRun.objects.values_list("job", "begun_at"))
    wait_for(lambda: all(b"worker.started" in (tmp_path / f"{n}.log").read_bytes() for n in range(2)))
    time.sleep(1.5)

    assert dict(JobRun.objects.values_list("job", "begun_at")) == begun


def test_lines_of_a_task_have_a_number_of_their_own():
    bound = []
    for _ in range(2):
        _do(lambda: bound.append(get_contextvars()["reference"]))

    assert len(set(bound)) == 2
    assert get_contextvars() == {}
