"""`manage.py cleanup`: delete what has served its time, in batches that nobody waits for."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import AdministratorSession, Attempt, Tally
from groups.models import AgentImport, AgentSession, ClientSession, NumberImport
from groups.number_imports import KEPT
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens.models import (
    AccessToken,
    BusCode,
    LoginToken,
    PersonToken,
    RefreshToken,
    SigningKey,
    TokenFamily,
)

BATCH = 1000  # rows
KEYS_KEPT = timedelta(days=400)  # as long as events, which may speak of what they signed


class Command(BaseCommand):
    help = (
        "Delete tokens and ended sessions after 30 days, and counters and keys that nothing needs any more."
    )

    def handle(self, **_: Any) -> None:
        now = timezone.now()
        long_ago = now - settings.LOGIN_TOKENS_KEPT
        self._delete("login tokens", LoginToken.objects.filter(issued_at__lt=long_ago))
        self._delete("logins of client people", PersonToken.objects.filter(issued_at__lt=long_ago))
        self._delete("codes of the message bus", BusCode.objects.filter(issued_at__lt=long_ago))
        self._delete("access tokens", AccessToken.objects.filter(expires_at__lt=now - timedelta(hours=1)))
        # Before their families, of which one may have thousands. Until a family ends, what was spent is told by them.
        self._delete("refresh tokens", RefreshToken.objects.filter(expires_at__lt=now - timedelta(days=1)))
        self._delete("families of tokens", TokenFamily.objects.filter(ends_at__lt=long_ago))
        # A family that may still go on ends with its session: that it has ended must not be forgotten before.
        families = TokenFamily.objects.live().filter(sid=OuterRef("sid"))
        sessions = AgentSession.objects.filter(~Exists(families), ends_at__lt=long_ago)
        self._delete("agent sessions", sessions)
        self._delete("sessions of client people", ClientSession.objects.filter(ends_at__lt=long_ago))
        self._delete("signing keys", SigningKey.objects.filter(published_until__lt=now - KEYS_KEPT))
        self._delete("administrator sessions", AdministratorSession.objects.over())
        self._delete(
            "attempts",
            Attempt.objects.filter(window_ends_at__lt=now - timedelta(days=1)).exclude(locked_until__gt=now),
        )
        self._delete("files that wait", NumberImport.objects.filter(created_at__lt=now - KEPT))
        self._delete("imports of agents", AgentImport.objects.filter(created_at__lt=long_ago))
        AgentImport.objects.forgotten().update(content=b"")
        self._delete("tallies", Tally.objects.filter(minute__lt=now - timedelta(hours=1)))

    def _delete(self, what: str, rows: QuerySet[Any, Model]) -> None:
        deleted = 0
        while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
            with transaction.atomic():
                _, by_model = rows.model._default_manager.filter(pk__in=batch).delete()
                gone = by_model.get(rows.model._meta.label, 0)  # fewer, when another clean-up was faster
                if rows.model is LoginToken and gone:  # `count_tokens` adds up what these say
                    caller = Caller(new_readable_code(), None, "", "command")
                    audit.record(
                        "login_tokens.delete", caller=caller, actor="cleanup", details={"rows": gone}
                    )
            deleted += gone
        self.stdout.write(f"{deleted:,} {what} deleted.")
