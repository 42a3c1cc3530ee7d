"""`manage.py count_tokens`: login tokens ever issued, and events of their issue. The two numbers agree, always."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import Event, Outcome
from tokens.models import LoginToken


class Command(BaseCommand):
    help = "Print how many login tokens were ever issued, and how many events say so."

    def handle(self, **_: Any) -> None:
        cleaned_up = Event.objects.filter(action="login_tokens.delete").values_list(
            "details__rows", flat=True
        )
        issued = LoginToken.objects.count() + sum(cleaned_up)
        events = (
            Event.objects.filter(action="login.issue", outcome=Outcome.OK)
            .exclude(details__has_key="demo")
            .count()
        )
        self.stdout.write(f"{issued} {events}")
