"""Moving what is encrypted in the database to the first of ENCRYPTION_KEY, so that the others can be dropped."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.db.models import Model

from accounts.models import AdministratorSession
from groups.models import AgentFactor
from sso_portal.lib.encryption import decrypt, encrypt, is_under_first_key
from tokens.models import SigningKey, SigningPair

AT_ONCE = 500  # rows that are looked at between two statements
MOST_PASSES = 5  # over rows that somebody keeps changing meanwhile


@dataclass(frozen=True)
class Column:
    """One column that holds what is encrypted; of a JSON column, the names in it whose values are."""

    model: type[Model]
    field: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field}"


# Every place. A test walks the database for others.
COLUMNS = (
    Column(Authenticator, "data", names=("secret", "seed")),
    Column(AdministratorSession, "content"),
    Column(AgentFactor, "secret"),
    Column(SigningPair, "sealed_key"),
    Column(SigningKey, "sealed_key"),
)


@dataclass(frozen=True)
class Found:
    """What a column holds, in rows: under the first key, under another one, readable by none."""

    first: int
    others: int
    unreadable: int


def look_at(column: Column) -> Found:
    """How many rows of a column need which key. Changes nothing."""
    found = Counter(_state_of(value, column) for _pk, value in _rows(column))
    return Found(found["first"], found["others"], found["unreadable"])


def reencrypt(column: Column) -> int:
    """Encrypt with the first key what another one reads; of how many rows.

    May be interrupted and begun again. A row that changes at the same moment is left to the next pass.
    """
    moved = 0
    for _ in range(MOST_PASSES):
        missed = 0
        for pk, value in _rows(column):
            if _state_of(value, column) == "others":
                # Own value in the condition: what a sign-in wrote meanwhile is never undone.
                same = column.model._default_manager.filter(pk=pk, **{column.field: value})
                done = same.update(**{column.field: _each(value, column, _renewed)})
                moved, missed = moved + done, missed + 1 - done
        if not missed:
            break
    return moved


def _rows(column: Column) -> Iterator[tuple[Any, Any]]:
    """The rows by key, a batch at a time."""
    rows = column.model._default_manager.order_by("pk").values_list("pk", column.field)
    batch = list(rows[:AT_ONCE])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:AT_ONCE])


def _state_of(value: Any, column: Column) -> str:
    sealed = [value[name] for name in column.names if name in value] if column.names else [value]
    if all(is_under_first_key(one) for one in sealed):
        return "first"
    return "others" if all(map(_is_readable, sealed)) else "unreadable"


def _each(value: Any, column: Column, change: Callable[[str], str]) -> Any:
    """The column's value, with each encrypted text in it changed."""
    if not column.names:
        return change(value)
    return value | {name: change(value[name]) for name in column.names if name in value}


def _renewed(sealed: str) -> str:
    return encrypt(decrypt(sealed))


def _is_readable(sealed: str) -> bool:
    try:
        decrypt(sealed)
    except InvalidToken:
        return False
    return True
