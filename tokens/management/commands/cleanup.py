"""`manage.py cleanup`: delete what has served its time, in batches that nobody waits for."""

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.models import AdministratorSession, Attempt, FailedSignIn, Tally
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
    Reminder,
    SigningKey,
    TokenFamily,
)

BATCH = 1000  # rows
PAUSE = 0.02  # seconds between two batches, in which others write
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Command(BaseCommand):
    help = (
        "Delete tokens and ended sessions after 30 days, and counters and keys that nothing needs any more. "
        "Several may run at once."
    )

    def handle(self, **_: Any) -> None:
        now = timezone.now()
        long_ago = now - settings.LOGIN_TOKENS_KEPT
        self._delete("login tokens", LoginToken.objects.all(), "issued_at", long_ago)
        self._delete("logins of client people", PersonToken.objects.all(), "issued_at", long_ago)
        self._delete("codes of the message bus", BusCode.objects.all(), "issued_at", long_ago)
        self._delete("access tokens", AccessToken.objects.all(), "expires_at", now - HOUR)
        # Before their families, of which one may have thousands. Until a family ends, what was spent is told by them.
        self._delete("refresh tokens", RefreshToken.objects.all(), "expires_at", now - DAY)
        self._delete("families of tokens", TokenFamily.objects.all(), "ends_at", long_ago)
        # A family that may still go on ends with its session: that it has ended must not be forgotten before.
        families = TokenFamily.objects.live().filter(sid=OuterRef("sid"))
        sessions = AgentSession.objects.filter(~Exists(families))
        self._delete("agent sessions", sessions, "ends_at", long_ago)
        self._delete("sessions of client people", ClientSession.objects.all(), "ends_at", long_ago)
        # As long as events, which may speak of what they signed.
        self._delete("signing keys", SigningKey.objects.all(), "published_until", now - settings.EVENTS_KEPT)
        idle = now - settings.ADMINISTRATOR_IDLE
        self._delete("administrator sessions", AdministratorSession.objects.all(), "ends_at", now)
        self._delete("idle administrator sessions", AdministratorSession.objects.all(), "last_seen_at", idle)
        unlocked = Attempt.objects.filter(Q(locked_until=None) | Q(locked_until__lte=now))
        self._delete("attempts", unlocked, "window_ends_at", now - DAY)
        self._delete("files that wait", NumberImport.objects.all(), "created_at", now - KEPT)
        self._delete("imports of agents", AgentImport.objects.all(), "created_at", long_ago)
        AgentImport.objects.forgotten().update(content=b"")
        self._delete("reminders", Reminder.objects.all(), "sent_at", now - settings.EVENTS_KEPT)
        self._delete("failed sign-ins", FailedSignIn.objects.all(), "at", now - HOUR)
        self._delete("tallies", Tally.objects.all(), "minute", now - HOUR)
        self._clean_cache(now)

    def _delete(self, what: str, rows: QuerySet[Any, Model], moment: str, before: datetime) -> None:
        """Delete those whose moment is before this one, the oldest first: what is gone is not read again."""
        deleted = 0
        since: dict[str, Any] = {}
        rows = rows.filter(**{f"{moment}__lt": before}).order_by(moment)
        while True:
            with transaction.atomic():
                # Another clean-up takes other rows meanwhile.
                batch = rows.filter(**since).select_for_update(skip_locked=True)
                found = list(batch.values_list("pk", moment)[:BATCH])
                deleted += self._delete_batch(rows.model, [pk for pk, _at in found])
            if len(found) < BATCH:
                break
            since = {f"{moment}__gte": found[-1][1]}
            time.sleep(PAUSE)
        self.stdout.write(f"{deleted:,} {what} deleted.")

    def _delete_batch(self, model: type[Model], keys: list[Any]) -> int:
        _, by_model = model._default_manager.filter(pk__in=keys).delete()
        gone = by_model.get(model._meta.label, 0)
        if model is LoginToken and gone:  # `count_tokens` adds up what these say
            caller = Caller(new_readable_code(), None, "", "command")
            audit.record("login_tokens.delete", caller=caller, actor="cleanup", details={"rows": gone})
        return gone

    def _clean_cache(self, now: datetime) -> None:
        """Delete what has expired in the cache's table, where there is one: Django does when it is full only."""
        cache = caches["default"]
        if not isinstance(cache, DatabaseCache):
            return
        table, deleted = connection.ops.quote_name(cache._table), 0  # type: ignore[attr-defined]  # the stubs lack it
        old = f"SELECT cache_key FROM {table} WHERE expires < %s ORDER BY expires LIMIT {BATCH}"  # noqa: S608  (ours)
        expired = connection.ops.adapt_datetimefield_value(now.replace(microsecond=0))
        with connection.cursor() as cursor:
            while True:
                cursor.execute(f"DELETE FROM {table} WHERE cache_key IN ({old})", [expired])  # noqa: S608  (ours)
                deleted += cursor.rowcount
                if cursor.rowcount < BATCH:
                    break
                time.sleep(PAUSE)
        self.stdout.write(f"{deleted:,} rows of the cache deleted.")
