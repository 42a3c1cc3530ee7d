"""Limits a minute, counted in the database."""

from datetime import UTC, datetime

import pytest

from accounts.lockout import may_go_on
from accounts.models import Tally

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def three_pops_a_minute(limit_a_minute, still_clock):
    still_clock.move_to(datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC))
    limit_a_minute("pop", 3)


def test_limit_may_go_on_after_as_many():
    assert [may_go_on(limit="pop", who="x") for _ in range(5)] == [True, True, True, False, False]


def test_limit_counts_each_caller():
    for _ in range(3):
        may_go_on(limit="pop", who="x")

    assert may_go_on(limit="pop", who="y")


def test_limit_counts_each_limit():
    for _ in range(3):
        may_go_on(limit="pop", who="x")

    assert may_go_on(limit="platform", who="x")


def test_limit_starts_anew_with_the_minute(still_clock):
    for _ in range(3):
        may_go_on(limit="pop", who="x")
    still_clock.move_to(datetime(2026, 3, 1, 12, 1, tzinfo=UTC))

    assert may_go_on(limit="pop", who="x")


def test_limits_that_are_off_count_nothing(settings):
    settings.RATE_LIMITS = False

    assert all(may_go_on(limit="pop", who="x") for _ in range(9))
    assert not Tally.objects.exists()


def test_count_goes_no_further_than_its_limit():
    for _ in range(9):
        may_go_on(limit="pop", who="x")

    assert Tally.objects.get().times == 3
