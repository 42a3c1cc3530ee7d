"""`manage.py create_sso_token`: the address that signs one of a client company's own people in, once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from groups.client_people import find_person
from groups.destinations import find_place
from groups.models import Client
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens.issuing_to_people import create_sso_token


class Command(BaseCommand):
    help = "Print an address that signs one of a client company's own people in: once, within a minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--client", required=True, help="the client's subdomain, or its number")
        parser.add_argument("--user", type=int, help="the person's number; without it the client's owner")
        parser.add_argument("--destination", default="", help="a name, as clientarea:invoices")
        parser.add_argument("--service-id", default="")
        parser.add_argument("--domain-id", default="")
        parser.add_argument(
            "--path", default="", help="within the client's system, for the destination sso:custom_redirect"
        )

    def handle(self, *, client: str, user: int | None, destination: str, path: str, **other: Any) -> None:
        named = Client.objects.filter(subdomain=client.lower())
        numbers = {"pk": int(client)} if client.isascii() and client.isdigit() and len(client) < 19 else {}
        found = named.first() or (Client.objects.filter(**numbers).first() if numbers else None)
        if found is None:
            raise CommandError(f"There is no client {client}.")
        try:
            person = find_person(client_id=found.pk, person_id=user, among=Client.objects.all())
            place = find_place(
                found,
                destination,
                service_id=other["service_id"],
                domain_id=other["domain_id"],
                path=path,
            )
            issued = create_sso_token(
                person, place=place, by="command", caller=Caller(new_readable_code(), None, "", "command")
            )
        except Refused as refused:
            raise CommandError(refused.refusal.message) from refused
        address = f"{settings.PORTAL_URL}{reverse('single_sign_on')}"
        self.stdout.write(f"{address}?access_token={issued.secret}")
