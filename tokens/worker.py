"""The worker: what the portal does that nobody waits for. It passes log-outs on at once, and does jobs in time."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import structlog
from django.db import close_old_connections, connection

from sso_portal.lib.outages import is_outage
from sso_portal.lib.secrets import new_readable_code
from tokens import jobs
from tokens.logging_out import LATELY, due, tell_all

LOOK_EVERY = 1.0  # seconds
LOOK_AGAIN_AT_MOST = 10.0  # seconds, while the database is away
ASK_EVERY = 5.0  # seconds, for jobs that are due
LOOK_AT_ALL_EVERY = 3600.0  # seconds: else at what was logged out lately
AT_ONCE = 400  # log-outs that are looked up at once
LANES, THREADS = 4, 16  # requests that one relying party gets at once; that all get
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


@dataclass
class Every:
    """Tells when it is time again; the first time is now."""

    seconds: float
    at: float = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self.at

    def begin(self) -> None:
        self.at = time.monotonic() + self.seconds


def work(stop: Stop) -> None:
    """Work until somebody asks to end, whatever becomes of the database meanwhile; then end what was begun."""
    at_work: dict[Hashable, Future[object]] = {}
    look_at_all, ask, pause = Every(LOOK_AT_ALL_EVERY), Every(ASK_EVERY), LOOK_EVERY
    log.info("worker.started")
    with ThreadPoolExecutor(THREADS + len(jobs.JOBS), thread_name_prefix="worker") as pool:
        while not stop.asked:
            for name in [name for name, future in at_work.items() if future.done()]:
                del at_work[name]
            try:
                close_old_connections()
                is_hour, is_time = look_at_all.is_due(), ask.is_due()
                _pass_on(pool, at_work, stop=stop, all_since=None if is_hour else LATELY)
                if is_hour:
                    look_at_all.begin()
                if is_time:
                    _begin_jobs(pool, at_work, stop=stop)
                    ask.begin()
                pause = LOOK_EVERY
            except Exception as error:
                if not is_outage(error):
                    raise
                connection.close()
                pause = min(2 * pause, LOOK_AGAIN_AT_MOST)
                log.warning("worker.database_away", error=type(error).__name__, looks_again_in=pause)
            stop.wait(pause)
    connection.close()
    log.info("worker.ended")


def pass_on_once() -> int:
    """Pass on what is due now, each once; how many were taken."""
    return sum(tell_all(handoffs) for handoffs in due(most=25 * AT_ONCE, all_since=None).values())


def _begin_jobs(pool: ThreadPoolExecutor, at_work: dict[Hashable, Future[object]], *, stop: Stop) -> None:
    """Begin the jobs that are due and that no other worker took."""
    for name in jobs.due():
        if name not in at_work and jobs.take(name):
            at_work[name] = pool.submit(_do, jobs.do, name, is_stopping=stop.is_asked)


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
    structlog.contextvars.bind_contextvars(reference=new_readable_code())  # in each of its lines
    try:
        return task(*arguments, **named)
    except jobs.CannotDoAll as left:
        log.error("worker.cannot_do_all", why=str(left))
    except Exception as error:
        if is_outage(error):
            log.warning("worker.database_away", error=type(error).__name__)
        else:
            log.exception("worker.broke")
    finally:
        connection.close()
        structlog.contextvars.clear_contextvars()
    return None
