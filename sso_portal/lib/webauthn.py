"""What browsers answer on behalf of passkeys, and what is sent in its stead."""

import struct

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

# What fido2 and cryptography raise on answers that no browser makes.
UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    InvalidSignature,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    UnsupportedAlgorithm,
    ValueError,
    struct.error,
)
