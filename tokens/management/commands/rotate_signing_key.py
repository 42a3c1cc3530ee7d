"""`manage.py rotate_signing_key`: the portal signs with a new key, which relying parties find in its JWKS."""

import getpass
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens import signing_keys
from tokens.models import Algorithm, Purpose, SigningKey

AHEAD = timedelta(hours=1)  # relying parties may keep what was published for five minutes


class Command(BaseCommand):
    help = "Make a new key to sign with: published at once, in use in an hour. The old one is published for a day more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at-once", action="store_true", help="sign with the new key from now on")
        parser.add_argument(
            "--withdraw",
            action="store_true",
            help="the old key leaked: sign with the new one, and publish the old one no longer",
        )
        parser.add_argument(
            "--purpose",
            choices=Purpose.values,
            default=Purpose.TOKENS.value,
            help="tokens, or the answers of the signed SSO URL, whose callers must then be given the new public key",
        )
        parser.add_argument(
            "--algorithm", choices=Algorithm.values, help="that alone; all that there are keys of when absent"
        )

    def handle(self, *, at_once: bool, withdraw: bool, purpose: str, algorithm: str | None, **_: Any) -> None:
        ahead = timedelta(0) if at_once or withdraw else AHEAD
        by, caller = f"operator:{getpass.getuser()}", Caller(new_readable_code(), None, "", "command")
        if purpose == Purpose.ANSWERS and algorithm == Algorithm.ES256:
            raise CommandError("Answers are signed by RS256 alone.")
        for each in [algorithm] if algorithm else _algorithms_of(purpose):
            try:
                made = signing_keys.rotate(
                    purpose, each, ahead=ahead, withdraw=withdraw, by=by, caller=caller
                )
            except IntegrityError as error:
                raise CommandError("Somebody else is rotating this key. Nothing was changed here.") from error
            self.stdout.write(f"{each} {made.kid} signs from {made.signs_from:%Y-%m-%d %H:%M:%S} UTC.")


def _algorithms_of(purpose: str) -> list[str]:
    """The algorithms that this purpose has keys of; the usual one before there are any."""
    keys = SigningKey.objects.filter(purpose=purpose).order_by("algorithm")
    return list(keys.values_list("algorithm", flat=True).distinct()) or [Algorithm.RS256.value]
