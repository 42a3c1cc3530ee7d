"""`manage.py count_tokens`: login tokens ever issued, and events of their issue. The two numbers agree, always."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import Event, Outcome, Release
from accounts.sealing import end_of_releases
from tokens.models import LoginToken


class Command(BaseCommand):
    help = "Print how many login tokens were ever issued, and how many events say so."

    def handle(self, **_: Any) -> None:
        # What a released day held is told by its release, even while its events are being removed.
        released = list(Release.objects.values_list("held", flat=True))
        kept = Event.objects.filter(outcome=Outcome.OK)
        if (until := end_of_releases().until) is not None:
            kept = kept.filter(at__gte=until)
        cleaned_up = kept.filter(action="login_tokens.delete").values_list("details__rows", flat=True)
        issued = LoginToken.objects.count() + sum(cleaned_up)
        issued += sum(held.get("login_tokens.delete", {}).get("rows", 0) for held in released)
        events = kept.filter(action="login.issue").exclude(details__has_key="demo").count()
        events += sum(held.get("login.issue", {}).get("ok", 0) for held in released)
        self.stdout.write(f"{issued} {events}")
