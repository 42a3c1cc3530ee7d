"""Secrets that machines carry: made here, shown once, kept as digests only."""

import hashlib
import secrets

# Crockford's base 32: no I, L, O or U, so that a person can read it out on the telephone.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LETTERS = bytes(ALPHABET[byte % 32].encode()[0] for byte in range(256))  # 32 of them: none is likelier
READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V", "-": None, " ": None})


def new_secret(prefix: str = "") -> str:
    """A new 256-bit secret, URL-safe, with a prefix that says what it is for."""
    return prefix + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """The SHA-256 of a 256-bit secret, in hex. (People's passwords are hashed by argon2 instead.)"""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_readable_code() -> str:
    """A new 60-bit code for people to read and type: `K7QF-3M2P-X8TA`."""
    letters = secrets.token_bytes(12).translate(LETTERS).decode()
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def canonical_code(typed: str) -> str:
    """A readable code as it was typed, in the one spelling that is compared: `K7QF3M2PX8TA`."""
    return typed.upper().translate(READ_AS)
