"""Kept connections to PostgreSQL: one that has ended is seen to have, without asking the database."""

import pytest
from django.db import connection

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def test_connection_that_was_ended_meanwhile_is_none_to_use():
    connection.ensure_connection()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT PG_TERMINATE_BACKEND(%s, 5000)", [connection.connection.info.backend_pid])
    other.close()

    is_usable = connection.is_usable()
    connection.close()

    assert not is_usable


def test_connection_that_goes_on_is_not_asked():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'the last thing asked'")

    assert connection.is_usable()

    other = connection.copy()
    with other.cursor() as cursor:
        pid = connection.connection.info.backend_pid
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid])
        assert cursor.fetchone() == ("SELECT 'the last thing asked'",)
    other.close()
