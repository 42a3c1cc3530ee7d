"""The worker: what the portal does that nobody waits for.

It passes log-outs on at once, seals the audit log every minute, and every hour removes what has served its time.
"""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from accounts.releasing import NotProven, may_release, release_old_days
from accounts.sealing import seal
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens.logging_out import LATELY, due, tell_all

LOOK_EVERY = 1.0  # seconds
LOOK_AGAIN_AT_MOST = 10.0  # seconds, while the database is away
SEAL_EVERY = 60.0  # seconds
CLEAN_EVERY = 3600.0  # seconds
AT_ONCE = 400  # log-outs that are looked up at once
LANES, THREADS = 4, 16  # requests that one relying party gets at once; that all get
DATABASE_AWAY = (OperationalError, InterfaceError)
log = structlog.get_logger(__name__)


@dataclass
class Stop:
    """Remembers that somebody asked us to end. (An Event's lock is not for signal handlers.)"""

    asked: bool = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """The handler of a signal that asks us to end."""
        self.asked = True

    def is_asked(self) -> bool:
        return self.asked

    def wait(self, seconds: float) -> None:
        """Wait, at most until somebody asks."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.1, left))


def work(stop: Stop, *, clean_up: Callable[[], object]) -> None:
    """Work until somebody asks to end, whatever becomes of the database meanwhile; then end what was begun."""
    at_work: dict[Hashable, Future[object]] = {}
    jobs: dict[str, tuple[float, Callable[[], object]]] = {
        "cleanup": (CLEAN_EVERY, clean_up),
        "sealing": (SEAL_EVERY, lambda: seal(is_stopping=stop.is_asked)),
        "retention": (CLEAN_EVERY, lambda: remove_old_events(is_stopping=stop.is_asked)),
    }
    due_at, pause = dict.fromkeys(jobs, 0.0), LOOK_EVERY
    log.info("worker.started")
    with ThreadPoolExecutor(THREADS + len(jobs), thread_name_prefix="worker") as pool:
        while not stop.asked:
            for name in [name for name, future in at_work.items() if future.done()]:
                del at_work[name]
            is_hour = time.monotonic() >= due_at["cleanup"]
            try:
                close_old_connections()
                _pass_on(pool, at_work, stop=stop, all_since=None if is_hour else LATELY)
                pause = LOOK_EVERY
            except DATABASE_AWAY as error:
                connection.close()
                pause = min(2 * pause, LOOK_AGAIN_AT_MOST)
                log.warning("worker.database_away", error=type(error).__name__, looks_again_in=pause)
            else:
                for name, (every, job) in jobs.items():
                    if time.monotonic() >= due_at[name] and name not in at_work:
                        at_work[name] = pool.submit(_do, job)
                        due_at[name] = time.monotonic() + every
            stop.wait(pause)
    connection.close()
    log.info("worker.ended")


def pass_on_once() -> int:
    """Pass on what is due now, each once; how many were taken."""
    return sum(tell_all(handoffs) for handoffs in due(most=25 * AT_ONCE, all_since=None).values())


def remove_old_events(*, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Remove the days of the audit log whose time is over, where our role may; how many events."""
    if not may_release():
        return 0
    caller = Caller(new_readable_code(), None, "", "worker")
    try:
        return release_old_days(by="worker", caller=caller, is_stopping=is_stopping).events
    except NotProven as error:
        log.error("audit.not_proven", fault=str(error))
        return 0


def _pass_on(
    pool: ThreadPoolExecutor,
    at_work: dict[Hashable, Future[object]],
    *,
    stop: Stop,
    all_since: timedelta | None,
) -> None:
    """Begin to tell each relying party that is not being told already, in lanes of its own."""
    busy = {name[0] for name in at_work if isinstance(name, tuple)}
    for party, handoffs in due(most=AT_ONCE, all_since=all_since, but_for=busy).items():
        for lane in range(min(LANES, len(handoffs))):
            at_work[party, lane] = pool.submit(
                _do, tell_all, handoffs[lane::LANES], is_stopping=stop.is_asked
            )


def _do(task: Callable[..., object], *arguments: object, **named: object) -> object:
    """Do this in a thread of the pool; what goes wrong is written down, and is tried again."""
    try:
        return task(*arguments, **named)
    except DATABASE_AWAY as error:
        log.warning("worker.database_away", error=type(error).__name__)
    except Exception:
        log.exception("worker.broke")
    finally:
        connection.close()
    return None
