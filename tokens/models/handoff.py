"""Where agents' sessions have been: the relying parties to be told when one ends."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from groups.models import AgentSession
from tokens.models.relying_party import RelyingParty

TO_BE_TOLD = Q(told_at=None, given_up_at=None)
FAILURE_LENGTH = 200


class HandoffState(models.TextChoices):
    """What became of telling a relying party of a log-out."""

    OPEN = "open", gettext_lazy("the session goes on")
    PENDING = "pending", gettext_lazy("to be told")
    TOLD = "told", gettext_lazy("told")
    GIVEN_UP = "given_up", gettext_lazy("could not be told")


class HandoffQuerySet(models.QuerySet["Handoff"]):
    def remember(self, session: AgentSession, relying_party: RelyingParty) -> None:
        """Note that this party learned of this session, unless it is noted already."""
        row = Handoff(session=session, relying_party=relying_party)
        self.bulk_create([row], ignore_conflicts=True)

    def to_be_told(self) -> Self:
        """Those of which nobody was told yet, and nobody gave up."""
        return self.filter(TO_BE_TOLD)

    def logged_out(self, *, since: datetime | None = None) -> Self:
        """Those whose agent is logged out (since then): the session was ended, or the one that renewed it was."""
        over = AgentSession.objects.over().filter(sid=OuterRef("session__sid"))
        return self.filter(Exists(over.filter(ended_at__gt=since) if since else over))

    def first_of_their_kind(self) -> Self:
        """Of those that tell the same party of the same sid (a session and what renewed it), the first."""
        earlier = Handoff.objects.filter(
            relying_party=OuterRef("relying_party"), session__sid=OuterRef("session__sid")
        )
        return self.exclude(Exists(earlier.to_be_told().filter(pk__lt=OuterRef("pk"))))

    def put_off(self, pause: timedelta) -> int:
        """Try those later that are due and that nobody is trying now; how many."""
        is_due = Q(next_try_at=None) | Q(next_try_at__lte=Now())
        return self.filter(is_due).update(next_try_at=Now() + pause)

    def claim(self, handoff: "Handoff", *, lease: timedelta) -> bool:
        """Take one over for a try that ends before `lease` does; of many who ask at once, one gets it."""
        # Own columns only, and those that the asker has seen.
        mine = self.to_be_told().filter(pk=handoff.pk, tries=handoff.tries, next_try_at=handoff.next_try_at)
        return mine.update(tries=F("tries") + 1, next_try_at=Now() + lease) == 1


class Handoff(models.Model):
    """One agent session that was taken into one relying party, and what became of telling it of the log-out."""

    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="handoffs")
    relying_party = models.ForeignKey(RelyingParty, on_delete=models.CASCADE, related_name="handoffs")
    started_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=FAILURE_LENGTH, blank=True)  # of the last try

    objects = HandoffQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["session", "relying_party"], name="one_handoff_a_session_and_party"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["session"], name="handoff_to_tell", condition=TO_BE_TOLD),
            models.Index(
                fields=["next_try_at"],
                name="handoff_to_try_again",
                condition=TO_BE_TOLD & Q(next_try_at__isnull=False),
            ),
            models.Index(
                fields=["given_up_at"], name="handoff_given_up", condition=Q(given_up_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} at {self.relying_party}"

    @property
    def state(self) -> HandoffState:
        """What became of it. Of one that nobody has tried to tell yet, the session says whether it is to be told."""
        if self.told_at:
            return HandoffState.TOLD
        if self.given_up_at:
            return HandoffState.GIVEN_UP
        is_over = self.next_try_at or self.session.is_over()
        return HandoffState.PENDING if is_over else HandoffState.OPEN
