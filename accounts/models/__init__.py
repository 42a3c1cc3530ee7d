"""Administrators, the append-only audit log with its seals, and the counters that lock and slow down."""

from accounts.models.administrator import (
    Administrator,
    AdministratorManager,
    AdministratorSession,
    AdministratorSessionQuerySet,
    Theme,
)
from accounts.models.counters import Attempt, AttemptQuerySet, Tally, TallyQuerySet
from accounts.models.event import ADMINISTRATORS_DOORS, Event, Outcome
from accounts.models.failed_sign_in import FailedSignIn, FailedSignInQuerySet
from accounts.models.seal import Release, Seal

__all__ = [
    "ADMINISTRATORS_DOORS",
    "Administrator",
    "AdministratorManager",
    "AdministratorSession",
    "AdministratorSessionQuerySet",
    "Attempt",
    "AttemptQuerySet",
    "Event",
    "FailedSignIn",
    "FailedSignInQuerySet",
    "Outcome",
    "Release",
    "Seal",
    "Tally",
    "TallyQuerySet",
    "Theme",
]
