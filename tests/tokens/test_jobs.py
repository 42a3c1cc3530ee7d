"""Jobs: each in its time, by one worker; and what is known of its last run."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now

from tests.tokens.test_constraints import refuses
from tokens import jobs
from tokens.jobs import CannotDoAll, Job, do, due, late, take
from tokens.models import JobRun, Outcome

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def job(monkeypatch):
    """The one job there is: every hour; it counts how often it was done, and breaks with `breaks_with`."""

    class Counted:
        times = 0
        breaks_with: Exception | None = None

        def do(self, is_stopping) -> str:
            self.times += 1
            if self.breaks_with:
                raise self.breaks_with
            return f"{self.times} done."

    counted = Counted()
    monkeypatch.setattr(jobs, "JOBS", {"counting": Job(HOUR, counted.do)})
    return counted


def take_and_do() -> None:
    JobRun.objects.update(begun_at=None)
    take("counting")
    do("counting")


def an_hour_passes() -> None:
    JobRun.objects.update(begun_at=F("begun_at") - HOUR, done_at=F("done_at") - HOUR)


def test_job_that_was_never_done_is_due(job):
    assert due() == ["counting"]


def test_job_that_somebody_took_is_nobody_elses(job):
    assert (take("counting"), take("counting")) == (True, False)
    assert due() == []


def test_job_is_due_again_after_its_time(job):
    take("counting")
    an_hour_passes()

    assert due() == ["counting"]
    assert (take("counting"), take("counting")) == (True, False)


def test_run_is_written_down(job):
    take("counting")

    assert do("counting") == "1 done."
    run = JobRun.objects.get()
    assert (run.outcome, run.told, run.done_at) == (Outcome.DONE, "1 done.", run.ended_at)
    assert run.begun_at <= run.ended_at


@pytest.mark.parametrize(
    ("error", "outcome", "told"),
    [
        (OperationalError("gone"), Outcome.AWAY, "OperationalError"),
        (ValueError("what a secret may stand in"), Outcome.FAILED, "ValueError"),
        (CannotDoAll("2 mails could not be sent."), Outcome.FAILED, "2 mails could not be sent."),
    ],
)
def test_run_that_broke_is_written_down_and_leaves_when_one_ended_well(job, error, outcome, told):
    take_and_do()
    well = JobRun.objects.get().done_at
    job.breaks_with = error

    with pytest.raises(type(error)):
        take_and_do()

    run = JobRun.objects.get()
    assert (run.outcome, run.told, run.done_at) == (outcome, told, well)


def test_job_is_late_when_none_ended_well_for_three_times_its_time(job):
    assert late() == ["counting"]
    take_and_do()
    assert late() == []
    an_hour_passes()
    an_hour_passes()
    assert late() == []
    an_hour_passes()
    assert late() == ["counting"]


def test_status_tells_every_job_and_fails_where_one_is_late(job, capsys):
    take_and_do()
    call_command("worker", "--status")
    assert "done 1 done." in capsys.readouterr().out
    JobRun.objects.update(done_at=Now() - 4 * HOUR)

    with pytest.raises(CommandError, match="Late: counting"):
        call_command("worker", "--status")


def test_outcome_that_there_is_not_is_refused():
    JobRun.objects.create(job="counting")

    assert refuses(JobRun.objects.update, outcome="other")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_ask_at_once_one_takes_the_job(job, at_once):
    assert sorted(at_once(8, lambda: take("counting"))) == [False] * 7 + [True]
