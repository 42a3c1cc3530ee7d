"""What failed sign-ins say of an address: one that fails often is slowed down, one that tries many names is reported.

Nobody is locked out by address, for a call center shares one; a sign-in that succeeds does not count here.
"""

import structlog
from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_noop

from accounts import audit, lockout
from accounts.models import Attempt, FailedSignIn
from sso_portal.lib.addresses import counted_as
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.web import Caller

ACTION = "sign_in.many_names"
LIMIT = "sign-in address"
SLOWED = 3  # sign-ins that each further failure of an address counts as, against its limit a minute
TOO_MANY = Refusal(
    "too_many_requests", gettext_noop("Many sign-ins came from here just now. Please wait a minute."), 429
)
log = structlog.get_logger(__name__)


def count_sign_in(*, door: str, caller: Caller, action: str, group: audit.HasId | None = None) -> None:
    """Count a sign-in against its address, before anything is looked at. Raises Refused: it fails too often."""
    if not lockout.may_go_on(limit=LIMIT, who=_place(door, caller)):
        raise Refused(TOO_MANY, {"action": action, "group": group}, retry_after=60)


def give_back(*, door: str, caller: Caller) -> None:
    """Undo one `count_sign_in`: it succeeded, or came to nothing. Only failures are held against an address."""
    lockout.not_counted(limit=LIMIT, who=_place(door, caller))


def note_failure(*, door: str, name: str, caller: Caller, group: audit.HasId | None = None) -> None:
    """Count a failed sign-in against its address; slow the address down, or report it, when there are many.

    `name` is canonical; it is kept as a keyed digest, for people type passwords into the wrong field. A group hears
    of what happens at its own door; of names that are many only in all groups together the operators hear.
    """
    place = _place(door, caller)
    digest = salted_hmac(ACTION, f"{door} {name}", algorithm="sha256").hexdigest()
    failed = FailedSignIn.objects.note(
        address=place,
        door=door,
        name=digest,
        within=settings.MANY_FAILURES_WINDOW,
        names_within=settings.MANY_NAMES_WINDOW,
    )
    if failed.times > settings.MANY_FAILURES:
        lockout.use_up(limit=LIMIT, who=place, times=SLOWED - 1)
    if failed.names_here >= settings.MANY_NAMES:
        _report(failed.names_here, door=door, place=place, caller=caller, group=group)
    elif failed.names >= settings.MANY_NAMES:
        _report(failed.names, door="", place=place, caller=caller, group=None)


def _report(names: int, *, door: str, place: str, caller: Caller, group: audit.HasId | None) -> None:
    """Raise the alarm of a door, or of all of them together (""): once in each window of a place."""
    length = settings.MANY_NAMES_WINDOW
    if Attempt.objects.begin_window(door=ACTION, name=f"{door} {place}".strip(), window=length):
        found = {"names": names, "minutes": int(length.total_seconds() // 60)}
        audit.record(
            ACTION, caller=caller, actor=audit.ANONYMOUS, refused_for="many_names", group=group, details=found
        )
        log.warning(
            "sign-ins failed under many names from one address",
            address=caller.address_text,
            door=door,
            **found,
        )


def _place(door: str, caller: Caller) -> str:
    """From where somebody comes, as it is counted: agents' doors are one here, and the main door is apart."""
    place = counted_as(caller.address)
    return f"{door} {place}" if door == lockout.MAIN_DOOR else place
