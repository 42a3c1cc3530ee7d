"""Imports of agents."""

from typing import ClassVar

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


class AgentImport(models.Model):
    """A CSV file of agents, from its upload to its report. Nothing happens to an agent before it is applied."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=8, choices=ImportKind)
    state = models.CharField(max_length=8, choices=ImportState, default=ImportState.CHECKING)
    file_name = models.CharField(max_length=200, blank=True)
    content = models.BinaryField()  # the file as it came
    uploaded_by = models.CharField(max_length=254)  # as audit events name the administrator
    created_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())  # when whoever works on it last said so
    rows = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    verdicts = models.JSONField(default=list)  # one a row: [line, username, verdict, words]
    leavers = models.JSONField(default=list)  # roster: the subjects of those who would leave
    failure = models.CharField(max_length=300, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    summary = models.JSONField(default=dict)  # how many of each verdict, and what applying them did

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=ImportKind.values), name="import_kind_known"),
            models.CheckConstraint(
                condition=models.Q(state__in=ImportState.values), name="import_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} into {self.group}: {self.state}"
