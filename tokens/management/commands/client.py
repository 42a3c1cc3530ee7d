"""`manage.py client <subdomain> <act>`: cut a client off at once, and let it be entered again."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from groups.models import Client
from tokens.cutting_off import cut_off_client
from tokens.management.operators import CuttingOff


class Command(CuttingOff):
    help = (
        "end-sessions: what agents and the client's own people were given for its systems is worth nothing any more. "
        "revoke: nor are its systems' secrets, signing pairs and billing credentials. stop: and nobody enters until "
        "resume."
    )
    resumed = "may be entered"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client", help="the client's subdomain")
        super().add_arguments(parser)

    def handle(self, *, client: str, act: str, **_: Any) -> None:
        found = Client.objects.filter(subdomain=client.lower()).first()
        if found is None:
            raise CommandError(f"There is no client {client}.")
        self.act(act, on=found, cut_off=cut_off_client)
