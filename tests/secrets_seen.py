"""A pytest plugin: it remembers every secret that a test makes or is shown, and looks where none may stand in clear.

After each test: in what was logged, in every answer of 400 and above, and in every row of the database. A test that
leaves one there fails. So it is after every attack; after every test of all where SECRETS=everywhere (make secrets).
tests/attacks/test_secrets.py makes every kind of secret, and proves that they would be found.
"""

import functools
import logging
import os
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from cryptography.fernet import MultiFernet
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.core.handlers.base import BaseHandler
from django.db import Error, connection
from django.http import HttpResponseBase

from groups import signing_in, standing
from sso_portal.lib import secrets as made
from sso_portal.lib.hashing import PeopleHasher
from sso_portal.lib.logs import formatter
from sso_portal.lib.secrets import canonical_code
from tests import factories
from tokens import signing_keys

SHORTEST = 12  # what is shorter stands in texts by chance
PLAIN = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST},}}")  # what almost all secrets are made of
PENDING = ("agent.pending.password", "agent.pending.factor")  # signed values that are worth a sign-in
CONSTANTS = (
    *(factories.PASSWORD, factories.TOTP_SECRET, factories.SECRET, factories.PLATFORM_KEY, factories.API_KEY),
    *(factories.SIGNING_API_KEY, factories.SHARED_KEY, factories.CREDENTIAL_SECRET),
)
UNSEARCHED = ("django_migrations", "django_content_type", "auth_permission")  # nobody writes there
EVERYWHERE = os.environ.get("SECRETS") == "everywhere"
Place = tuple[str, str]  # what was found, and where


