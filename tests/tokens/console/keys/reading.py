"""More keys of a group, their refused calls, and what is read of the page of keys."""

import re
from datetime import timedelta

from django.utils import timezone

from accounts.models import Event, Outcome
from sso_portal.lib.secrets import new_readable_code, new_secret
from tests import factories
from tokens.models import PlatformKey

SECRET = re.compile(r"pk_[\w-]{43}")
WEEK = "604800"  # seconds


def another(group, **fields) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, secret=new_secret("pk_"), **fields)


def lamps_of(response) -> list[str]:
    """The words beside the lamps: the group's own first."""
    return [word.strip() for word in re.findall(r"</svg>\s*([^<]*?)\s*</span>", response.content.decode())]


def refuse(group, reason, *, detail="", door="platform", hours=1) -> Event:
    return Event.objects.create(
        at=timezone.now() - timedelta(hours=hours),
        reference=new_readable_code(),
        action="login.issue",
        door=door,
        outcome=Outcome.REFUSED,
        reason=reason,
        group_id=group.pk,
        details={"detail": detail} if detail else {},
    )
