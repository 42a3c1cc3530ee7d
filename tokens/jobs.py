"""What the worker does again and again. A job is done once in its time, by whichever node's worker asks first."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO

import structlog
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now

from accounts.releasing import NotProven, may_release, release_old_days
from accounts.sealing import seal
from sso_portal.lib.outages import is_outage
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens.models import JobRun, Outcome
from tokens.reminding import remind

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LATE_AFTER = 3  # times its time, without having ended well
IsStopping = Callable[[], bool]
log = structlog.get_logger(__name__)


class CannotDoAll(Exception):
    """A job came to something that somebody has to look at; the text says what."""


@dataclass(frozen=True)
class Job:
    """Something to do every so often; `do` says in words what it did."""

    every: timedelta
    do: Callable[[IsStopping], str]


def _seal(is_stopping: IsStopping) -> str:
    return f"{seal(is_stopping=is_stopping):,} windows of the audit log sealed."


def _clean_up(is_stopping: IsStopping) -> str:
    said = StringIO()
    call_command("cleanup", stdout=said)
    deleted = [line for line in said.getvalue().splitlines() if not line.startswith("0 ")]
    return " ".join(deleted) or "Nothing to delete."


def _remove_old_events(is_stopping: IsStopping) -> str:
    if not may_release():
        return "Left to the role that may delete events: run audit retain as that."
    caller = Caller(new_readable_code(), None, "", "worker")
    try:
        removed = release_old_days(by="worker", caller=caller, is_stopping=is_stopping)
    except NotProven as error:
        log.error("audit.not_proven", fault=str(error))
        raise CannotDoAll(f"A day of the audit log is not as it was sealed, and stays: {error}") from error
    return f"{removed.events:,} old events deleted."


def _remind(is_stopping: IsStopping) -> str:
    reminded = remind(is_stopping=is_stopping)
    if reminded.failed:
        raise CannotDoAll(f"{reminded.failed:,} mails could not be sent.")
    return f"{reminded.sent:,} mails sent."


JOBS = {
    "sealing": Job(MINUTE, _seal),
    "cleanup": Job(HOUR, _clean_up),
    "retention": Job(HOUR, _remove_old_events),
    "reminders": Job(HOUR, _remind),  # each goes out once: whoever comes into question today is told today
}


def due() -> list[str]:
    """The jobs that nobody has begun in their time."""
    begun = Q()
    for name, job in JOBS.items():
        begun |= Q(job=name, begun_at__gt=Now() - job.every)
    lately = set(JobRun.objects.filter(begun).values_list("job", flat=True))
    return [name for name in JOBS if name not in lately]


def take(name: str) -> bool:
    """Whether this worker is to do a job that is due: of all that ask, one."""
    return JobRun.objects.begin(name, every=JOBS[name].every)


def do(name: str, *, is_stopping: IsStopping = lambda: False) -> str:
    """Do a job that was begun, and note what came of it; what it did, in words. Raises whatever stopped it."""
    try:
        told = JOBS[name].do(is_stopping)
    except Exception as error:
        _note_failure(name, error)
        raise
    JobRun.objects.end(name, Outcome.DONE, told=told)
    return told


def late() -> list[str]:
    """The jobs that have not ended well for three times their time, or never."""
    done = Q()
    for name, job in JOBS.items():
        done |= Q(job=name, done_at__gt=Now() - LATE_AFTER * job.every)
    lately = set(JobRun.objects.filter(done).values_list("job", flat=True))
    return [name for name in JOBS if name not in lately]


def _note_failure(name: str, error: Exception) -> None:
    """Write down that a job came to nothing, if the database takes it."""
    outcome = Outcome.AWAY if is_outage(error) else Outcome.FAILED
    told = str(error) if isinstance(error, CannotDoAll) else type(error).__name__  # others may tell too much
    with suppress(DatabaseError, InterfaceError):
        JobRun.objects.end(name, outcome, told=told)
