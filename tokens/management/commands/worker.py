"""`manage.py worker`: beside the servers, as long as they run."""

import signal
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from accounts.sealing import seal
from tokens.worker import Stop, pass_on_once, remove_old_events, work


class Command(BaseCommand):
    help = "Pass log-outs on at once, seal the audit log, clean up every hour, until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, and end")

    def handle(self, *, once: bool, **_: Any) -> None:
        if once:
            self.stdout.write(f"{pass_on_once():,} log-outs passed on.")
            self.stdout.write(f"{seal():,} windows of the audit log sealed.")
            self.stdout.write(f"{remove_old_events():,} old events deleted.")
            call_command("cleanup", stdout=self.stdout)
            return
        stop = Stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop.hear)
        work(stop, clean_up=lambda: call_command("cleanup", stdout=StringIO()))
