"""SQL that Django 5.2 does not word for both databases."""

from typing import Any

from django.db.models import Aggregate, TextField


class Joined(Aggregate):
    """The texts of a group of rows in one, with commas between; NULL when there are no rows."""

    function = "STRING_AGG"
    template = "%(function)s(%(expressions)s, ',')"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, function="GROUP_CONCAT", **context)
