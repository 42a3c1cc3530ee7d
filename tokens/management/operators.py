"""What the commands of operators share: who gives them, and how what was ended is told."""

import getpass

from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller


def operator() -> str:
    """Whoever gives the command, as audit events name him."""
    return f"operator:{getpass.getuser()}"


def from_the_command_line() -> Caller:
    """The caller of a command, with a reference number of its own."""
    return Caller(new_readable_code(), None, "", "command")


def told(ended: dict[str, int]) -> str:
    """What was ended, one kind a line."""
    return "\n".join(f"{number:>9,} {what}" for what, number in ended.items())
