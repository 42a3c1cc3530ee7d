"""Beginning and ending administrators' sessions. One that ended is gone, for every node from its next request on."""

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Administrator, AdministratorSession, AdministratorSessionQuerySet
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.web import Caller


class EndReason(models.TextChoices):
    LIMIT = "limit", "more sessions than allowed"
    PASSWORD = "password", "the password changed"
    FACTOR = "factor", "a second factor was removed"
    STOPPED = "stopped", "the administrator was made inactive"
    ENDED = "ended", "ended by the administrator"


def begin_session(administrator: Administrator, *, key: str, caller: Caller) -> None:
    """Note who signed in from where; one session more than allowed ends the least recently used."""
    with transaction.atomic():
        # This row's lock lets one sign-in at a time count the sessions there are.
        Administrator.objects.select_for_update().get(pk=administrator.pk)
        AdministratorSession.objects.filter(digest=digest_of(key)).update(
            started_at=Now(),
            last_seen_at=Now(),
            ends_at=Now() + settings.ADMINISTRATOR_LONGEST,
            address=caller.address_text,
            agent_header=caller.agent_header,
        )
        by_use = administrator.sessions.live().order_by("-last_seen_at", "-pk").values_list("pk", flat=True)
        too_many = list(by_use[settings.ADMINISTRATOR_SESSIONS :])
        end_sessions(
            administrator.sessions.filter(pk__in=too_many),
            reason=EndReason.LIMIT,
            by=f"administrator:{administrator.email}",
            caller=caller,
        )


def end_sessions(
    sessions: AdministratorSessionQuerySet, *, reason: EndReason, by: str, caller: Caller
) -> int:
    """End these sessions of one administrator; how many there were."""
    with transaction.atomic():
        of = sessions.values_list("administrator__email", flat=True).first()
        ended, _ = sessions.delete()
        if ended:
            details = {"sessions": ended, "reason": reason.value}
            audit.record(
                "administrator.end_sessions",
                caller=caller,
                actor=by,
                about=f"administrator:{of}",
                details=details,
            )
    return ended
