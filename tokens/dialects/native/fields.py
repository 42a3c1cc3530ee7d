"""Reading a request field by field, so that one refusal names everything that is wrong with it."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from groups.agent_columns import YEARS, Access, access_to
from groups.models import USERNAME_LENGTH
from sso_portal.lib.refusals import Refusal, Refused
from sso_portal.lib.text import why_not_email, why_not_text, why_not_username

LARGEST_NUMBER = 2**31 - 1
LONGEST_EMAIL = 254
MOST_LISTED = 1000  # clients of an agent; campaigns or departments of a client
SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Problem(Refused):
    """A refusal that has more to tell than its problem details always do."""

    def __init__(self, refusal: Refusal, **members: Any) -> None:
        super().__init__(refusal)
        self.members = members


class InvalidFields(Problem):
    """A refusal with what is wrong with each field."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        text = " ".join(why for reasons in errors.values() for why in reasons)
        super().__init__(Refusal("invalid_fields", text, 400), errors=errors)


class Fields:
    """An object of a request. What cannot be read is kept in `errors`, and stands for nothing."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.errors: dict[str, list[str]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.told

    def refuse(self, name: str, why: str) -> None:
        """Keep that this field is wrong; `why` goes on after its name."""
        self.errors.setdefault(name, []).append(f"{name} {why}")

    def check(self) -> None:
        """Raises InvalidFields where anything was wrong."""
        if self.errors:
            raise InvalidFields(self.errors)

    def text(self, name: str, *, longest: int, required: bool = False) -> str:
        """A text, trimmed; "" when it is absent, null or blank."""
        value = self.told.get(name, "")
        if value is None:
            value = ""
        if not isinstance(value, str):
            self.refuse(name, "must be text.")
        elif why := why_not_text(value, longest=longest):
            self.refuse(name, f"{why}.")
        elif required and not value.strip():
            self.refuse(name, "is required.")
        else:
            return value.strip()
        return ""

    def username(self, name: str) -> str:
        """A username, which is always required."""
        value = self.text(name, longest=USERNAME_LENGTH, required=True)
        if why := why_not_username(value, longest=USERNAME_LENGTH):
            self.refuse(name, f"{why}.")
        return value

    def email(self, name: str) -> str:
        """An e-mail address; "" when it is absent, null or empty."""
        value = self.told.get(name) or ""
        if not isinstance(value, str):
            self.refuse(name, "must be text.")
        elif why := value and (why_not_text(value, longest=LONGEST_EMAIL) or why_not_email(value)):
            self.refuse(name, f"{why}.")
        else:
            return value
        return ""

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.told.get(name, default)
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false.")
            return default
        return value

    def one_of(self, name: str, words: Collection[str]) -> str:
        """One of some words; "" when it is absent."""
        value = self.told.get(name, "")
        if name in self.told and (not isinstance(value, str) or value not in words):
            self.refuse(name, f"must be one of: {', '.join(words)}.")
            return ""
        return str(value)

    def count(self, name: str, *, default: int, most: int) -> int:
        """A number from 1 on, of a query."""
        value = self.told.get(name)
        if value is None:
            return default
        is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 7
        if is_number and 1 <= int(value) <= most:
            return int(value)
        self.refuse(name, f"must be a number from 1 to {most}.")
        return default

    def moment(self, name: str) -> datetime | None:
        """A moment with its offset (RFC 3339); None when it is absent or null."""
        value = self.told.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str) and MOMENT.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.refuse(name, "must be a moment like 2026-03-31T17:30:00Z.")
        return None

    def end(self, name: str) -> datetime | None:
        """When somebody's access ends, to the minute."""
        value = self.moment(name)
        if value is not None and value.year not in YEARS:
            self.refuse(name, f"must be in the years {YEARS[0]} to {YEARS[-1]}.")
            return None
        return value.replace(second=0, microsecond=0) if value else None

    def numbers(self, name: str) -> list[int] | None:
        """A list of numbers, sorted, each once; None when it is absent or null."""
        value = self.told.get(name)
        if value is None:
            return None
        if not _are_numbers(value):
            self.refuse(name, "must be a list of numbers.")
            return None
        return sorted(set(value))

    def object(self, name: str) -> "Fields":
        """An object within; an empty one when it is absent or null."""
        value = self.told.get(name)
        if value is not None and not isinstance(value, dict):
            self.refuse(name, "must be an object.")
        return Fields(value if isinstance(value, dict) else {})

    def access(self) -> Access | None:
        """Which clients an agent may enter, by `all_clients` and `clients`; None where neither is there.

        Clients that are listed without `all_clients` are the only ones.
        """
        if "all_clients" not in self and "clients" not in self:
            return None
        everywhere = self.boolean("all_clients", default=False)
        if "all_clients" in self.errors:
            return None
        if "clients" not in self and not everywhere:
            self.refuse("clients", "is required where all_clients is false.")
        return access_to(self._listed_clients(), all_clients=everywhere)

    def _listed_clients(self) -> dict[str, frozenset[int]]:
        value = self.told.get("clients", [])
        if not isinstance(value, list) or len(value) > MOST_LISTED:
            self.refuse("clients", f"must be a list of at most {MOST_LISTED} objects.")
            return {}
        listed: dict[str, frozenset[int]] = {}
        for item in value:
            subdomain = item.get("client") if isinstance(item, dict) else None
            if not isinstance(subdomain, str) or not SUBDOMAIN.fullmatch(subdomain):
                self.refuse("clients", "must be objects with the subdomain of a client each.")
                return {}
            campaigns = item.get("campaigns", "all")
            if campaigns != "all" and not (_are_numbers(campaigns) and campaigns):
                self.refuse("clients", f"has campaigns of {subdomain} that are neither numbers nor “all”.")
                return {}
            if subdomain in listed:
                self.refuse("clients", f"names {subdomain} twice.")
            listed[subdomain] = frozenset() if campaigns == "all" else frozenset(campaigns)
        return listed


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MOST_LISTED
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= LARGEST_NUMBER for n in value)
    )
