"""Password hashing for people: argon2id, behind a gate that keeps a sign-in storm from eating the memory."""

import os
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.utils.translation import gettext_noop

from sso_portal.lib.metrics import password_wait
from sso_portal.lib.refusals import Refusal, Refused

LONGEST_PASSWORD = 4096  # characters; no longer one is ever right
GATE_WAIT = 2.0  # seconds
_gate = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))


@contextmanager
def _through_the_gate() -> Iterator[None]:
    """At most two hashes a core at once in this process; the rest wait, then are told to come back."""
    began = time.monotonic()
    is_through = _gate.acquire(timeout=GATE_WAIT)
    password_wait.observe(time.monotonic() - began)
    if not is_through:
        busy = Refusal(
            "busy", gettext_noop("Many people are signing in right now. Please try again in a moment."), 503
        )
        raise Refused(busy, retry_after=2)
    try:
        yield
    finally:
        _gate.release()


def _can_be_right(password: str) -> bool:
    """Whether anybody can have chosen it: it is not too long, and it is text (JSON can say half a character)."""
    return len(password) <= LONGEST_PASSWORD and is_encodable(password)


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can say this: no half of a surrogate pair is in it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _comparable(password: str) -> str:
    # Cut first: normalising takes time that grows with the square of the length, and holds every other thread up.
    normal = unicodedata.normalize("NFKC", password[:LONGEST_PASSWORD])
    return normal.encode(errors="replace").decode()  # never an error; see `_can_be_right`


class PeopleHasher(Argon2PasswordHasher):
    """argon2id with 19 MiB, t=2, p=1 (OWASP's figures); passwords are compared in NFKC, so that keyboards agree."""

    time_cost = 2
    memory_cost = 19456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _through_the_gate():
            return super().encode(_comparable(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _through_the_gate():
            return super().verify(_comparable(password), encoded) and _can_be_right(password)

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing to do: argon2 has no rounds to make up for (and Django calls this on a mismatch)."""
