"""The password policy for people, administrators and agents alike. (Hashing: `sso_portal.lib.hashing`.)"""

import re
import unicodedata
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import ValidationError

from sso_portal.lib.hashing import LONGEST_PASSWORD

PRODUCT_WORDS = ("agentportal", "callcenter", "switchboard")


class MaximumLengthValidator:
    """Refuses passwords that are only there to keep the server busy."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(
                f"Please use no more than {LONGEST_PASSWORD:,} characters.", code="password_too_long"
            )

    def get_help_text(self) -> str:
        return f"At most {LONGEST_PASSWORD:,} characters; spaces and every script are welcome."


class OwnWordsValidator:
    """Refuses passwords that are made of the person's, the group's or the product's own words.

    A person may offer `own_words()`: names that somebody who knows him would guess first.
    """

    def validate(self, password: str, user: Any = None) -> None:
        squeezed = _squeeze(password)
        words = {*PRODUCT_WORDS, *(_squeeze(word) for word in _own_words(user))}
        for word in words:
            if len(word) >= 4 and word in squeezed and len(squeezed.replace(word, "")) < 8:
                raise ValidationError(
                    "This is built on a name that others would guess. Please use other words.",
                    code="password_of_own_words",
                )

    def get_help_text(self) -> str:
        return "Not built on your name, your username or your group's name."


def verify(password: str, encoded: str) -> bool:
    """Whether the password is right. Takes the same time whether or not there is one to compare with."""
    if encoded:
        return check_password(password, encoded)
    make_password(password)
    return False


def _own_words(user: Any) -> list[str]:
    if user is None:
        return []
    if hasattr(user, "own_words"):
        return list(user.own_words())
    return [
        *str(getattr(user, "email", "")).split("@"),
        *re.split(r"\W+", str(getattr(user, "full_name", ""))),
    ]


def _squeeze(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFKC", text[:LONGEST_PASSWORD]).casefold() if c.isalnum()
    )
