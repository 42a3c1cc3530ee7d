"""`manage.py worker`: beside the servers, as long as they run."""

import signal
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from tokens.worker import Stop, pass_on_once, work


class Command(BaseCommand):
    help = "Pass log-outs on to relying parties at once, and clean up every hour, until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, and end")

    def handle(self, *, once: bool, **_: Any) -> None:
        if once:
            self.stdout.write(f"{pass_on_once():,} log-outs passed on.")
            call_command("cleanup", stdout=self.stdout)
            return
        stop = Stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop.hear)
        work(stop, clean_up=lambda: call_command("cleanup", stdout=StringIO()))
