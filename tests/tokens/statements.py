"""What was sent to the database."""

from collections import Counter

from django.test.utils import CaptureQueriesContext

BORDERS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Statements(CaptureQueriesContext):
    """What was sent to the database, in order; without the check of JSON that Django adds on SQLite."""

    @property
    def in_order(self) -> list[str]:
        sent = [query["sql"].strip() for query in self.captured_queries]
        return [sql.split()[0].upper() for sql in sent if not sql.startswith("SELECT JSON(")]

    @property
    def by_kind(self) -> dict[str, int]:
        return Counter(word for word in self.in_order if word not in BORDERS)
