"""Text from outside: what may be in a field, and the one spelling that names are compared in."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

# A canonical name may be longer than the name (ligatures); this many times, and no more.
LONGEST_CANONICAL = 3
# Letters, marks and symbols that take no ink, which no category tells: fillers, a joiner, empty Braille.
INKLESS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def canonical_name(name: str) -> str:
    """The spelling in which two names are the same name: NFKC, case folded, trimmed (last: NFKC makes spaces)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def why_not_text(text: str, *, longest: int) -> str:
    """Why a field refuses this text ("" when it does not): control and bidi characters, or its length."""
    if len(text) > longest:
        return f"is longer than {longest} characters"
    # Most texts are printable as a whole, which is told at once.
    if not text.isprintable() and any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI for c in text
    ):
        return "holds characters that cannot be shown"
    return ""


def why_not_username(name: str, *, longest: int) -> str:
    """Why this cannot be a username: as any text, and no invisible characters at all."""
    is_seen = name.isprintable() or not any(unicodedata.category(c) == "Cf" for c in name)
    if not is_seen or not INKLESS.isdisjoint(name):
        return "holds characters that cannot be seen"
    if len(canonical_name(name[: longest + 1])) > LONGEST_CANONICAL * longest:
        return "is longer than it looks"
    return why_not_text(name, longest=longest)


def why_not_email(text: str) -> str:
    """Why this cannot be an e-mail address ("" when it can)."""
    try:
        validate_email(text)
    except ValidationError:
        return "must be an e-mail address"
    return ""


def last_four(number: str) -> str:
    """The last four digits of a telephone number, for places that must not keep the whole."""
    return "".join(filter(str.isdigit, number))[-4:]
