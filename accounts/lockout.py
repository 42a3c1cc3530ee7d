"""Lock-out: five wrong passwords in a quarter of an hour lock a name at a door for half an hour."""

from django.conf import settings

from accounts.models import Attempt, Tally
from sso_portal.lib.secrets import digest_of

MAIN_DOOR = "main"
LONGEST_NAME = 254


def may_try(*, door: str, name: str) -> bool:
    """Count this try, before its password is looked at. `name` is canonical; it need not exist."""
    return Attempt.objects.reserve(
        door=door,
        name=_kept(name),
        failures=settings.LOCKOUT_FAILURES,
        window=settings.LOCKOUT_WINDOW,
        duration=settings.LOCKOUT_DURATION,
    )


def forget(*, door: str, name: str) -> bool:
    """Start this name's count anew: it signed in, or an administrator unlocked it. Whether there was a count."""
    return Attempt.objects.clear(door=door, name=_kept(name))


def _kept(name: str) -> str:
    """The name as the counter keeps it: two long names never share one."""
    return name if len(name) <= LONGEST_NAME else f"sha256:{digest_of(name)}"


def may_go_on(*, limit: str, who: str) -> bool:
    """Count one against a limit of LIMITS_PER_MINUTE; False when this minute's are used up."""
    if not settings.RATE_LIMITS:
        return True
    return Tally.objects.count_one(limit=limit, who=who, most=settings.LIMITS_PER_MINUTE[limit])
