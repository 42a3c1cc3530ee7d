"""Lists paged by key: however long the list is, a page costs the same."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

M = TypeVar("M", bound=Model)
LONGEST_KEY = 2000


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list, and the addresses ("?…") of the pages beside them; "" where there are none."""

    rows: list[M]
    next_url: str
    previous_url: str
    first_url: str


def page_of(rows: QuerySet[M], query: QueryDict, *, order: Sequence[str], size: int = 50) -> Page[M]:
    """The page that the address asks for by `after` or `before`.

    `order` names the fields (a "-" turns one around), the last of them unique. None of them may be NULL: annotate
    a substitute. A key that cannot be read is the first page.
    """
    after, before = _key_in(query, "after", order), _key_in(query, "before", order)
    back = after is None and before is not None
    key, asked = after or before, [_turned(field) for field in order] if back else list(order)
    try:
        beyond = rows.filter(_beyond(asked, key)) if key is not None else rows
        found = list(beyond.order_by(*asked)[: size + 1])
    except (ValueError, TypeError, ValidationError):  # a key of another list
        key, back, found = None, False, list(rows.order_by(*order)[: size + 1])
    more, found = len(found) > size, found[:size]
    if back:
        found.reverse()
    has_next = back or more
    has_previous = more if back else key is not None
    return Page(
        found,
        _address(query, "after", found[-1], order) if found and has_next else "",
        _address(query, "before", found[0], order) if found and has_previous else "",
        _address(query, "", None, order) if key is not None else "",
    )


def in_batches(rows: QuerySet[M], *, size: int = 2000, newest_first: bool = False) -> Iterator[list[M]]:
    """Every row, by primary key, a batch at a time: memory stays the same however many there are.

    (Server-side cursors are off: PgBouncer in transaction mode has none.)
    """
    order, beyond = ("-pk", "pk__lt") if newest_first else ("pk", "pk__gt")
    rows, last = rows.order_by(order), None
    while True:
        batch = list((rows.filter(**{beyond: last}) if last is not None else rows)[:size])
        if batch:
            yield batch
        if len(batch) < size:
            return
        last = batch[-1].pk


def _turned(field: str) -> str:
    return field[1:] if field.startswith("-") else f"-{field}"


def _beyond(order: Sequence[str], key: list[Any]) -> Q:
    """Rows that come after this key: (a > x) or (a = x and b > y) or …"""
    beyond, same = Q(), Q()
    for field, value in zip(order, key, strict=True):
        name = field.removeprefix("-")
        beyond |= same & Q(**{f"{name}__{'lt' if field.startswith('-') else 'gt'}": value})
        same &= Q(**{name: value})
    # The first field bounds the range for the index, whatever the rest says.
    first = order[0].removeprefix("-")
    return Q(**{f"{first}__{'lte' if order[0].startswith('-') else 'gte'}": key[0]}) & beyond


def _key_in(query: QueryDict, name: str, order: Sequence[str]) -> list[Any] | None:
    given = query.get(name, "")
    if not given or len(given) > LONGEST_KEY:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(given.encode("ascii") + b"=="))
    except (binascii.Error, ValueError, UnicodeError, RecursionError):
        return None
    plain = isinstance(key, list) and all(isinstance(value, str | int) for value in key)
    fits = (
        plain and len(key) == len(order) and not any("\0" in value for value in key if isinstance(value, str))
    )
    small = fits and all(abs(value) < 2**63 for value in key if isinstance(value, int))
    return list(key) if small else None


def _address(query: QueryDict, name: str, row: Model | None, order: Sequence[str]) -> str:
    asked = query.copy()
    for old in ("after", "before"):
        asked.pop(old, None)
    if row is not None:
        values = [getattr(row, field.removeprefix("-")) for field in order]
        key = json.dumps([value if isinstance(value, str | int) else value.isoformat() for value in values])
        asked[name] = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    return f"?{asked.urlencode()}"
