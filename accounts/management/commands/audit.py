"""`manage.py audit seal|verify|anchor|retain|export`: sealing, proving and keeping the audit log."""

import getpass
import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.proving import prove
from accounts.releasing import NotProven, may_release, release_old_days
from accounts.sealing import COLUMNS, VERSION, beginning_of, last_link, rows_between, seal
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller

FIRST_DAY = date(2000, 1, 1)


class Command(BaseCommand):
    help = "Seal, prove, release and export the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="seal|verify|anchor|retain|export")
        acts.add_parser("seal", help="seal what is older than five minutes, and print the anchor")
        verify = acts.add_parser("verify", help="tell what is not as it was sealed; ends with 1 if anything")
        verify.add_argument("--since", type=_day, help="look at this day (UTC, like 2026-01-31) and later")
        verify.add_argument(
            "--anchor", dest="anchors", action="append", default=[], help="one that was kept elsewhere"
        )
        acts.add_parser("anchor", help="print the last anchor, to keep it elsewhere")
        acts.add_parser("retain", help="remove sealed days that are older than EVENTS_KEPT_DAYS")
        export = acts.add_parser("export", help="print events as JSON lines, the oldest first")
        export.add_argument("--since", type=_day, default=FIRST_DAY, help="from this day (UTC)")
        export.add_argument("--until", type=_day, help="up to this day (UTC), which is included")

    def handle(self, *, act: str, **options: Any) -> None:
        if act == "verify":
            self._verify(since=options["since"], anchors=options["anchors"])
        elif act == "export":
            self._export(since=options["since"], until=options["until"])
        elif act == "retain":
            self._retain()
        else:
            if act == "seal":
                self.stdout.write(f"{seal():,} windows sealed.")
            self._print_anchor()

    def _print_anchor(self) -> None:
        last = last_link()
        if last.until is None:
            self.stdout.write("Nothing is sealed yet.")
        else:
            self.stdout.write(f"{last.anchor} seal {last.number}, everything before {_utc(last.until)}")

    def _verify(self, *, since: date | None, anchors: Sequence[str]) -> None:
        proof = prove(since=since, anchors=anchors)
        for fault in proof.faults:
            self.stdout.write(fault.text)
        self.stdout.write(f"{proof.events:,} events under {proof.seals:,} seals looked at.")
        if proof.faults:
            raise CommandError(f"The audit log is not as it was sealed: {len(proof.faults):,} faults.")
        self.stdout.write("The audit log is as it was sealed.")
        if not anchors:
            self.stdout.write("Give --anchor with one that was kept elsewhere, to prove the seals as well.")

    def _retain(self) -> None:
        if not may_release():
            raise CommandError("This role may not remove events; run this as the owner of the tables.")
        caller = Caller(new_readable_code(), None, "", "command")
        try:
            removed = release_old_days(by=f"operator:{getpass.getuser()}", caller=caller)
        except NotProven as error:
            raise CommandError(f"A day that is not as it was sealed stays. {error}") from error
        self.stdout.write(f"{removed.days:,} days released, {removed.events:,} events deleted.")

    def _export(self, *, since: date, until: date | None) -> None:
        ends = beginning_of(until or date(2200, 1, 1)) + timedelta(days=1)
        for row in rows_between(beginning_of(since), ends):
            told = dict(zip(COLUMNS[VERSION], row, strict=True))
            self.stdout.write(json.dumps(told | {"at": _utc(told["at"])}, ensure_ascii=False))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("write the day like 2026-01-31") from None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
