"""`manage.py end_all_sessions`: everybody is signed out, everywhere."""

from typing import Any

from django.core.management.base import BaseCommand

from tokens.cutting_off import end_all_sessions
from tokens.management.operators import from_the_command_line, operator, told


class Command(BaseCommand):
    help = "End every session, login and code there is, administrators' and operators' too. Keys and passwords stay."

    def handle(self, **_: Any) -> None:
        self.stdout.write("Ended:")
        self.stdout.write(told(end_all_sessions(by=operator(), caller=from_the_command_line())))
