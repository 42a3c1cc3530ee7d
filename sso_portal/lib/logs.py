"""Logs: one line an event, JSON for machines or readable in the demo, with the reference of the request."""

import logging
import re
from typing import Any

import structlog

# Of these addresses the next part is worth an entry: of invitations, and of links to a new password.
SECRET_IN_ADDRESS = re.compile(r"(/invitations/|/password/reset/key/)[^/\s]+")


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
    if style == "json":
        last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain: the prettier formatter prints local variables, and with them passwords.
        last = [
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_secrets, *last],
    )


def _without_secrets(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The event, with no secret that an address holds: Django logs the addresses of stale forms and of bugs."""
    event["event"] = SECRET_IN_ADDRESS.sub(r"\1…", str(event["event"]))
    return event
