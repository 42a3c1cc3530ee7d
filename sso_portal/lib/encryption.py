"""Secrets that the portal must read again (second-factor secrets), encrypted with a key that the database lacks."""

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys]
    )


def encrypt(clear: str) -> str:
    """Encrypt with the first of ENCRYPTION_KEY."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(clear.encode()).decode()


def decrypt(sealed: str) -> str:
    """Decrypt with any of ENCRYPTION_KEY. Raises cryptography.fernet.InvalidToken when none fits."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()


def is_under_first_key(sealed: str) -> bool:
    """Whether the first of ENCRYPTION_KEY reads this, so that the others are not needed for it."""
    try:
        _fernet(tuple(settings.ENCRYPTION_KEYS[:1])).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True
