"""`manage.py restored`: to be run once, when the database came from a backup, before anybody is let in."""

import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from tokens.changes_since import Change, read_changes
from tokens.management.operators import from_the_command_line, operator, told
from tokens.restoring import Restored, restored, time_of_backup

UNKNOWN = """\
Nobody told what was revoked since then. Unless you know that nothing was, go through these, or run this again with
the server's log, or with --careful:
  restored --since {since} --events FILE
  agents who were suspended or disabled, whose end date or clients changed, who chose a new password
  keys, secrets and credentials of software that were revoked or rotated; addresses that were taken off lists
  groups and clients that were stopped or paused; entitlements that were withdrawn
  administrators who were removed, given a smaller role or made inactive, or who changed their password or factors
  the portal's own signing key, if it was withdrawn (rotate_signing_key --withdraw)"""


class Command(BaseCommand):
    help = (
        "After a restore: end all sessions, codes and unspent tokens, revoke again what was revoked since the backup, "
        "and give no number twice. Run it before the servers start. It may run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--events",
            action="append",
            default=[],
            metavar="FILE",
            help="the server's log (JSON), or events exported as JSON lines; - reads standard input; may be repeated",
        )
        parser.add_argument(
            "--since",
            metavar="TIME",
            help="when the backup was made (2026-01-31T02:00:00Z); else as an earlier run took it, or the newest event",
        )
        parser.add_argument(
            "--careful",
            action="store_true",
            help="nobody knows what was revoked: revoke every key and secret of software, and stop every group",
        )

    def handle(self, *, events: list[str], since: str | None, careful: bool, **_: Any) -> None:
        moment = _moment(since) if since else time_of_backup()
        changes = [change for name in events for change in _read(name)]
        done = restored(changes, since=moment, careful=careful, by=operator(), caller=from_the_command_line())
        self.stdout.write(f"The backup is taken to be of {_told(moment)}.\n\nEnded:")
        self.stdout.write(told(done.ended))
        self._tell(done)
        if events:
            self._warn(done, read=len(changes))
        if not done.later and not careful:
            self.stdout.write(f"\n{UNKNOWN.format(since=_told(moment))}")
        self.stdout.write(
            "\nLinks to reset a password that were used since then would work again for up to three days: change "
            "SECRET_KEY, without a fallback, before the servers start."
        )

    def _warn(self, done: Restored, *, read: int) -> None:
        """Say so where the log and the moment hardly belong together."""
        if not read:
            self.stdout.write(
                "\nWARNING: no change could be read from what was given. Is it the server's log, as JSON?"
            )
        elif not done.later:
            self.stdout.write(
                f"\nWARNING: {read:,} changes were read, and NONE that this database lacks is later than "
                f"{_told(done.since)}. Nothing was revoked again."
            )
        if done.earlier:
            first = done.earlier[0].at
            self.stdout.write(
                f"\nWARNING: {len(done.earlier):,} changes before {_told(done.since)} are not in this database "
                f"either, the first of {_told(first)}. If the backup is older than that, or the server or the worker "
                "was started before this command, run this again, with the time of the backup:\n"
                f"  restored --since {_told(first)} --events FILE"
            )

    def _tell(self, done: Restored) -> None:
        for title, lines in (
            ("Revoked again:", done.applied),
            ("Not told exactly enough: look at these yourself.", done.by_hand),
            (
                "Changed since then, and lost:",
                [f"{n:,} × {action}" for action, n in sorted(done.lost.items())],
            ),
        ):
            if lines:
                self.stdout.write("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or is_naive(moment):
        raise CommandError("--since is a moment with its offset, like 2026-01-31T02:00:00Z.")
    return moment


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read(name: str) -> list[Change]:
    if name == "-":
        return read_changes(sys.stdin)
    try:
        with open(name, encoding="utf-8", errors="replace") as lines:
            return read_changes(lines)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
