"""Administrators, and their sessions at the main door."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
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
            models.Index(fields=["last_seen_at"], name="admin_session_by_use"),
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
