"""Where agents' sessions have been: the relying parties to be told when one ends."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from groups.models import AgentSession
from tokens.models.relying_party import RelyingParty


class Handoff(models.Model):
    """One agent session that was taken into one relying party, and what became of telling it of the log-out."""

    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="handoffs")
    relying_party = models.ForeignKey(RelyingParty, on_delete=models.CASCADE, related_name="handoffs")
    started_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=200, blank=True)  # of the last try

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["session", "relying_party"], name="one_handoff_a_session_and_party"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["session"], name="handoff_to_tell", condition=Q(told_at=None, given_up_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} at {self.relying_party}"
