"""The append-only audit log."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from sso_portal.lib.fields import CheckedText

OF_EACH_CALL = ("login.issue", "login.redeem")  # actions that are most of all events
ADMINISTRATORS_DOORS = ("main", "backoffice")  # by which administrators come in


class Outcome(models.TextChoices):
    OK = "ok", "done"
    REFUSED = "refused", "refused"


class Event(models.Model):
    """One row of the audit log: ids and text, no foreign keys, so that nothing deleted takes its history along.

    Rows are added by `accounts.audit.record` and never changed: triggers refuse UPDATE, and DELETE of what was not
    released. A new column goes into `accounts.sealing.COLUMNS`, under a new version.
    """

    at = models.DateTimeField(db_default=Now())  # when the INSERT began, which sealing relies on
    reference = CheckedText(max_length=16)
    door = CheckedText(max_length=32)
    actor = CheckedText(
        max_length=254
    )  # who did it: `agent:<subject>`, `administrator:<e-mail>`, `key:<prefix>` …
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = CheckedText(max_length=64, blank=True)
    group_id = models.BigIntegerField(null=True)
    client = CheckedText(max_length=63, blank=True)  # subdomain
    agent = CheckedText(max_length=64, blank=True)  # subject
    object = CheckedText(max_length=128, blank=True)
    address = CheckedText(max_length=45, blank=True)
    agent_header = CheckedText(max_length=256, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["at", "id"], name="event_by_time"),  # in which they are sealed
            # Ascending, though the latest are read first: what is added last goes to the end of its page, which fills.
            models.Index(fields=["group_id", "at"], name="event_of_group"),
            models.Index(fields=["reference"], name="event_by_reference"),
            models.Index(fields=["agent", "at"], name="event_of_agent", condition=~Q(agent="")),
            models.Index(fields=["object"], name="event_about_object", condition=~Q(object="")),
            # Few events are in these, so that they cost the pop nothing.
            models.Index(
                fields=["group_id", "action", "at"],
                name="rarer_event_of_group",
                condition=~Q(action__in=OF_EACH_CALL),
            ),
            models.Index(fields=["group_id", "at"], name="refusal_of_group", condition=Q(outcome="refused")),
            models.Index(
                fields=["group_id", "actor", "at"],
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
