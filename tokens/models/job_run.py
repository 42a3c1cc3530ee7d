"""What the worker does again and again: when each job was done last, and what came of it."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

TOLD_LENGTH = 200


class Outcome(models.TextChoices):
    DONE = "done"
    FAILED = "failed"
    AWAY = "away"  # the database, or the cache, could not do its part


class JobRunQuerySet(models.QuerySet["JobRun"]):
    def begin(self, job: str, *, every: timedelta) -> bool:
        """Take a job that was not begun for so long; of many workers that ask at once, one gets it."""
        due = self.filter(Q(begun_at=None) | Q(begun_at__lte=Now() - every), job=job)
        if due.update(begun_at=Now()):
            return True
        self.bulk_create([JobRun(job=job)], ignore_conflicts=True)
        return due.update(begun_at=Now()) > 0

    def end(self, job: str, outcome: Outcome, *, told: str) -> None:
        """Note what came of a job that was begun."""
        done = {"done_at": Now()} if outcome == Outcome.DONE else {}
        self.filter(job=job).update(ended_at=Now(), outcome=outcome, told=told[:TOLD_LENGTH], **done)


class JobRun(models.Model):
    """The last run of one job, on whichever node it was. Of one that goes on still, `ended_at` is of the run before."""

    job = models.CharField(max_length=32, primary_key=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)  # of the run that ended last
    told = models.CharField(max_length=TOLD_LENGTH, blank=True)  # what it did, or what went wrong
    done_at = models.DateTimeField(null=True)  # when one ended well

    objects = JobRunQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(outcome__in=["", *Outcome.values]), name="job_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.job}: {self.outcome or 'not done yet'}"
