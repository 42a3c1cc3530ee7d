"""`manage.py agent <group> <username> <act>`: what an administrator does with one agent, for scripts."""

import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from groups import standing
from groups.models import Agent, AgentStatus
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller

STATUS = {"enable": AgentStatus.ACTIVE, "disable": AgentStatus.DISABLED, "suspend": AgentStatus.SUSPENDED}
OTHERS = ("unlock", "end-sessions", "activation-code", "set-password")


class Command(BaseCommand):
    help = "Disable, enable, suspend or unlock an agent; end his sessions; give an activation code or a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group", type=int, help="the group's number")
        parser.add_argument("username")
        parser.add_argument("act", choices=[*STATUS, *OTHERS])
        parser.add_argument("--password", help="for set-password; asked for when absent")

    def handle(self, *, group: int, username: str, act: str, password: str | None, **_: Any) -> None:
        agent = Agent.objects.named(username, group_id=group).select_related("group").first()
        if agent is None:
            raise CommandError(f"Group {group} has no agent {username!r}.")
        by, caller = f"operator:{getpass.getuser()}", Caller(new_readable_code(), None, "", "command")
        if act in STATUS:
            standing.set_status(agent, STATUS[act], by=by, caller=caller)
        elif act == "unlock":
            standing.unlock(agent, by=by, caller=caller)
        elif act == "end-sessions":
            self.stdout.write(f"{standing.end_sessions(agent, by=by, caller=caller)} sessions ended.")
        elif act == "activation-code":
            self.stdout.write(standing.give_activation_code(agent, by=by, caller=caller))
        else:
            standing.set_password(agent, self._password(agent, password), by=by, caller=caller)

    def _password(self, agent: Agent, given: str | None) -> str:
        password = given or getpass.getpass(f"New password of {agent.username}: ")
        try:
            validate_password(password, agent)  # type: ignore[arg-type]  # asks for `own_words` only
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password
