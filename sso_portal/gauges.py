"""What the database says of the portal, asked for when Prometheus asks: the same on every node."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts.models import AdministratorSession, Attempt, Event
from accounts.sealing import last_link
from groups.models import AgentSession
from tokens import jobs
from tokens.models import Handoff, JobRun

MOST = 100_000  # rows that are counted: where there are more, this is said
LATELY = timedelta(hours=1)  # log-outs that are looked at: by then a worker that stands still was noticed
PATIENCE = 3.0  # seconds, after which nothing more is asked

Values = Iterable[tuple[str, float]]  # by the one label's value


class Gauges(Collector):
    """Asks each question; of a database that is away it says only that it is."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        is_up, found = _ask()
        yield GaugeMetricFamily("portal_database_up", "Whether the database answers", value=is_up)
        for (name, told, label, _), values in zip(QUESTIONS, found, strict=False):
            family = GaugeMetricFamily(name, told, labels=[label] if label else [])
            for value_of_label, value in values:
                family.add_metric([value_of_label] if label else [], value)
            yield family


def _ask() -> tuple[bool, list[Values]]:
    """Whether the database answers; and what it answers to each question, as far as it comes in time."""
    found: list[Values] = []
    is_up, until = False, time.monotonic() + PATIENCE
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        is_up = True
        for *_, ask in QUESTIONS:
            if time.monotonic() < until:
                found.append(list(ask()))  # at once, or it would be asked outside of this block
    except (DatabaseError, InterfaceError):
        pass  # the page says so: what is missing in it, was not answered
    return is_up, found


def _seal_lag() -> Values:
    until = last_link().until
    unsealed = Event.objects.filter(at__gte=until) if until else Event.objects.all()
    return [("", _age_of_first(unsealed, "at"))]


def _log_outs() -> Values:
    yield "untried", _untried()[:MOST].count()
    yield "failed", Handoff.objects.to_be_told().filter(next_try_at__isnull=False)[:MOST].count()


def _untried() -> QuerySet[AgentSession]:
    """Sessions that ended lately, and of whose end some relying party has not been told once."""
    untried = Handoff.objects.to_be_told().filter(next_try_at=None, session__sid=OuterRef("sid"))
    return AgentSession.objects.over().filter(Exists(untried), ended_at__gt=Now() - LATELY)


def _oldest_log_out() -> Values:
    return [("", _age_of_first(_untried(), "ended_at"))]


def _given_up() -> Values:
    return [("", Handoff.objects.filter(given_up_at__gt=Now() - timedelta(days=1))[:MOST].count())]


def _late_jobs() -> Values:
    late = jobs.late()
    return [(job, job in late) for job in jobs.JOBS]


def _jobs() -> Values:
    runs = JobRun.objects.filter(done_at__isnull=False).values_list("job", "done_at", Now())
    return [(job, (now - done_at).total_seconds()) for job, done_at, now in runs]


def _locked() -> Values:
    # The second half follows from the first, and has an index.
    recent = Attempt.objects.filter(window_ends_at__gt=Now() - settings.LOCKOUT_DURATION)
    return [("", (Attempt.objects.locked() & recent)[:MOST].count())]


def _sessions() -> Values:
    administrators = AdministratorSession.objects.live().filter(administrator__isnull=False)
    yield "administrator", administrators[:MOST].count()
    yield "agent", AgentSession.objects.live()[:MOST].count()


def _age_of_first(rows: "QuerySet[Event] | QuerySet[AgentSession]", moment: str) -> float:
    """How many seconds ago the first of these was, by the database's clock; 0 where there is none."""
    found: tuple[datetime, datetime] | None
    found = rows.annotate(asked_at=Now()).order_by(moment).values_list(moment, "asked_at").first()
    return (found[1] - found[0]).total_seconds() if found else 0.0


# Name, what it is, its label, how it is asked: the dearest last, for one that takes too long ends the asking.
QUESTIONS: list[tuple[str, str, str, Callable[[], Values]]] = [
    ("portal_seal_lag_seconds", "Age of the oldest event that is not sealed", "", _seal_lag),
    ("portal_log_outs_waiting", "Log-outs that wait to be passed on", "state", _log_outs),
    ("portal_log_outs_oldest_seconds", "Age of the oldest that was not tried", "", _oldest_log_out),
    ("portal_log_outs_given_up", "Log-outs given up in the last 24 hours", "", _given_up),
    ("portal_job_late", "Whether a job of the worker is overdue", "task", _late_jobs),
    ("portal_job_age_seconds", "Time since a job of the worker was last done well", "task", _jobs),
    ("portal_names_locked", "Names that are locked now", "", _locked),
    ("portal_sessions_live", "Sessions that doors let in", "who", _sessions),
]