class Seen(logging.Handler):
    """The secrets that were seen, and where they might stand."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(formatter("json"))
        self.plain: dict[int, set[str]] = defaultdict(set)  # by length, so that thousands are found at once
        self.others: set[str] = set()
        self.typed: set[str] = set()  # passwords: for one test, since another may call a person so
        self.lines: list[str] = []
        self.answers: list[str] = []
        self.searched: Counter[str] = Counter()
        for secret in CONSTANTS:
            self.remember(secret)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def remember(self, secret: str) -> None:
        """Look for this one, from now on."""
        if PLAIN.fullmatch(secret):
            self.plain[len(secret)].add(secret)
        elif len(secret.strip()) >= SHORTEST:
            self.others.add(secret)

    def found_in(self, text: str) -> set[str]:
        """The secrets that stand in this text in clear."""
        found = {
            run[i : i + length]
            for run in set(PLAIN.findall(text))
            for length, known in self.plain.items()
            for i in range(len(run) - length + 1)
            if run[i : i + length] in known
        }
        return found | {secret for secret in self.others | self.typed if secret in text}

    def found(self, *, rows: Iterable[Place] = ()) -> list[Place]:
        """Each secret that stands somewhere in clear since this was last asked; what was searched is counted."""
        places = [("log lines", line) for line in self.lines]
        places += [("answers", answer) for answer in self.answers]
        places += [(f"rows of {table}", row) for table, row in rows]
        self.searched.update(kind.partition(" of ")[0] for kind, _ in places)
        found = self.found_in("\n".join(text for _, text in places))  # all at once: almost always it is none
        told = [
            (secret, f"{kind}: {text[:2000]}") for secret in found for kind, text in places if secret in text
        ]
        self.lines, self.answers = [], []
        return told


def rows() -> Iterator[Place]:
    """Every row of every table, as text, with its table; sessions and the shared cache included."""
    with connection.cursor() as cursor:
        cursor.execute(_which_are_filled(connection.vendor))
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor:
                yield table, "\n".join(map(_text, row))


@functools.cache
def _which_are_filled(_vendor: str) -> str:
    """One statement that names the tables with rows."""
    tables = [table for table in connection.introspection.table_names() if table not in UNSEARCHED]
    return " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM \"{t}\")" for t in tables)


def _text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


seen = Seen()


class _Random:
    """The module `secrets`, as `sso_portal.lib.secrets` uses it, remembering what it gives out."""

    def __getattr__(self, name: str) -> Any:
        return getattr(secrets, name)

    @staticmethod
    def token_urlsafe(length: int) -> str:
        secret = secrets.token_urlsafe(length)
        seen.remember(secret)
        return secret


def _remembering(act: Callable[..., Any], remember: Callable[..., None]) -> Callable[..., Any]:
    """The same act, whose arguments and result are looked at."""

    @functools.wraps(act)
    def watched(*args: Any, **kwargs: Any) -> Any:
        result = act(*args, **kwargs)
        remember(result, *args, **kwargs)
        return result

    return watched


def _result(result: str, *_args: Any, **_kwargs: Any) -> None:
    seen.remember(result)


def _code(result: str, *_args: Any) -> None:
    seen.remember(result)
    seen.remember(canonical_code(result))


def _password(_result: Any, _hasher: PeopleHasher, password: str, *_args: Any) -> None:
    if len(password.strip()) >= SHORTEST:
        seen.typed.add(password)


def _clear(_result: bytes, _fernet: MultiFernet, clear: bytes, *_args: Any) -> None:
    if not clear.startswith(b"{"):  # a session, whose secrets are seen where they are made
        seen.remember(clear.decode())


def _sealed(result: str, *_args: Any, salt: str = "", **_kwargs: Any) -> None:
    if salt in PENDING:
        seen.remember(result.rpartition(":")[2])  # its signature, without which it is worth nothing


def _signed(result: str, *_args: Any, **_kwargs: Any) -> None:
    seen.remember(result.rpartition(".")[2])  # likewise


def _answer(response: HttpResponseBase, *_args: Any) -> None:
    if seen in logging.getLogger().handlers and response.status_code >= 400 and not response.streaming:
        text = response.content.decode(errors="replace")
        seen.answers.append(f"{response.status_code} {dict(response.headers)} {text}")


def pytest_sessionstart() -> None:
    """Watch whatever makes a secret, or is shown one; all of it goes on working."""
    watched: list[tuple[Any, str, Callable[..., None]]] = [
        (PeopleHasher, "encode", _password),
        (PeopleHasher, "verify", _password),
        (MultiFernet, "encrypt", _clear),
        (SessionBase, "_get_new_session_key", _result),
        (PasswordResetTokenGenerator, "make_token", _result),
        (signing, "dumps", _sealed),
        (signing_keys, "sign", _signed),
        (standing, "new_readable_code", _code),
        (BaseHandler, "get_response", _answer),
    ]
    for owner, name, remember in watched:
        setattr(owner, name, _remembering(getattr(owner, name), remember))
    made.secrets = _Random()  # type: ignore[assignment]
    assert signing_in.signing is signing  # or its values would pass unseen
    seen.remember(settings.SECRET_KEY)


def is_searched(item: pytest.Item) -> bool:
    """Whether secrets are looked for after this test."""
    return EVERYWHERE or item.nodeid.startswith("tests/attacks/")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Read what is logged: each time anew, since whoever sets Django up takes all other handlers away."""
    seen.typed = set()
    if is_searched(item):
        logging.getLogger().addHandler(seen)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Look, while what the test did is still there; fail once it was put in order."""
    found = _found_after(item) if is_searched(item) else []
    logging.getLogger().removeHandler(seen)
    yield
    assert not found or item.get_closest_marker("plants_secrets"), f"Secrets in clear: {found}"


def _found_after(item: pytest.Item) -> list[Place]:
    seen.searched["tests"] += 1
    return seen.found(rows=_rows_left_by(item))


def _rows_left_by(item: pytest.Item) -> list[Place]:
    if not item.get_closest_marker("django_db"):
        return []
    try:
        return list(rows())
    except Error:  # taken away by the test, or in the middle of what is undone anyway
        seen.searched["tests whose database could not be read"] += 1
        return []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Count what was looked for; a worker of pytest-xdist tells the process that started it."""
    seen.searched["secrets"] += sum(map(len, seen.plain.values())) + len(seen.others)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["searched"] = dict(seen.searched)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    seen.searched.update(getattr(node, "workeroutput", {}).get("searched", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = ", ".join(f"{number} {kind}" for kind, number in sorted(seen.searched.items()))
    terminalreporter.write_line(f"Secrets were looked for: {counted}")
