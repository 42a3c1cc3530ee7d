"""Settings that would make the portal unsafe. They stop the server's start, and fail `manage.py check`."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
PRIVATE_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")


@register
def unsafe_settings(**_: Any) -> list[CheckMessage]:
    """Every reason not to run with these settings."""
    return [Error(text, id=f"portal.{number}") for number, text in _reasons()]


def refuse_unsafe_settings() -> None:
    """Stop the start of a server. Raises ImproperlyConfigured."""
    if reasons := [text for _, text in _reasons()]:
        raise ImproperlyConfigured(" ".join(reasons))


def _reasons() -> Iterator[tuple[str, str]]:
    if settings.DEMO and settings.PORTAL_HOST not in LOOPBACK_NAMES:
        yield "E001", "DEMO is on, and PORTAL_URL names another machine: demo passwords are no secret."
    if not settings.DEMO and not settings.HTTPS:
        yield "E002", "PORTAL_URL must begin with https://; plain http is for the demo alone."
    if not settings.DEMO and not settings.RATE_LIMITS:
        yield "E003", "RATE_LIMITS may be off in the demo alone."
    if str(settings.CACHES["default"]["BACKEND"]).endswith(PRIVATE_CACHES):
        yield "E004", "The cache must be shared between processes: leave REDIS_URL empty, or name a Redis."
    if settings.LOCKOUT_FAILURES < 2:
        yield "E005", "LOCKOUT_FAILURES must be 2 or more."
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield "E006", "TRUSTED_PROXIES must not trust every address."
    if any(network.prefixlen == 0 for network in settings.OUTGOING_PRIVATE):
        yield "E008", "OUTGOING_PRIVATE must name networks of your own, not every address."
    if len(settings.SECRET_KEY) < 32:
        yield "E007", "SECRET_KEY is too short: `python scripts/new_secrets.py` prints a good one."
