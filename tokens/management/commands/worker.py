"""`manage.py worker`: beside the servers, as long as they run."""

import signal
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tokens import jobs
from tokens.models import JobRun
from tokens.worker import Stop, pass_on_once, work


class Command(BaseCommand):
    help = (
        "Pass log-outs on at once, seal the audit log, clean up, remove old events, remind of keys, until SIGTERM or "
        "SIGINT."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--once", action="store_true", help="do what is due now, and end")
        instead.add_argument(
            "--status", action="store_true", help="tell when each job was done last; fails where one is late"
        )

    def handle(self, *, once: bool, status: bool, **_: Any) -> None:
        if once:
            self._do_once()
        elif status:
            self._tell()
        else:
            stop = Stop()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop.hear)
            work(stop)

    def _do_once(self) -> None:
        self.stdout.write(f"{pass_on_once():,} log-outs passed on.")
        for name in jobs.due():
            if jobs.take(name):
                self.stdout.write(jobs.do(name))

    def _tell(self) -> None:
        runs = JobRun.objects.in_bulk()
        self.stdout.write(f"{'job':<12}{'begun':<22}{'ended':<22}{'done':<22}what came of it")
        for name in jobs.JOBS:
            run = runs.get(name, JobRun(job=name))
            times = "".join(f"{_told(at):<22}" for at in (run.begun_at, run.ended_at, run.done_at))
            self.stdout.write(f"{name:<12}{times}{run.outcome} {run.told}".rstrip())
        if late := jobs.late():
            raise CommandError(f"Late: {', '.join(late)}. Does the worker run?")


def _told(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else "never"
