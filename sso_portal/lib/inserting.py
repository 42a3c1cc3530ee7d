"""Rows by the ten thousand: one INSERT for many, without an object for each."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connections, router
from django.db.models import Field, Model

MOST_PARAMETERS = 30_000  # of one statement; SQLite takes 32,766
MOST_ROWS = 1000


def insert_many(
    model: type[Model],
    *,
    common: dict[str, Any],
    own: Sequence[str],
    rows: Iterable[Sequence[Any]],
    or_update: Sequence[str] = (),
) -> None:
    """Insert a row of this model for each of `rows`, several times as fast as `bulk_create`.

    `own` names the fields whose values `rows` hold, `common` those that are the same in all of them; the rest get
    their defaults, and the primary key is the database's to choose. Fields are named as in the database (`group_id`).

    With `or_update`, `own` names the primary key too; a row whose key is there already is changed in these fields.
    """
    connection = connections[router.db_for_write(model)]
    fields = {
        field.attname: field
        for field in model._meta.concrete_fields
        if not field.primary_key or field.attname in own
    }
    of_rows = [fields.pop(name) for name in own]
    alike = [field for field in fields.values() if field.attname in common or not field.has_db_default()]
    values_alike = [
        field.get_db_prep_save(common.get(field.attname, field.get_default()), connection) for field in alike
    ]
    quoted = {field.attname: connection.ops.quote_name(str(field.column)) for field in (*of_rows, *alike)}
    columns, ending = ", ".join(quoted.values()), ""
    if or_update:
        key = connection.ops.quote_name(str(model._meta.pk.column))
        changes = ", ".join(f"{quoted[name]} = EXCLUDED.{quoted[name]}" for name in or_update)
        ending = f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
    one = f"({', '.join(['%s'] * (len(of_rows) + len(alike)))})"
    at_once = min(MOST_ROWS, MOST_PARAMETERS // (len(of_rows) + len(alike)))
    with connection.cursor() as cursor:
        for some in _at_most(rows, at_once):
            parameters: list[Any] = []
            for row in some:
                parameters += _prepared(row, of_rows, connection)
                parameters += values_alike
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * len(some))}{ending}",  # noqa: S608  (our names)
                parameters,
            )


def _prepared(row: Sequence[Any], fields: Sequence["Field[Any, Any]"], connection: Any) -> Iterator[Any]:
    for field, value in zip(fields, row, strict=True):
        yield value if type(value) is str else field.get_db_prep_save(value, connection)


def _at_most(rows: Iterable[Sequence[Any]], number: int) -> Iterator[list[Sequence[Any]]]:
    rest = iter(rows)
    while some := list(islice(rest, number)):
        yield some
