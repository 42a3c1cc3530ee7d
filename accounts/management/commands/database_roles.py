"""`manage.py database_roles <role>`: on PostgreSQL, give the portal's role exactly the rights that it needs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts.granting import CannotGrant, grant_to, statements


class Command(BaseCommand):
    help = (
        "Give a role what the portal needs and no more. Run as the owner of the tables, after each migrate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="that the portal works as; it must exist, and not be the owner")
        parser.add_argument("--sql", action="store_true", help="print the statements, and change nothing")

    def handle(self, *, role: str, sql: bool, **_: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Roles are PostgreSQL's; this database is another.")
        if sql:
            self.stdout.write(";\n".join(statements(role)) + ";")
            return
        try:
            grant_to(role)
        except CannotGrant as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{role} has what the portal needs.")
