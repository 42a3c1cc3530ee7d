"""Logs: one line an event, JSON for machines or readable in the demo, with the reference of the request."""

import atexit
import functools
import json
import logging
import os
import re
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

import structlog

# Of these addresses the next part is worth an entry: of invitations, and of links to a new password.
SECRET_IN_ADDRESS = re.compile(r"(/invitations/|/password/reset/key/)[^/\s]+")
REQUEST = "request"  # the `event` of the lines that tell of a request which was answered
Facts = dict[str, str | int | float]


class Requests:
    """Lines of requests that were answered. They are written together, ten times a second, by a thread of their own.

    Each by itself, in between, would cost a tenth of a pop: what words and writes it is out of the processor's cache.
    """

    logger = logging.getLogger("portal.requests")
    pause = 0.1  # seconds

    def __init__(self) -> None:
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)  # the thread, and what waits for it, stay behind
        atexit.register(self.write)

    def _begin_anew(self) -> None:
        self.waiting: deque[tuple[float, Facts]] = deque()
        self.are_waiting = threading.Event()
        self.begin = functools.cache(self._begin)

    def tell(self, facts: Facts) -> None:
        """Have a line written. None of the facts is text that a stranger chose."""
        self.waiting.append((time.time(), facts))
        if not self.are_waiting.is_set():
            self.begin()
            self.are_waiting.set()

    def write(self) -> None:
        """Write what waits."""
        while self.waiting:
            at, facts = self.waiting.popleft()
            # Made here, so that nobody looks through the stack for the line of code that tells it.
            record = logging.LogRecord(self.logger.name, logging.INFO, "", 0, facts, None, None)
            record.created = at
            self.logger.handle(record)

    def _begin(self) -> None:
        threading.Thread(target=self._write_on, name="lines of requests", daemon=True).start()

    def _write_on(self) -> None:
        while self.are_waiting.wait():
            time.sleep(self.pause)
            self.are_waiting.clear()
            self.write()


requests = Requests()


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Words every line. Those of requests go no long way round: they are on every answer's way."""

    def __init__(self, *, is_json: bool, **named: Any) -> None:
        super().__init__(**named)
        self.is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict) or record.name != requests.logger.name:
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        if self.is_json:
            return json.dumps({"event": REQUEST, "level": "info", "timestamp": at} | record.msg)
        return f"{at} {REQUEST} " + " ".join(f"{name}={value}" for name, value in record.msg.items())


def is_bug(record: logging.LogRecord) -> bool:
    """Of what Django tells of requests that failed: what nobody chose. (A 503 was told of by whoever chose it.)"""
    return getattr(record, "status_code", 500) != 503


def formatter(style: str) -> logging.Formatter:
    """The formatter of LOG_FORMAT: `json` or `console`. From now on structlog's lines go the way of all others."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    is_json = style == "json"
    if is_json:
        last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain: the prettier formatter prints local variables, and with them passwords.
        last = [
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        ]
    return Formatter(
        is_json=is_json,
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_secrets, *last],
    )


def _without_secrets(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The event, with no secret that an address holds: Django logs the addresses of stale forms and of bugs."""
    event["event"] = SECRET_IN_ADDRESS.sub(r"\1…", str(event["event"]))
    return event
