"""Administrators, the append-only audit log, and the counters that lock and slow down."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sso_portal.lib.text import canonical_name
from sso_portal.lib.times import validate_time_zone


class AdministratorManager(BaseUserManager["Administrator"]):
    """Registers administrators; used by `createsuperuser` too."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Administrator":
        """A new administrator; without a password he sets one by the reset mail."""
        administrator = self.model(email=canonical_name(email), **fields)
        administrator.set_password(password)
        administrator.full_clean(exclude=["password"])
        administrator.save(using=self._db)
        return administrator

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "Administrator":
        """A new operator."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "Administrator":
        return self.get(email=canonical_name(username or ""))


class Theme(models.TextChoices):
    SYSTEM = "", _("as this device has it")
    LIGHT = "light", _("light")
    DARK = "dark", _("dark")


class Administrator(AbstractBaseUser, PermissionsMixin):
    """Somebody who manages groups; with `is_staff` an operator, who runs the portal."""

    email = models.EmailField("e-mail address", unique=True)
    full_name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False)
    theme = models.CharField(max_length=8, choices=Theme, blank=True)
    language = models.CharField(max_length=8, choices=settings.LANGUAGES, blank=True)  # "": the browser's
    time_zone = models.CharField(
        max_length=64, blank=True, validators=[validate_time_zone]
    )  # "": the group's
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]

    objects = AdministratorManager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="email_is_lower_case"),
            models.CheckConstraint(condition=~Q(email=""), name="administrator_has_email"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = canonical_name(self.email)


class AdministratorSessionQuerySet(models.QuerySet["AdministratorSession"]):
    def live(self) -> Self:
        """Those that are neither idle nor past their end: those that the console opens for."""
        return self.filter(ends_at__gt=Now(), last_seen_at__gt=Now() - settings.ADMINISTRATOR_IDLE)

    def over(self) -> Self:
        """Those that nothing can bring back."""
        return self.filter(Q(ends_at__lte=Now()) | Q(last_seen_at__lte=Now() - settings.ADMINISTRATOR_IDLE))

    def touch_if_due(self, session: "AdministratorSession") -> None:
        """Note that somebody used the session: at most once a minute. Needs `now`."""
        now: datetime = session.now  # type: ignore[attr-defined]  # the database's clock, annotated
        if now - session.last_seen_at >= timedelta(minutes=1):
            self.live().filter(pk=session.pk).update(last_seen_at=Now())


class AdministratorSession(models.Model):
    """A browser's session at the main door: its cookie holds the key, this row the key's digest.

    Rows without an administrator are of browsers in the middle of signing in. A session that ends is deleted.
    """

    digest = models.CharField(max_length=64, unique=True)
    administrator = models.ForeignKey(
        Administrator, on_delete=models.CASCADE, null=True, related_name="sessions"
    )
    content = models.TextField()  # what views keep in it, encrypted: the secret of an app being set up, say
    methods = models.JSONField(
        default=list
    )  # how he signed in and confirmed: "password", "totp", "webauthn" …
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField(db_index=True)
    address = models.CharField(max_length=45, blank=True)
    agent_header = models.CharField(max_length=256, blank=True)

    objects = AdministratorSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["administrator", "-last_seen_at"],
                name="session_of_administrator",
                condition=Q(administrator__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("started_at")), name="admin_session_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.administrator or 'nobody yet'} since {self.started_at}"


ADMINISTRATORS_DOORS = ("main", "backoffice")  # by which administrators come in


class Outcome(models.TextChoices):
    OK = "ok", "done"
    REFUSED = "refused", "refused"


class Event(models.Model):
    """One row of the audit log: ids and text, no foreign keys, so that nothing deleted takes its history along.

    Rows are added by `accounts.audit.record` and never changed: triggers refuse UPDATE and DELETE.
    """

    at = models.DateTimeField(db_default=Now())
    reference = models.CharField(max_length=16)
    door = models.CharField(max_length=32)
    actor = models.CharField(
        max_length=254
    )  # who did it: `agent:<subject>`, `administrator:<e-mail>`, `key:<prefix>` …
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = models.CharField(max_length=64, blank=True)
    group_id = models.BigIntegerField(null=True)
    client = models.CharField(max_length=63, blank=True)  # subdomain
    agent = models.CharField(max_length=64, blank=True)  # subject
    object = models.CharField(max_length=128, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent_header = models.CharField(max_length=256, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["group_id", "-at"], name="event_of_group"),
            models.Index(fields=["reference"], name="event_by_reference"),
            models.Index(fields=["agent", "-at"], name="event_of_agent", condition=~Q(agent="")),
            models.Index(fields=["object"], name="event_about_object", condition=~Q(object="")),
            models.Index(fields=["group_id", "action", "-at"], name="event_of_group_by_action"),
            # Few events are in these, so that they cost the pop nothing.
            models.Index(fields=["group_id", "-at"], name="refusal_of_group", condition=Q(outcome="refused")),
            models.Index(
                fields=["group_id", "actor", "-at"],
                name="event_of_administrator",
                condition=Q(door__in=ADMINISTRATORS_DOORS),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="event_outcome_known"),
            models.CheckConstraint(condition=~Q(action=""), name="event_has_action"),
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.action} {self.outcome} {self.reason}".rstrip()


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Lock-out, counted before the password is looked at."""

    def reserve(self, *, door: str, name: str, failures: int, window: timedelta, duration: timedelta) -> bool:
        """Count one try against this name; False when it is locked.

        One conditional UPDATE, and the row count decides: however many guesses arrive at once, no more than
        `failures` (two at least) in a `window` get as far as the password. The last of them sets the lock.
        """
        tries = self.filter(door=door, name=name)
        if tries._count(failures, window, duration):
            return True
        self.bulk_create([Attempt(door=door, name=name, window_ends_at=Now())], ignore_conflicts=True)
        return tries._count(failures, window, duration)

    def _count(self, failures: int, window: timedelta, duration: timedelta) -> bool:
        starts_anew = Q(window_ends_at__lte=Now()) | Q(locked_until__lte=Now())
        counted = self.filter(Q(locked_until=None) | Q(locked_until__lte=Now())).update(
            failures=Case(When(starts_anew, then=Value(1)), default=F("failures") + Value(1)),
            window_ends_at=Case(When(starts_anew, then=Now() + window), default=F("window_ends_at")),
            locked_until=Case(
                When(starts_anew, then=None), When(failures=failures - 1, then=Now() + duration), default=None
            ),
        )
        return counted > 0

    def clear(self, *, door: str, name: str) -> bool:
        """Forget the failures of this name; whether there were any."""
        return bool(self.filter(door=door, name=name, failures__gt=0).update(failures=0, locked_until=None))

    def clear_many(self, *, door: str, names: Collection[str]) -> int:
        """Forget the failures of all these names; of how many there were some."""
        return self.filter(door=door, name__in=names, failures__gt=0).update(failures=0, locked_until=None)

    def locked(self) -> Self:
        """The names that are locked now."""
        return self.filter(locked_until__gt=Now())


