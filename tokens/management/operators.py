"""What the commands of operators share: who gives them, how they cut off, and how they tell what was ended."""

import getpass
from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandParser

from groups.models import Client, Group
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens.cutting_off import Ended, How, resume

ACTS = {"end-sessions": How.END_SESSIONS, "revoke": How.REVOKE, "stop": How.STOP}


class CuttingOff(BaseCommand):
    """A command that cuts a group or a client off at once, and lets it go on again."""

    resumed: str  # what is told of it then

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=[*ACTS, "resume"])

    def act(self, act: str, *, on: Group | Client, cut_off: Callable[..., Ended]) -> None:
        """Do it, and tell what was done."""
        by, caller = operator(), from_the_command_line()
        if act in ACTS:
            self.stdout.write(f"{on}, ended:")
            self.stdout.write(told(cut_off(on, how=ACTS[act], by=by, caller=caller)))
        elif resume(on, by=by, caller=caller):
            self.stdout.write(f"{on} {self.resumed} again. What was revoked stays revoked.")
        else:
            self.stdout.write(f"{on} was not stopped.")


def operator() -> str:
    """Whoever gives the command, as audit events name him."""
    return f"operator:{getpass.getuser()}"


def from_the_command_line() -> Caller:
    """The caller of a command, with a reference number of its own."""
    return Caller(new_readable_code(), None, "", "command")


def told(ended: dict[str, int]) -> str:
    """What was ended, one kind a line."""
    return "\n".join(f"{number:>9,} {what}" for what, number in ended.items())
