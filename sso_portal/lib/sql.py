"""SQL that Django 5.2 does not word for both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, BigIntegerField, Func, TextField


class Joined(Aggregate):
    """The texts of a group of rows in one, with commas between; NULL when there are no rows."""

    function = "STRING_AGG"
    template = "%(function)s(%(expressions)s, ',')"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, function="GROUP_CONCAT", **context)


class Milliseconds(Func):
    """A moment as milliseconds since 1970: a number to page by, alike whether SQLite's clock or Python wrote it."""

    template = "CAST(EXTRACT(EPOCH FROM %(expressions)s) * 1000 AS BIGINT)"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(ROUND((JULIANDAY(%(expressions)s) - 2440587.5) * 86400000) AS INTEGER)"
        return super().as_sql(compiler, connection, template=template, **context)


class HalfHourNumber(Func):
    """Which half hour since 1970 (UTC) a moment lies in."""

    template = "CAST(FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / 1800) AS BIGINT)"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(STRFTIME('%%%%s', %(expressions)s) AS INTEGER) / 1800"
        return super().as_sql(compiler, connection, template=template, **context)


def be_patient(longest: timedelta) -> None:
    """Until this transaction ends, let a statement take so long, and wait so long for locks: operators' commands may.

    Requests may not (settings, DATABASES).
    """
    if connection.vendor == "postgresql":
        milliseconds = str(int(longest.total_seconds() * 1000))
        with connection.cursor() as cursor:
            for name in ("statement_timeout", "lock_timeout"):
                cursor.execute("SELECT set_config(%s, %s, true)", [name, milliseconds])


@contextmanager
def unhurried(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """For as long as this lasts, let a statement of this connection take what it takes; locks are waited for as ever.

    For work that no request waits for. Not by way of a pooler, which would hand the connection on as it is.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")
