"""Reminders: whoever keeps a key is told by mail that it ends soon, or is so old that a new one ought to be made.

A group's owners are told of its keys, operators of the secrets of clients' systems: each of them once for each key and
reason. A mail that could not be sent is tried again an hour later. If a worker dies between a mail and its note, the
mail goes out a second time, rather than never.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Administrator
from groups.inviting import in_mail
from groups.models import Group, Role
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.times import zone_of
from sso_portal.lib.web import Caller
from tokens import credentials, keys
from tokens.models import (
    ApiCredential,
    ApiKey,
    GroupKey,
    PlatformKey,
    RelyingPartySecret,
    Reminder,
    SigningPair,
    State,
)

LEASE = timedelta(hours=1)  # of one mail: far longer than it may take
Kept = GroupKey | credentials.OfClient
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reminded:
    """How many mails went out, and how many did not."""

    sent: int
    failed: int


def remind(*, is_stopping: Callable[[], bool] = lambda: False) -> Reminded:
    """Send the reminders that are due and that nobody has sent."""
    sent = failed = 0
    for group, kept in [*_of_groups(), (None, _of_clients())]:
        for administrator in _keepers(group):
            if is_stopping():
                break
            due = [one for one in kept if _claim(one, administrator)]
            if due and _send(administrator, group, due):
                sent += 1
            elif due:
                failed += 1
    return Reminded(sent, failed)


def why(kept: Kept) -> str:
    """Why its keeper is reminded of it; another end is another reason."""
    return f"ends {kept.expires_at:%Y-%m-%d}" if kept.state == State.ENDING and kept.expires_at else "old"


def _of_groups() -> Iterator[tuple[Group, Sequence[Kept]]]:
    found: dict[Group, list[Kept]] = defaultdict(list)
    for kind in (PlatformKey, ApiKey):
        for key in kind.objects.to_replace().filter(group__is_active=True).select_related("group"):
            if not keys.has_heir(key):
                found[key.group].append(key)
    yield from found.items()


def _of_clients() -> Sequence[Kept]:
    found: list[credentials.OfClient] = []
    for kind in (RelyingPartySecret, SigningPair):
        works = Q(relying_party__is_active=True, relying_party__client__is_active=True)
        found += kind.objects.to_replace().filter(works).select_related("relying_party__client")
    found += ApiCredential.objects.to_replace().filter(clients__is_active=True).distinct()
    return [one for one in found if not credentials.has_heir(one)]


def _keepers(group: Group | None) -> list[Administrator]:
    """The group's owners, or the operators."""
    keep = Q(memberships__group=group, memberships__role=Role.OWNER) if group else Q(is_staff=True)
    return list(Administrator.objects.filter(keep, is_active=True).order_by("pk"))


def _claim(one: Kept, administrator: Administrator) -> bool:
    return Reminder.objects.claim(administrator, about=one.named, why=why(one), lease=LEASE)


def _send(administrator: Administrator, group: Group | None, due: Sequence[Kept]) -> bool:
    """Send one mail about all of these, and write it down; False when nobody took it."""
    try:
        _mail(administrator, group, due).send()
    except (OSError, ValueError) as error:  # no mail server, or none that takes this address
        log.error("reminder.not_sent", error=type(error).__name__, keys=[one.named for one in due])
        return False
    about = Q()
    for one in due:
        about |= Q(about=one.named, why=why(one))
    with transaction.atomic():
        Reminder.objects.filter(about, administrator=administrator).update(sent_at=Now())
        audit.record(
            "key.remind",
            caller=Caller(new_readable_code(), None, "", "worker"),
            actor="portal",
            group=group,
            about=f"administrator:{administrator.email}",
            details={"keys": [f"{one.named} {why(one)}" for one in due]},
        )
    return True


def _mail(administrator: Administrator, group: Group | None, due: Sequence[Kept]) -> EmailMessage:
    zone = zone_of(administrator.time_zone, group.time_zone if group else "")
    name = in_mail(group.name) if group else ""
    page = reverse("keys", args=[group.pk]) if group else reverse("admin:index")
    context = {
        "group": name,
        "due": [(_named(one), one.expires_at if why(one) != "old" else None, one.created_at) for one in due],
        "link": settings.PORTAL_URL + page,
        "portal": settings.PORTAL_URL,
    }
    with translation.override(administrator.language or settings.LANGUAGE_CODE), timezone.override(zone):
        subject = (
            _("Keys of %(group)s to look after") % {"group": name} if group else _("Secrets to look after")
        )
        return EmailMessage(subject, render_to_string("mail/reminder.txt", context), to=[administrator.email])


def _named(one: Kept) -> str:
    """How people know it: by name and beginning, and by the system that shows it."""
    party = getattr(one, "relying_party", None)
    return in_mail(f"{party.client}, {party.name}: {one}" if party else str(one))
