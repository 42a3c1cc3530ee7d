"""`manage.py reencrypt`: what is encrypted in the database moves to the first of ENCRYPTION_KEY."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tokens.reencrypting import COLUMNS, look_at, reencrypt


class Command(BaseCommand):
    help = (
        "Encrypt anew, with the first of ENCRYPTION_KEY, what another one encrypted. May run at any time, beside the "
        "servers, and again. Fails while something still needs a key other than the first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count what needs which key")

    def handle(self, *, check: bool, **_: Any) -> None:
        others = unreadable = 0
        for column in COLUMNS:
            moved = 0 if check else reencrypt(column)
            found = look_at(column)
            others, unreadable = others + found.others, unreadable + found.unreadable
            done = "" if check else f"{moved:,} encrypted anew, "
            self.stdout.write(
                f"{column}: {done}{found.first:,} under the first key, {found.others:,} under another, "
                f"{found.unreadable:,} readable by none."
            )
        if unreadable:
            raise CommandError(
                f"{unreadable:,} rows can be read by none of ENCRYPTION_KEY. Put the key back that they were "
                "encrypted with; where it is lost, their owners set up anew what these rows held."
            )
        if others:
            raise CommandError(f"{others:,} rows still need a key that is not the first: do not drop it yet.")
        self.stdout.write("The first key reads everything. The others may be dropped.")
