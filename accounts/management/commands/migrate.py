"""`manage.py migrate`, in which a statement may take longer than a request may wait for one."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from sso_portal.lib.sql import unhurried


class Command(migrate.Command):
    def handle(self, *args: Any, database: str, **options: Any) -> None:
        # An index on a large table takes minutes. Who waits for a lock, and so holds up others, still gives up soon.
        with unhurried(connections[database]):
            super().handle(*args, database=database, **options)
