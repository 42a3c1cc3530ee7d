"""`manage.py restored`, and a log of what the backup does not know of."""

from collections.abc import Callable
from io import StringIO

from django.core.management import call_command

from groups import standing
from groups.models import Agent, AgentStatus
from tokens.management.operators import from_the_command_line

NOW = "2030-01-01T00:00:00+00:00"
HOW = {"by": "administrator:ada@portal.example"}


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("restored", *arguments, stdout=out)
    return out.getvalue()


def disable(agent: Agent) -> Callable[[], None]:
    return lambda: standing.set_status(agent, AgentStatus.DISABLED, caller=from_the_command_line(), **HOW)
