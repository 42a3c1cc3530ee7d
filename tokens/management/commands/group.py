"""`manage.py group <number> <act>`: cut a whole group off at once, and let it in again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from groups.models import Group
from tokens.cutting_off import How, cut_off_group, resume_group
from tokens.management.operators import from_the_command_line, operator, told

ACTS = {"end-sessions": How.END_SESSIONS, "revoke": How.REVOKE, "stop": How.STOP}


class Command(BaseCommand):
    help = (
        "end-sessions: every agent of the group is out, everywhere, and may sign in again. revoke: the group's keys, "
        "activation codes and invitations are worth nothing any more, too. stop: and nobody of it is let in until "
        "resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group", type=int, help="the group's number")
        parser.add_argument("act", choices=[*ACTS, "resume"])

    def handle(self, *, group: int, act: str, **_: Any) -> None:
        found = Group.objects.filter(pk=group).first()
        if found is None:
            raise CommandError(f"There is no group {group}.")
        by, caller = operator(), from_the_command_line()
        if act in ACTS:
            self.stdout.write(f"{found}, ended:")
            self.stdout.write(told(cut_off_group(found, how=ACTS[act], by=by, caller=caller)))
        elif resume_group(found, by=by, caller=caller):
            self.stdout.write(f"{found} is let in again. What was revoked stays revoked.")
        else:
            self.stdout.write(f"{found} was not stopped.")
