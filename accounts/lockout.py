"""Lock-out: five wrong passwords in a quarter of an hour lock a name at a door for half an hour.

So a name needs no limit a minute of its own: nobody has more tries than these, and right ones are no tries.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts.models import Attempt, Tally
from sso_portal.lib.metrics import locked_tries

MAIN_DOOR = "main"
SECOND_FACTOR = "second factor"  # of administrators, by e-mail: counted apart from passwords
SALT = "accounts.lockout"


def as_counted(name: str, *, is_known: bool) -> str:
    """Under which name tries are counted, of a canonical one: of somebody's the name, of nobody's a keyed digest.

    People type passwords into the wrong field, and those are not for our tables. With a new SECRET_KEY the counts of
    nobody's names begin anew, which costs nobody anything.
    """
    return name if is_known else salted_hmac(SALT, name, algorithm="sha256").hexdigest()


def may_try(*, door: str, name: str) -> bool:
    """Count this try, before its password is looked at. `name` is as counted."""
    is_open = Attempt.objects.reserve(
        door=door,
        name=name,
        failures=settings.LOCKOUT_FAILURES,
        window=settings.LOCKOUT_WINDOW,
        duration=settings.LOCKOUT_DURATION,
    )
    if not is_open:
        locked_tries.inc()
    return is_open


def give_back(*, door: str, name: str) -> None:
    """Undo one `may_try` that was granted, and came to nothing: only wrong passwords count."""
    Attempt.objects.give_back(door=door, name=name)


def forget(*, door: str, name: str) -> bool:
    """Start this name's count anew: it signed in, or an administrator unlocked it. Whether there was a count."""
    return Attempt.objects.clear(door=door, name=name)


def locked_until(*, door: str, names: Collection[str]) -> dict[str, datetime]:
    """Which of these names are locked at a door, and until when."""
    rows = Attempt.objects.locked().filter(door=door, name__in=names).values_list("name", "locked_until")
    return {name: until for name, until in rows if until is not None}


def forget_many(*, door: str, names: Collection[str]) -> int:
    """Start the counts of all these names anew; how many there were."""
    return Attempt.objects.clear_many(door=door, names=names)


def may_go_on(*, limit: str, who: str) -> bool:
    """Count one against a limit of LIMITS_PER_MINUTE; False when this minute's are used up."""
    if not settings.RATE_LIMITS:
        return True
    return Tally.objects.count_one(limit=limit, who=who, most=settings.LIMITS_PER_MINUTE[limit])


def not_counted(*, limit: str, who: str) -> None:
    """Undo one `may_go_on` that was granted, against a limit of LIMITS_PER_MINUTE: what is limited did not happen."""
    if settings.RATE_LIMITS:
        Tally.objects.give_back(limit=limit, who=who)


def use_up(*, limit: str, who: str, times: int) -> None:
    """Let what was just counted against a limit of LIMITS_PER_MINUTE count for so much more."""
    if settings.RATE_LIMITS:
        Tally.objects.use_up(limit=limit, who=who, times=times)


def may_go_on_this_hour(*, limit: str, who: str) -> bool:
    """Count one against a limit of LIMITS_PER_HOUR; False when this hour's are used up."""
    if not settings.RATE_LIMITS:
        return True
    return Tally.objects.count_one(limit=limit, who=who, most=settings.LIMITS_PER_HOUR[limit], hourly=True)
