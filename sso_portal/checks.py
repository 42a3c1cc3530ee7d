"""Settings that would make the portal unsafe. They stop the server's start, and fail `manage.py check`.

What is merely unwise is a warning. What only the database can tell is looked at by `check --deploy --database default`.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from accounts.triggers import KEPT_AT_LEAST

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1", "")
PRIVATE_CACHES = ("locmem.LocMemCache", "dummy.DummyCache", "filebased.FileBasedCache")
NO_MAIL = ("console.EmailBackend", "filebased.EmailBackend", "locmem.EmailBackend", "dummy.EmailBackend")
SHORTEST_SECRET, FEWEST_CHARACTERS = 32, 8
LONGEST_LOGIN_TOKEN = timedelta(minutes=5)
MOST_FAILURES, SHORTEST_LOCK = 20, timedelta(minutes=5)
LONGEST_WAIT = 60_000  # milliseconds that a statement, or the wait for a lock, may be allowed
WIDEST = {4: 8, 6: 16}  # no network of one's own is wider
WIDE_PUBLIC = {4: 24, 6: 64}
CLOCKS_APART = timedelta(seconds=5)
HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
SET_AT_START = re.compile(r"(?:-c\s*|--)([\w-]+)=(\S+)")
DATABASES = ("sso_portal.lib.postgresql", "django.db.backends.sqlite3")
NEW_SECRET = "`python scripts/new_secrets.py` prints a good one."  # noqa: S105  (advice)

Reasons = Iterator[tuple[str, str]]


@register
def unsafe_settings(**_: Any) -> list[CheckMessage]:
    """Every reason not to run with these settings, and what is unwise about them."""
    errors = [Error(text, id=f"portal.{number}") for number, text in _reasons()]
    return [*errors, *(Warning(text, id=f"portal.{number}") for number, text in _doubts())]


@register(Tags.database, deploy=True)
def unsafe_database(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """What the database itself says about how it is used."""
    if "default" not in (databases or ()) or connections["default"].vendor != "postgresql":
        return []
    return [Error(text, id=f"portal.{number}") for number, text in _reasons_of_postgresql()]


def refuse_unsafe_settings() -> None:
    """Stop the start of a server. Raises ImproperlyConfigured."""
    if reasons := [text for _, text in _reasons()]:
        raise ImproperlyConfigured(" ".join(reasons))


def _reasons() -> Reasons:
    yield from _demo()
    yield from _secrets()
    yield from _names()
    yield from _policy()
    yield from _networks()
    yield from _database()
    yield from _beside()


def _demo() -> Reasons:
    if settings.DEMO and settings.PORTAL_HOST not in LOOPBACK_NAMES:
        yield "E001", "DEMO is on, and PORTAL_URL names another machine: demo passwords are no secret."
    if not settings.DEMO and not settings.HTTPS:
        yield "E002", "PORTAL_URL must begin with https://; plain http is for the demo alone."
    if not settings.DEMO and not settings.RATE_LIMITS:
        yield "E003", "RATE_LIMITS may be off in the demo alone."
    if settings.DEBUG:
        yield "E009", "DEBUG is on: error pages would show the portal's inside."


def _secrets() -> Reasons:
    signing = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    for name, keys in (("SECRET_KEY", signing[:1]), ("SECRET_KEY_FALLBACKS", signing[1:])):
        if any(map(_is_weak, keys)):
            yield "E007", f"{name} is too short or not random: {NEW_SECRET}"
    if settings.SECRET_KEY in settings.SECRET_KEY_FALLBACKS:
        yield "E010", "SECRET_KEY is one of SECRET_KEY_FALLBACKS too: nothing was rotated."
    if set(signing) & set(settings.ENCRYPTION_KEYS):
        yield "E011", "SECRET_KEY and ENCRYPTION_KEY must differ: they are kept in different hands."
    if not settings.ENCRYPTION_KEYS or (not settings.DEMO and any(map(_is_weak, settings.ENCRYPTION_KEYS))):
        yield "E012", f"ENCRYPTION_KEY is too short or not random: {NEW_SECRET}"


def _is_weak(key: str) -> bool:
    return len(key) < SHORTEST_SECRET or len(set(key)) < FEWEST_CHARACTERS


def _names() -> Reasons:
    portal, domain = urlsplit(settings.PORTAL_URL), settings.CLIENT_DOMAIN
    if not portal.hostname or portal.path or portal.query or portal.fragment or "@" in portal.netloc:
        yield "E013", "PORTAL_URL is scheme and host alone, like https://portal.example.com."
    if not HOST_NAME.fullmatch(domain) or _is_address(domain) or ("." not in domain and not settings.DEMO):
        yield (
            "E014",
            "CLIENT_DOMAIN is a host name alone, like portal.example.com: no scheme, port, dot before it or *.",
        )


def _policy() -> Reasons:
    if not 2 <= settings.LOCKOUT_FAILURES <= MOST_FAILURES:
        yield "E005", f"LOCKOUT_FAILURES must be 2 to {MOST_FAILURES}."
    if min(settings.LOCKOUT_WINDOW, settings.LOCKOUT_DURATION) < SHORTEST_LOCK:
        yield "E015", "LOCKOUT_WINDOW_MINUTES and LOCKOUT_MINUTES must be 5 or more, or guessing pays."
    if not timedelta(seconds=5) <= settings.LOGIN_TOKEN_LIFETIME <= LONGEST_LOGIN_TOKEN:
        yield (
            "E016",
            "LOGIN_TOKEN_SECONDS must be 5 to 300: whoever finds an older token must find it worthless.",
        )
    if settings.EVENTS_KEPT < KEPT_AT_LEAST:
        yield (
            "E026",
            f"EVENTS_KEPT_DAYS must be {KEPT_AT_LEAST.days} or more: the database removes nothing younger.",
        )


def _networks() -> Reasons:
    if any(map(_is_too_wide, settings.TRUSTED_PROXIES)):
        yield "E006", "TRUSTED_PROXIES must name your own proxies, not (nearly) every address."
    if any(map(_is_too_wide, settings.OUTGOING_PRIVATE)):
        yield "E008", "OUTGOING_PRIVATE must name networks of your own, not (nearly) every address."


def _is_too_wide(network: Any) -> bool:
    return bool(network.prefixlen < (7 if network.is_private else WIDEST[network.version]))


def _database() -> Reasons:
    database = settings.DATABASES["default"]
    options = database.get("OPTIONS", {})
    if database["ENGINE"] not in DATABASES:
        yield "E017", "DATABASE_URL must name PostgreSQL (postgres://) or SQLite (sqlite:///)."
        return
    if database.get("ATOMIC_REQUESTS") or database.get("AUTOCOMMIT") is not True:
        yield (
            "E018",
            "DATABASE_URL must not change ATOMIC_REQUESTS or AUTOCOMMIT: tokens are spent before they count.",
        )
    if database["ENGINE"].endswith("sqlite3"):
        return
    if "isolation_level" in options or "assume_role" in options:
        yield "E019", "DATABASE_URL must not change the isolation level or the role."
    given = SET_AT_START.findall(options.get("options", ""))
    set_at_start = {name.replace("-", "_"): value for name, value in given}  # of two, the last holds
    waits = [set_at_start.get(name, "0") for name in ("statement_timeout", "lock_timeout")]
    if not all(wait.isdigit() and 0 < int(wait) <= LONGEST_WAIT for wait in waits):
        yield (
            "E020",
            "DATABASE_URL takes statement_timeout or lock_timeout away: give them in milliseconds, 1 to 60000.",
        )
    if not 0 < int(options.get("connect_timeout", 0)) <= 10:
        yield "E021", "DATABASE_URL: connect_timeout must be 1 to 10 seconds."


def _beside() -> Reasons:
    cache, redis = settings.CACHES["default"], _redis()
    if str(cache["BACKEND"]).endswith(PRIVATE_CACHES):
        yield "E004", "The cache must be shared between processes: leave REDIS_URL empty, or name a Redis."
    timeouts = ("socket_timeout", "socket_connect_timeout")
    if redis and not all(0 < float(cache.get("OPTIONS", {}).get(name) or 0) <= 10 for name in timeouts):
        yield "E022", "REDIS_URL: socket_timeout and socket_connect_timeout must be 1 to 10 seconds."
    if redis and redis.password and redis.scheme == "redis" and redis.hostname not in LOOPBACK_NAMES:
        yield "E023", "REDIS_URL sends a password through the network in clear: use rediss://."
    in_clear = (
        not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL) and settings.EMAIL_HOST not in LOOPBACK_NAMES
    )
    if in_clear and settings.EMAIL_HOST_PASSWORD:
        yield (
            "E024",
            "EMAIL_URL sends a password through the network in clear: use smtp+tls:// or smtp+ssl://.",
        )
    if settings.LOG_FORMAT not in ("json", "console"):
        yield "E025", "LOG_FORMAT is json or console."
    if settings.METRICS_TOKEN and _is_weak(settings.METRICS_TOKEN):
        yield "E027", "METRICS_TOKEN is too short or not random: 32 random characters or more."
    if settings.TRACES_GO_TO and not settings.CAN_TRACE:
        yield (
            "E028",
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and what sends traces is not installed: requirements-tracing.txt.",
        )


def _redis() -> Any:
    location = settings.CACHES["default"].get("LOCATION", "")
    parts = urlsplit(location[0] if isinstance(location, list | tuple) and location else str(location))
    return parts if parts.scheme in ("redis", "rediss") else None


def _doubts() -> Reasons:
    """What works, and is likely to be a mistake."""
    if settings.DEMO:
        return
    host, domain = settings.PORTAL_HOST, settings.CLIENT_DOMAIN
    if host.endswith(f".{domain}") and "." not in host.removesuffix(f".{domain}"):
        yield (
            "W001",
            f"No client can have the subdomain {host.removesuffix(f'.{domain}')}: the portal is there.",
        )
    if _is_address(host):
        yield "W002", "PORTAL_URL holds an address: passkeys and certificates need a name."
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") and _redis():
        yield "W003", "SQLite serves one node; several nodes, as Redis suggests, need PostgreSQL."
    for network in settings.TRUSTED_PROXIES:
        if network.is_global and network.prefixlen < WIDE_PUBLIC[network.version]:
            yield (
                "W004",
                f"TRUSTED_PROXIES: whoever calls from {network}, a public network, chooses his own address.",
            )
    if settings.EMAIL_BACKEND.endswith(NO_MAIL):
        yield "W005", "EMAIL_URL sends no mail: nobody can be invited, or reset a password."
    shortest = timedelta(minutes=15)
    if settings.LOCKOUT_FAILURES > 10 or shortest > settings.LOCKOUT_DURATION:
        yield "W006", "The lock-out is weaker than 10 wrong passwords in, and 15 minutes after."
    if len(settings.SECRET_KEY) < 50:
        yield "W007", f"SECRET_KEY ought to have 50 characters: {NEW_SECRET}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _reasons_of_postgresql() -> Reasons:
    names = ("statement_timeout", "lock_timeout", "default_transaction_isolation", "server_encoding")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        is_superuser = cursor.fetchone()[0]
        cursor.execute("SELECT " + ", ".join("current_setting(%s)" for _ in names), names)
        told = dict(zip(names, cursor.fetchone(), strict=True))
        cursor.execute("SELECT clock_timestamp()")
        apart = abs(cursor.fetchone()[0] - datetime.now(UTC))
    if is_superuser and not settings.DEMO:
        yield "E030", "The portal is a superuser of its database: the audit log's grants would not bind it."
    if "0" in (told["statement_timeout"], told["lock_timeout"]):
        yield (
            "E031",
            (
                "The database does not know the portal's timeouts; a pooler in between may drop them. Set them for the "
                "role: ALTER ROLE … SET statement_timeout = '5s'; ALTER ROLE … SET lock_timeout = '2s'."
            ),
        )
    if told["default_transaction_isolation"] != "read committed":
        yield "E032", "The database's default_transaction_isolation must be read committed."
    if told["server_encoding"] != "UTF8":
        yield "E033", "The database must be encoded in UTF8: names are written in every script."
    if apart > CLOCKS_APART:
        seconds = int(apart.total_seconds())
        yield "E034", f"This machine's clock and the database's are {seconds} seconds apart: run NTP on both."
