"""Work on an import that goes on beside the web's requests: in a thread, by one at a time.

Whoever works on an import holds its `worker` name and says every few hundred rows how far he is. One who falls silent
loses his turn to the next who claims it, and can write nothing more: all he writes is conditional on that name.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from groups.models import AgentImport, Group, ImportState
from groups.models.agent_import import SILENCE, new_worker
from sso_portal.lib.refusals import Refusal, Refused

AT_ONCE = 500  # rows between two signs of life
BUSY = Refusal(
    "import_busy",
    gettext_noop("Another file of this group is being worked on. Please wait until it is done."),
    409,
)
log = structlog.get_logger(__name__)
T = TypeVar("T")


class LostTurn(Exception):
    """Somebody else works on the import now."""


def wait_for_turn(group: Group) -> None:
    """Hold the group's other imports off until the transaction ends. Raises Refused while one is at work."""
    # no_key: rows that point to the group, such as logins, can be written meanwhile.
    Group.objects.select_for_update(no_key=True).get(pk=group.pk)
    if AgentImport.objects.filter(group=group).at_work().exists():
        raise Refused(BUSY)


def claim(asked: AgentImport, *, to: ImportState) -> str | None:
    """Take the import over, for checking or for applying; the worker's name, None when it is not there to be taken.

    Raises Refused while another import of the group is at work.
    """
    ready = Q(state=ImportState.CHECKED) if to == ImportState.APPLYING else Q(pk=None)
    silent = Q(state=to, beat_at__lte=Now() - SILENCE)
    worker = new_worker()
    with transaction.atomic():
        wait_for_turn(asked.group)
        won = AgentImport.objects.filter(ready | silent, pk=asked.pk).update(
            state=to, worker=worker, beat_at=Now(), rows_done=0, failure=""
        )
    return worker if won else None


def say_alive(import_id: int, worker: str, *, rows_done: int) -> None:
    """Tell how far the work is. Raises LostTurn."""
    mine = AgentImport.objects.filter(pk=import_id, worker=worker)
    if not mine.update(beat_at=Now(), rows_done=rows_done):
        raise LostTurn


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows, as many at a time as are worked on between two signs of life."""
    rest = iter(rows)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def start(work: Callable[[], None]) -> threading.Thread:
    """Do this beside the web's requests, on a database connection of its own."""
    thread = threading.Thread(target=_in_thread, args=[work], name="import")
    thread.start()
    return thread


def _in_thread(work: Callable[[], None]) -> None:
    try:
        work()
    except LostTurn:
        log.warning("import.lost_turn")
    except Exception:
        log.exception("import.broke")
    finally:
        connection.close()