class Attempt(models.Model):
    """How often a name was tried at a door without success, and until when it is locked."""

    door = models.CharField(max_length=32)
    name = models.CharField(max_length=254)  # canonical; the name that was typed, whether it exists or not
    failures = models.PositiveIntegerField(default=0)
    window_ends_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["door", "name"], name="one_attempt_row_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.door} {self.name}: {self.failures}"


class TallyQuerySet(models.QuerySet["Tally"]):
    """Throttles, counted where every node sees them."""

    def count_one(self, *, limit: str, who: str, most: int, hourly: bool = False) -> bool:
        """Count one against a limit a minute (or an hour); False when it is used up. The row count decides."""
        minute = timezone.now().replace(second=0, microsecond=0)
        minute = minute.replace(minute=0) if hourly else minute
        tally = self.filter(limit=limit, who=who, minute=minute)
        if tally.filter(times__lt=most).update(times=F("times") + 1):
            return True
        self.bulk_create([Tally(limit=limit, who=who, minute=minute)], ignore_conflicts=True)
        return tally.filter(times__lt=most).update(times=F("times") + 1) > 0


class Tally(models.Model):
    """How often something limited happened in one minute, or in the hour that begins with it."""

    limit = models.CharField(max_length=32)
    who = models.CharField(max_length=64)
    minute = models.DateTimeField()
    times = models.PositiveIntegerField(default=0)

    objects = TallyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["limit", "who", "minute"], name="one_tally_a_minute"),
        ]

    def __str__(self) -> str:
        return f"{self.limit} {self.who} {self.minute}: {self.times}"
