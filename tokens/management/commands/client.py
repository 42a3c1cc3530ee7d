"""`manage.py client <subdomain> <act>`: cut a client off at once, and let it be entered again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from groups.models import Client
from tokens.cutting_off import cut_off_client, resume_client
from tokens.management.commands.group import ACTS
from tokens.management.operators import from_the_command_line, operator, told


class Command(BaseCommand):
    help = (
        "end-sessions: what agents and the client's own people were given for its systems is worth nothing any more. "
        "revoke: nor are its systems' secrets, signing pairs and billing credentials. stop: and nobody enters until "
        "resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client", help="the client's subdomain")
        parser.add_argument("act", choices=[*ACTS, "resume"])

    def handle(self, *, client: str, act: str, **_: Any) -> None:
        found = Client.objects.filter(subdomain=client.lower()).first()
        if found is None:
            raise CommandError(f"There is no client {client}.")
        by, caller = operator(), from_the_command_line()
        if act in ACTS:
            self.stdout.write(f"{found}, ended:")
            self.stdout.write(told(cut_off_client(found, how=ACTS[act], by=by, caller=caller)))
        elif resume_client(found, by=by, caller=caller):
            self.stdout.write(f"{found} may be entered again. What was revoked stays revoked.")
        else:
            self.stdout.write(f"{found} was not stopped.")
