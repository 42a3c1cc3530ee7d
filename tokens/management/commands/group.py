"""`manage.py group <number> <act>`: cut a whole group off at once, and let it in again."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from groups.models import Group
from tokens.cutting_off import cut_off_group
from tokens.management.operators import CuttingOff


class Command(CuttingOff):
    help = (
        "end-sessions: every agent of the group is out, everywhere, and may sign in again. revoke: the group's keys, "
        "activation codes and invitations are worth nothing any more, too. stop: and nobody of it is let in until "
        "resume."
    )
    resumed = "is let in"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("group", type=int, help="the group's number")
        super().add_arguments(parser)

    def handle(self, *, group: int, act: str, **_: Any) -> None:
        found = Group.objects.filter(pk=group).first()
        if found is None:
            raise CommandError(f"There is no group {group}.")
        self.act(act, on=found, cut_off=cut_off_group)
