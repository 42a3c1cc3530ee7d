"""Agents' sessions."""

import secrets
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from groups.models.agent import Agent


class EndReason(models.TextChoices):
    SIGNED_OUT = "signed_out", _("signed out")
    SWITCHED = "switched", _("another agent signed in")
    RENEWED = "renewed", _("signed in again")
    LIMIT = "limit", _("more sessions than allowed")
    STOPPED = "stopped", _("the agent was suspended or disabled")
    PASSWORD = "password", _("the password changed")
    ENDED = "ended", _("ended by an administrator")


def new_sid() -> str:
    """A session's public id, which relying parties may know."""
    return secrets.token_urlsafe(16)


class AgentSessionQuerySet(models.QuerySet["AgentSession"]):
    def open(self) -> Self:
        """Sessions that nothing has ended."""
        return self.filter(ended_at=None, ends_at__gt=Now())

    def live(self) -> Self:
        """Open sessions that are not idle: those that doors let in."""
        return self.open().filter(idle_at__gt=Now())

    def over(self) -> Self:
        """Ended sessions whose agent is logged out: those that were renewed go on under the same sid."""
        return self.filter(ended_at__isnull=False).exclude(end_reason=EndReason.RENEWED)

    def end(self, reason: str) -> int:
        """End those that are still open; how many."""
        return self.filter(ended_at=None).update(ended_at=Now(), end_reason=reason)

    def going_on_as(self, session: "AgentSession") -> Self:
        """What nothing has ended of this session: itself, or the one that renewed it meanwhile."""
        return self.filter(sid=session.sid, agent=session.agent_id, ended_at=None)

    def end_all_of(self, session: "AgentSession", reason: str) -> int:
        """End this session, or the one that renewed it meanwhile; how many."""
        going_on = self.going_on_as(session)
        # Twice: one that begins while the first statement waits for the session it renews is seen by the second only.
        return going_on.end(reason) or going_on.end(reason)

    def touch_if_due(self, session: "AgentSession") -> None:
        """Note that the session was used: at most once a minute. Needs `now`."""
        if now_of(session) - session.last_seen_at >= timedelta(minutes=1):
            idle_at = Now() + timedelta(minutes=session.agent.group.idle_minutes)
            self.filter(pk=session.pk).update(last_seen_at=Now(), idle_at=idle_at)


class AgentSession(models.Model):
    """An agent's session: its cookie holds a secret, this row its digest."""

    digest = models.CharField(max_length=64, unique=True)
    sid = models.CharField(max_length=32, default=new_sid)  # kept by the session that renews this one
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="sessions")
    has_cookie = models.BooleanField(
        default=True
    )  # or it began over the message bus, and no browser holds it
    methods = models.JSONField(default=list)  # amr values (RFC 8176)
    # Where unlocking spared the second factor: when it was shown. Else all of `methods` was, as the session began.
    factor_shown_at = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    idle_at = models.DateTimeField()  # from when on the agent must unlock
    ends_at = models.DateTimeField()  # from when on he must sign in anew
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=16, choices=EndReason, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent_header = models.CharField(max_length=256, blank=True)

    objects = AgentSessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # Not by when it was last seen, which changes with the calls: where no index does, PostgreSQL writes the
            # row beside the old one, and nothing else.
            models.Index(fields=["agent"], name="open_session_of_agent", condition=Q(ended_at=None)),
            models.Index(fields=["sid"], name="session_by_sid"),
            models.Index(fields=["ends_at"], name="session_by_longest"),
            models.Index(fields=["ended_at"], name="session_by_end", condition=Q(ended_at__isnull=False)),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["sid"], name="one_open_session_a_sid", condition=Q(ended_at=None)
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | (Q(ended_at__isnull=False) & ~Q(end_reason="")),
                name="ended_session_has_reason",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("started_at")), name="session_ends_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} since {self.started_at}"

    @property
    def proved_at(self) -> datetime:
        """Since when all that `methods` says is proved: the oldest part of it."""
        return self.factor_shown_at or self.started_at

    def is_over(self) -> bool:
        """Whether an act ended it; one that was renewed goes on under the same sid."""
        return self.ended_at is not None and self.end_reason != EndReason.RENEWED

    def is_open(self) -> bool:
        """Whether nothing has ended it: not an act, not its longest duration. Needs `now`."""
        return self.ended_at is None and now_of(self) < self.ends_at

    def is_live(self) -> bool:
        """Whether it is open and not idle. Needs `now`."""
        return self.is_open() and now_of(self) < self.idle_at

    def is_idle(self) -> bool:
        """Whether it is open, and waits to be unlocked. Needs `now`."""
        return self.is_open() and not self.is_live()


def now_of(row: models.Model) -> datetime:
    """The database's clock at the time of a query that annotated it as `now`."""
    now: datetime = row.now  # type: ignore[attr-defined]  # annotated
    return now
