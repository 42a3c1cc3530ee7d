"""What is worth one use: a secret shown once, spent once, in whatever race and on whatever node."""

from datetime import timedelta
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from sso_portal.lib.secrets import digest_of


class SpentOnce(models.Model):
    """A secret that was shown once and is spent once; only its digest is kept."""

    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def trace(self) -> str:
        """What logs and events may say of it: the first twelve hex digits of its digest."""
        return self.digest[:12]


T = TypeVar("T", bound=SpentOnce)


class SpentOnceQuerySet(models.QuerySet[T]):
    """The claim. Filters on the token's own columns only: across a relation, two PostgreSQL sessions could both win."""

    def unspent(self, secret: str) -> Self:
        """The token with this secret, while it is worth something by the database's clock."""
        return self.filter(digest=digest_of(secret), redeemed_at=None, expires_at__gt=Now())

    def spend(self, **noted: Any) -> bool:
        """Spend what `unspent` found, noting this in its row; at most one caller ever wins."""
        return self.update(redeemed_at=Now(), **noted) == 1

    def end(self) -> int:
        """Make worthless what was issued within the hour and waits to be spent; how many. They never count as spent.

        (What lives longer than that belongs to a family, and ends with it.)
        """
        waiting = self.filter(
            redeemed_at=None, expires_at__gt=Now(), issued_at__gt=Now() - timedelta(hours=1)
        )
        return waiting.update(expires_at=F("issued_at") + timedelta(milliseconds=1))
