"""What failed sign-ins say of an address: one that fails often is slowed down, one that tries many names is reported.

Nobody is locked out by address, for a call center shares one; a sign-in that succeeds costs nothing here.
"""

import structlog
from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts import audit, lockout
from accounts.models import Attempt, FailedSignIn
from sso_portal.lib.web import Caller

ACTION = "sign_in.many_names"
SLOWED = 3  # sign-ins that each further failure of an address counts as, against its limit a minute
log = structlog.get_logger(__name__)


def note_failure(*, door: str, name: str, caller: Caller, group: audit.HasId | None = None) -> None:
    """Count a failed sign-in against its address; slow the address down, or report it, when there are many.

    `name` is canonical; it is kept as a keyed digest, for people type passwords into the wrong field.
    """
    address, window = caller.address_text, settings.MANY_NAMES_WINDOW
    digest = salted_hmac(ACTION, f"{door} {name}", algorithm="sha256").hexdigest()
    failed = FailedSignIn.objects.note(
        address=address, name=digest, within=settings.MANY_FAILURES_WINDOW, names_within=window
    )
    if failed.times > settings.MANY_FAILURES:
        lockout.use_up(limit="sign-in address", who=address, times=SLOWED - 1)
    if failed.names < settings.MANY_NAMES:
        return
    if Attempt.objects.begin_window(door=ACTION, name=address, window=window):
        found = {"names": failed.names, "minutes": int(window.total_seconds() // 60)}
        audit.record(
            ACTION, caller=caller, actor=audit.ANONYMOUS, refused_for="many_names", group=group, details=found
        )
        log.warning("sign-ins failed under many names from one address", address=address, door=door, **found)
