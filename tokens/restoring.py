"""After the database was restored from a backup: what must not come back to life, and what was revoked since."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Model
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from accounts import audit
from accounts.models import Event
from groups.models import Client, ClientPerson, Group
from sso_portal.lib.sql import be_patient
from sso_portal.lib.web import Caller
from tokens import cutting_off
from tokens.changes_since import Change, in_plain_words
from tokens.cutting_off import How
from tokens.revoking_again import RULES, Applied

ACTION = "portal.restore"
# Numbers that others keep, and how many may have been given since the backup: none is given to somebody else.
LEAPS: dict[type[Model], int] = {Group: 1_000, Client: 1_000, ClientPerson: 100_000, Event: 1_000_000_000}
PATIENCE = timedelta(minutes=30)
# Changes from so long before the backup are looked at too: clocks differ, and what was written first may be read last.
MARGIN = timedelta(minutes=10)
RUNS_AGAIN = timedelta(days=7)  # so long after the first time it is the same backup that is spoken of
AT_ONCE = 500  # events that one statement asks for


@dataclass
class Restored:
    """What was done, and what is left for people."""

    ended: dict[str, int]
    since: datetime
    applied: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)  # other changes since, by action: to be made again
    later: int = 0  # changes since, which the database knows nothing of
    earlier: list[Change] = field(default_factory=list)  # changes before, of which it knows as little


def time_of_backup() -> datetime:
    """When the backup was made, as far as the database can tell.

    That is the time of its newest event; where `restored` ran in the last days, the time that it took then: whatever
    was written since that is not of the backup.
    """
    ran = Event.objects.filter(action=ACTION, at__gt=Now() - RUNS_AGAIN).order_by("-at", "-pk").first()
    if ran is not None and (taken := parse_datetime(str(ran.details.get("since", "")))):
        return taken
    newest: datetime | None = Event.objects.aggregate(Max("at"))["at__max"]
    return newest or datetime(2000, 1, 1, tzinfo=UTC)


def restored(
    changes: Iterable[Change], *, since: datetime, careful: bool = False, by: str, caller: Caller
) -> Restored:
    """End everything that was given out, revoke again what these changes revoked, and give no number twice.

    All or nothing, and as often as one likes. A change whose event is in the database is not made again. `careful` is
    for when nobody knows what was revoked: every key, and every secret of clients' software, is revoked, and no group
    is let in until somebody resumes it.
    """
    with transaction.atomic():
        be_patient(PATIENCE)
        done = Restored(cutting_off.end_everything_given_out(), since)
        done.ended["activation codes"] = cutting_off.void_activation_codes()
        done.ended["open invitations"] = cutting_off.void_invitations()
        _revoke_again(changes, done, by=by, caller=caller)
        if careful:
            _stop_all(done, by=by, caller=caller)
        for model, numbers in LEAPS.items():
            _leap(model, numbers)
        details: dict[str, Any] = {"since": since.isoformat(timespec="seconds"), "careful": careful}
        details |= done.ended | {"revoked again": len(done.applied), "left to people": len(done.by_hand)}
        audit.record(ACTION, caller=caller, actor=by, details=details)
    return done


def _revoke_again(changes: Iterable[Change], done: Restored, *, by: str, caller: Caller) -> None:
    read, begins = sorted(changes, key=lambda change: change.at), done.since - MARGIN
    known = _known(read)
    done.earlier = [change for change in read if change.at <= begins and change.event not in known]
    later = [change for change in read if change.at > begins]
    done.later = sum(change.event not in known for change in later)
    plain = [(one, change.event in known) for change in later for one in in_plain_words(change)]
    last = {one.state: one for one, _ in plain if one.state}
    for one, is_known in plain:
        rule = RULES.get(one.action)
        if is_known or (one.state and last[one.state] is not one):
            continue  # it is in the backup, or was done since; or it was undone later on, or done again
        if rule is None:
            done.lost[one.action] += 1
            continue
        applied = rule(one, by=by, caller=caller)
        if applied == Applied.YES:
            done.applied.append(str(one))
        elif applied == Applied.BY_HAND:
            done.by_hand.append(str(one))


def _known(changes: list[Change]) -> set[tuple[object, ...]]:
    """Which events the database has of these changes."""
    references = sorted({change.reference for change in changes if change.reference})
    known: set[tuple[object, ...]] = set()
    for start in range(0, len(references), AT_ONCE):
        events = Event.objects.filter(reference__in=references[start : start + AT_ONCE])
        known.update(events.values_list("reference", "action", "group_id", "agent", "object"))
    return known


def _stop_all(done: Restored, *, by: str, caller: Caller) -> None:
    for group in Group.objects.all():
        cutting_off.cut_off_group(
            group, how=How.STOP if group.is_active else How.REVOKE, by=by, caller=caller
        )
        what = "stopped, its keys revoked" if group.is_active else "its keys revoked"
        done.applied.append(f"group {group.pk}: {what}")
    for client in Client.objects.all():
        cutting_off.cut_off_client(client, how=How.REVOKE, by=by, caller=caller)
        done.applied.append(f"client {client.subdomain}: its software's secrets revoked")


def _leap(model: type[Model], numbers: int) -> None:
    """Let the next row's number be so much above the highest one there is."""
    table = model._meta.db_table
    highest = (model._default_manager.aggregate(Max("pk"))["pk__max"] or 0) + numbers
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, highest])
        else:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, highest])
