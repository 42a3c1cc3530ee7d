"""Client companies' own people, who come by their billing system; and where in the CRM they may be sent."""

import re
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from groups.models.client import Client
from groups.models.fields import NAME_LENGTH, validate_text

PATH_LENGTH = 500


NOWHERE = set(' \\"<>^`{}|#')  # no path that is written plainly holds one of these
ODD_ENCODING = re.compile(
    r"%(?![2-7][0-9A-Fa-f]|[89A-Fa-f][0-9A-Fa-f])|%7[Ff]"
)  # broken, or of a control character


def why_not_path(path: str) -> str:
    """Why this is no path within a CRM; "" when it is one: relative, and never a way to another host or folder up.

    It may carry a query. Before that nothing is percent-encoded, so that every system reads the same folders in it.
    """
    place, mark, query = path.partition("?")
    steps = place.split("/")
    is_plain = path.isascii() and path.isprintable() and not set(path) & NOWHERE and "%" not in place
    is_relative = "" not in steps[:-1] and ":" not in steps[0]  # no // and no / at the beginning; no scheme
    climbs = any(step.partition(";")[0] in (".", "..") for step in steps)
    is_whole = bool(place) or not mark
    is_path = is_plain and is_relative and is_whole and not climbs and not ODD_ENCODING.search(query)
    return "" if is_path and len(path) <= PATH_LENGTH else _("This is no path.")


class ClientPerson(models.Model):
    """Somebody of a client company itself. Its number is the `user_id` that software knows it by."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="people")
    email = models.EmailField()
    full_name = models.CharField(max_length=NAME_LENGTH, validators=[validate_text])
    is_owner = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "client people"
        ordering: ClassVar = ["client", "full_name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client"], condition=Q(is_owner=True), name="one_owner_a_client"),
            models.UniqueConstraint(fields=["client", "email"], name="client_person_once"),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} of {self.client}"


class ClientSessionQuerySet(models.QuerySet["ClientSession"]):
    def live(self) -> Self:
        """Those that their pages let in: of people and clients that are let in themselves, now."""
        people = {"is_active": True, "client__is_active": True, "client__is_paused": False}
        return self.filter(
            ended_at=None,
            ends_at__gt=Now(),
            idle_at__gt=Now(),
            **{f"person__{name}": value for name, value in people.items()},
        )

    def touch(self, session: "ClientSession") -> None:
        """Note that the session was used: at most once a minute, or it would be idle too early."""
        idle_at = Now() + settings.CLIENT_SESSION_IDLE
        is_due = idle_at - timedelta(minutes=1)
        self.filter(pk=session.pk, idle_at__lt=is_due).update(idle_at=idle_at)

    def end(self) -> int:
        """End those that are still open; how many."""
        return self.filter(ended_at=None).update(ended_at=Now())


class ClientSession(models.Model):
    """A client person's session: its cookie holds a secret, this row its digest."""

    digest = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(ClientPerson, on_delete=models.CASCADE, related_name="sessions")
    methods = models.JSONField(default=list)  # amr values: empty, for no factor was seen
    started_at = models.DateTimeField(db_default=Now())
    idle_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent_header = models.CharField(max_length=256, blank=True)

    objects = ClientSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["ends_at"], name="client_session_by_end")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("started_at")), name="client_session_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} since {self.started_at}"


class Destination(models.Model):
    """A place in a client's CRM, by the name that software asks for; `{service_id}` and `{domain_id}` are filled in."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="destinations")
    name = models.CharField(
        max_length=64,
        validators=[RegexValidator(r"\A[a-z0-9_]+(:[a-z0-9_]+)?\Z", "Like clientarea:invoices.")],
    )
    path = models.CharField(max_length=PATH_LENGTH, blank=True)

    class Meta:
        ordering: ClassVar = ["client", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "name"], name="destination_named_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.client.subdomain}"

    def clean(self) -> None:
        filled_in = self.path.replace("{service_id}", "1").replace("{domain_id}", "1")
        if why := why_not_path(filled_in):
            raise ValidationError({"path": why})
