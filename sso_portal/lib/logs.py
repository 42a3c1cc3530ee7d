"""Logs: one line an event, JSON for machines or readable in the demo, with the reference of the request."""

import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

# Of these addresses the next part is worth an entry: of invitations, and of links to a new password.
SECRET_IN_ADDRESS = re.compile(r"(/invitations/|/password/reset/key/)[^/\s]+")
REQUEST = "request"  # the `event` of the lines that tell of a request which was answered
Facts = dict[str, str | int | float]
# Lines of requests that are written as one: all of them fit into what processes that share a pipe write undivided.
TOGETHER = 8

logger_of_requests = logging.getLogger("portal.requests")


def write_requests(answered: list[tuple[float, Facts]]) -> None:
    """A line for each of these requests, told with the moment of its answer: no fact is text that a stranger chose."""
    for first in range(0, len(answered), TOGETHER):
        lines = answered[first : first + TOGETHER]
        # Made here, so that nobody looks through the stack for the line of code that tells it.
        record = logging.LogRecord(logger_of_requests.name, logging.INFO, "", 0, lines, None, None)
        logger_of_requests.handle(record)


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Words every line. Those of requests, by far the most, go no long way round."""

    def __init__(self, *, is_json: bool, **named: Any) -> None:
        super().__init__(**named)
        self.is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, list) or record.name != logger_of_requests.name:
            return super().format(record)
        return "\n".join(self._line(at, facts) for at, facts in record.msg)

    def _line(self, at: float, facts: Facts) -> str:
        moment = datetime.fromtimestamp(at, UTC)
        if self.is_json:
            line = {"event": REQUEST, "level": "info", "timestamp": moment} | facts
            return orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()
        return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ} {REQUEST} " + " ".join(
            f"{name}={value}" for name, value in facts.items()
        )


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
