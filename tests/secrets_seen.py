"""A pytest plugin: it remembers every secret that the run makes or is shown, and reads every line that is logged.

A secret that stands in the log in clear fails the run. tests/attacks/test_secrets.py looks for them in the database and
in answers, too, and proves that they would be found.
"""

import functools
import logging
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import MultiFernet
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing

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


class Seen(logging.Handler):
    """The secrets that were seen, and what was logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(formatter("json"))
        self.plain: dict[int, set[str]] = defaultdict(set)  # by length, so that thousands are found at once
        self.others: set[str] = set()
        self.lines: list[str] = []
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

    def found_in(self, text: str) -> list[str]:
        """The secrets that stand in this text in clear."""
        found = [
            run[i : i + length]
            for run in PLAIN.findall(text)
            for length, known in self.plain.items()
            for i in range(len(run) - length + 1)
            if run[i : i + length] in known
        ]
        return found + [secret for secret in self.others if secret in text]

    def found_in_log(self) -> list[tuple[str, str]]:
        """Each secret that was logged, with the line that it stands in."""
        return [(secret, line) for line in self.lines for secret in self.found_in(line)]


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
    seen.remember(password)


def _clear(_result: bytes, _fernet: MultiFernet, clear: bytes, *_args: Any) -> None:
    if not clear.startswith(b"{"):  # a session, whose secrets are seen where they are made
        seen.remember(clear.decode())


def _sealed(result: str, *_args: Any, salt: str = "", **_kwargs: Any) -> None:
    if salt in PENDING:
        seen.remember(result.rpartition(":")[2])  # its signature, without which it is worth nothing


def _signed(result: str, *_args: Any, **_kwargs: Any) -> None:
    seen.remember(result.rpartition(".")[2])  # likewise


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
    ]
    for owner, name, remember in watched:
        setattr(owner, name, _remembering(getattr(owner, name), remember))
    made.secrets = _Random()  # type: ignore[assignment]
    assert signing_in.signing is signing  # or its values would pass unseen
    seen.remember(settings.SECRET_KEY)
    logging.getLogger().addHandler(seen)


@pytest.fixture(autouse=True, scope="session")
def _no_secret_is_logged() -> Iterator[None]:
    """At the end of the run: whatever it made, the log holds none of it."""
    yield
    assert seen.found_in_log() == []
