"""Whether an error is of a part that is away, full or read-only. That is no bug: it is answered with 503."""

import structlog
from django.db import InterfaceError, InternalError, OperationalError

READ_ONLY = (
    "25006"  # PostgreSQL's code: in a standby, or while somebody keeps the database from being written
)
REDIS = "redis.exceptions"  # by name, so that nobody who does without Redis imports it


log = structlog.get_logger(__name__)


def tell_outage(error: BaseException) -> None:
    """Write down what the driver heard. In a line: this is no bug, and there may be thousands until it is over."""
    heard = str(error).strip().partition("\n")[0]
    log.error("database unavailable", error=type(error).__name__, heard=heard)


def is_outage(error: object) -> bool:
    """Whether the database or the cache cannot do its work at the moment: the same request may succeed later."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "pgcode", "") == READ_ONLY
    return any(kind.__module__ == REDIS and kind.__name__ == "RedisError" for kind in type(error).__mro__)
