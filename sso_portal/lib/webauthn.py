"""What browsers answer on behalf of passkeys, and what is sent in its stead."""

import struct
from typing import Any

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
LARGEST_NUMBER = 65_535  # algorithms have smaller ones, and nothing else that browsers answer is a number


def refuse_lengths(answer: Any) -> None:
    """Raise ValueError where an answer, as read from JSON, holds a large number.

    fido2 takes a number for a length where bytes are due, and makes as many zeros: gigabytes for a few digits.
    """
    waiting = [answer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise ValueError("a number that is no algorithm's")
