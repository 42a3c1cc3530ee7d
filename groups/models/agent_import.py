"""Imports of agents."""

import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from groups.models.group import Group


class ImportKind(models.TextChoices):
    AGENTS = "agents", _("agents")
    ROSTER = "roster", _("the whole roster")


class ImportState(models.TextChoices):
    CHECKING = "checking", _("being checked")
    CHECKED = "checked", _("checked")
    APPLYING = "applying", _("being applied")
    APPLIED = "applied", _("applied")
    FAILED = "failed", _("could not be read")


AT_WORK = (ImportState.CHECKING, ImportState.APPLYING)
WAITS_FOR = timedelta(days=1)  # how long a file is kept that nobody applies
SILENCE = timedelta(seconds=30)  # from which on whoever works on an import is taken for dead


def new_worker() -> str:
    """A name for one who works on an import: whoever lost his turn to another can tell by it."""
    return secrets.token_hex(16)


class AgentImportQuerySet(models.QuerySet["AgentImport"]):
    def at_work(self) -> Self:
        """Those that somebody is checking or applying, and said so of late."""
        return self.filter(state__in=AT_WORK, beat_at__gt=Now() - SILENCE)

    def forgotten(self) -> Self:
        """Those whose file waits for nobody: uploaded more than a day ago, and not applied."""
        return self.filter(created_at__lt=Now() - WAITS_FOR).exclude(content=b"")

    def light(self) -> Self:
        """Without what may be megabytes; with the database's clock as `now`."""
        return self.defer("content", "verdicts", "leavers").annotate(now=Now())


class AgentImport(models.Model):
    """A CSV file of agents, from its upload to its report. Nothing happens to an agent before it is applied."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=8, choices=ImportKind)
    state = models.CharField(max_length=8, choices=ImportState, default=ImportState.CHECKING)
    file_name = models.CharField(max_length=200, blank=True)
    content = models.BinaryField()  # the file as it came
    uploaded_by = models.CharField(max_length=254)  # as audit events name the administrator
    created_at = models.DateTimeField(db_default=Now())
    worker = models.CharField(max_length=32, default=new_worker)  # whose turn it is to work on it
    beat_at = models.DateTimeField(db_default=Now())  # when whoever works on it last said so
    rows = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    verdicts = models.JSONField(default=list)  # one a row: [line, username, verdict, notes]
    leavers = models.JSONField(default=list)  # roster: the subjects of those who would leave
    options = models.JSONField(default=dict)  # how it was asked for: time zone, agents of the SSO API
    failure = models.CharField(max_length=300, blank=True)  # why the last attempt ended early, one word
    applied_at = models.DateTimeField(null=True, blank=True)
    summary = models.JSONField(default=dict)  # how many of each verdict, and what applying them did

    objects = AgentImportQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=ImportKind.values), name="import_kind_known"),
            models.CheckConstraint(
                condition=models.Q(state__in=ImportState.values), name="import_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} into {self.group}: {self.state}"

    @property
    def uploader(self) -> str:
        """The e-mail address of the administrator who uploaded it."""
        return self.uploaded_by.removeprefix("administrator:")

    def is_at_work(self) -> bool:
        """Whether somebody is checking or applying it. Needs `light`."""
        return self.state in AT_WORK and not self.was_interrupted()

    def was_interrupted(self) -> bool:
        """Whether its checking or applying ended without a word. Needs `light`."""
        now: datetime = self.now  # type: ignore[attr-defined]  # annotated
        return self.state in AT_WORK and self.beat_at <= now - SILENCE
