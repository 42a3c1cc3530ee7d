"""Secrets that the portal reads again, and the change of their key."""

import pytest
from cryptography.fernet import InvalidToken

from sso_portal.lib.encryption import decrypt, encrypt


def test_secret_comes_back():
    assert decrypt(encrypt("JBSWY3DPEHPK3PXP")) == "JBSWY3DPEHPK3PXP"


def test_sealed_secret_does_not_show():
    assert "JBSWY3DPEHPK3PXP" not in encrypt("JBSWY3DPEHPK3PXP")


def test_secret_of_the_old_key_is_read_after_a_rotation(settings):
    settings.ENCRYPTION_KEYS = ["old"]
    sealed = encrypt("JBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = ["new", "old"]

    assert decrypt(sealed) == "JBSWY3DPEHPK3PXP"


def test_secret_sealed_after_a_rotation_needs_the_new_key_only(settings):
    settings.ENCRYPTION_KEYS = ["new", "old"]
    sealed = encrypt("JBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = ["new"]

    assert decrypt(sealed) == "JBSWY3DPEHPK3PXP"


def test_secret_of_a_key_that_is_gone_is_lost(settings):
    settings.ENCRYPTION_KEYS = ["old"]
    sealed = encrypt("JBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = ["new"]

    with pytest.raises(InvalidToken):
        decrypt(sealed)
