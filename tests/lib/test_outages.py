"""What is no bug: a database or a cache that is away, full or read-only. Caused for real."""

import socket
import sqlite3
import time

import pytest
from django.core.cache.backends.redis import RedisCache
from django.db import DatabaseError, connection, transaction
from django.db.utils import DatabaseErrorWrapper
from redis.exceptions import RedisError

from groups.models import Group
from sso_portal.lib.outages import is_outage


def error_of(act) -> Exception:
    try:
        act()
    except (DatabaseError, RedisError) as error:
        return error
    raise AssertionError("nothing went wrong")


@pytest.mark.django_db
def test_what_somebody_did_wrong_is_no_outage(group):
    def twice():
        with transaction.atomic():
            Group.objects.create(code=group.code, name="Again")

    assert not is_outage(error_of(twice))
    assert not is_outage(ValueError())


@pytest.mark.parametrize("statement", ["INSERT INTO t VALUES (zeroblob(9000000))", "CREATE TABLE u (x)"])
def test_sqlite_that_is_full_or_read_only_is(tmp_path, statement):
    place = tmp_path / "db"
    with sqlite3.connect(place) as made:
        made.execute("CREATE TABLE t (x)")
    made.close()
    mode = "ro" if "CREATE" in statement else "rw"
    opened = sqlite3.connect(f"file:{place}?mode={mode}", uri=True)
    opened.execute("PRAGMA max_page_count = 20")

    class Django:
        """As Django's backend names errors."""

        Database = sqlite3
        errors_occurred = False

    def write():
        with DatabaseErrorWrapper(Django()):
            opened.execute(statement)

    assert is_outage(error_of(write))
    opened.close()


def test_redis_that_is_not_there_is():
    cache = RedisCache("redis://127.0.0.1:1/0", {})

    assert is_outage(error_of(lambda: cache.get("x")))


def test_redis_that_does_not_answer_is_waited_for_two_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        cache = RedisCache(where, {"OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 2}})
        begun = time.monotonic()
        error = error_of(lambda: cache.get("x"))

    assert is_outage(error)
    assert time.monotonic() - begun < 10


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(
    "trouble",
    [
        ["SET LOCAL statement_timeout = 50", "SELECT pg_sleep(5)"],
        ["SET TRANSACTION READ ONLY", "DELETE FROM accounts_tally"],
    ],
    ids=["statement timeout", "read-only"],
)
def test_postgresql_that_takes_too_long_or_is_read_only_is(trouble):
    def act():
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in trouble:
                cursor.execute(statement)

    assert is_outage(error_of(act))
