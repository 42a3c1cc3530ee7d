"""Logins by half hours: counted once, and put together as the clocks of a time zone show them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Event
from groups import counting
from groups.counting import (
    HALF_HOUR,
    Logins,
    half_hour_of,
    hours_of,
    issued_between,
    logins_since,
    start_of,
    total,
)
from groups.models import HalfHour
from tests import factories

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)
BERLIN, KOLKATA, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Asia/Kathmandu")
SPRING_FORWARD, FALL_BACK = date(2026, 3, 29), date(2026, 10, 25)  # in Berlin


@pytest.fixture
def login(group):
    """A login of the group so many minutes before noon."""

    def at(minutes: float, **fields) -> Event:
        usual = {"at": NOON - timedelta(minutes=minutes), "group_id": group.pk}
        return factories.EventFactory(**usual | fields)

    return at


def count(group, *, hours: float = 6, now: datetime = NOON) -> dict[datetime, Logins]:
    counted = logins_since(now - timedelta(hours=hours), group=group, now=now)
    return {at: each for at, each in counted.items() if each != Logins()}


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 10, hour, minute, tzinfo=UTC)


def test_half_hour_begins_at_a_full_or_half_hour():
    assert half_hour_of(datetime(2026, 3, 10, 17, 44, 59, 9, tzinfo=KOLKATA)) == at(12)


def test_logins_are_counted_by_half_hours(group, login):
    login(75), login(65, reason="paused"), login(59)

    assert count(group) == {at(10, 30): Logins(1, 1), at(11): Logins(1, 0)}


def test_half_hour_that_goes_on_is_counted_anew(group, login):
    login(0.2)
    count(group)
    login(0.1)

    assert count(group) == {at(12): Logins(2, 0)}


def test_half_hour_that_is_over_is_counted_once(group, login):
    login(75)
    count(group)
    login(74)  # nothing comes so late: this shows that nobody looks again

    assert count(group) == {at(10, 30): Logins(1, 0)}


def test_half_hour_is_not_over_within_the_grace(group, login):
    login(1)
    count(group)
    login(0.7)

    assert count(group) == {at(11, 30): Logins(2, 0)}


def test_empty_half_hours_are_kept_too(group, login, django_assert_num_queries):
    count(group)

    with django_assert_num_queries(2):  # what is kept, what goes on
        count(group)


def test_gap_is_counted_when_somebody_looks_again(group, login):
    count(group, now=NOON - timedelta(hours=4))
    login(75)

    assert count(group) == {at(10, 30): Logins(1, 0)}


def test_eight_days_are_counted_by_few_statements(group, login, django_assert_max_num_queries):
    login(60 * 24 * 7)

    with django_assert_max_num_queries(11):
        counted = count(group, hours=8 * 24)

    assert sum(each.issued for each in counted.values()) == 1


def test_other_groups_and_other_actions_do_not_count(group, other_group, login):
    login(75, group_id=other_group.pk), login(75, action="login.redeem"), login(75, group_id=None)

    assert count(group) == {}


def test_two_who_look_at_once_keep_one_count(group, login):
    login(75)
    HalfHour.objects.create(group=group, begins_at=at(11, 30), issued=0, refused=0)
    counting._keep({at(11, 30): Logins(5, 5)}, group=group)

    assert HalfHour.objects.get(begins_at=at(11, 30)).issued == 0


def test_total_is_of_the_time_asked_for(group):
    logins = {at(9): Logins(1, 1), at(9, 30): Logins(2, 0), at(10): Logins(4, 0)}

    assert total(logins, since=at(9, 30), until=at(10)) == Logins(2, 0)


def test_part_of_a_half_hour_is_counted_exactly(group, login):
    login(20), login(10), login(10, reason="paused")

    assert issued_between(at(11, 30), NOON - timedelta(minutes=15), group=group) == 1


# --- Days and hours of time zones ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 10), BERLIN, 24),
        (SPRING_FORWARD, BERLIN, 23),
        (FALL_BACK, BERLIN, 25),
        (date(2026, 3, 10), KOLKATA, 24),
        (date(2026, 3, 10), KATHMANDU, 24),
        (date(2026, 4, 24), ZoneInfo("Africa/Cairo"), 23),  # its midnight is left out
        (date(2026, 4, 5), ZoneInfo("Australia/Lord_Howe"), 25),  # half an hour comes twice
    ],
)
def test_day_has_the_hours_that_clocks_show(day, zone, hours):
    assert len(hours_of(day, zone, {})) == hours


def test_hour_that_is_left_out_in_spring_is_left_out():
    assert [hour.begins_at.hour for hour in hours_of(SPRING_FORWARD, BERLIN, {})][:4] == [0, 1, 3, 4]


def test_hour_that_comes_twice_in_autumn_is_shown_twice():
    first, again = datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
    logins = {first: Logins(1, 0), again: Logins(7, 0)}

    twice = [hour.logins.issued for hour in hours_of(FALL_BACK, BERLIN, logins) if hour.begins_at.hour == 2]

    assert twice == [1, 7]


def test_hour_of_a_half_hour_zone_is_put_together():
    logins = {at(3, 30): Logins(1, 0), at(4): Logins(2, 1), at(4, 30): Logins(9, 0)}  # 9:00, 9:30 and 10:00

    nine = hours_of(date(2026, 3, 10), KOLKATA, logins)[9]

    assert (nine.begins_at.hour, nine.logins) == (9, Logins(3, 1))


@pytest.mark.parametrize("zone", [UTC, BERLIN, KOLKATA, ZoneInfo("America/New_York")])
@pytest.mark.parametrize("day", [date(2026, 3, 8), SPRING_FORWARD, FALL_BACK, date(2026, 11, 1)])
def test_no_login_of_a_day_is_lost_or_counted_twice(zone, day):
    since, until = (
        start_of(day, zone).astimezone(UTC),
        start_of(day + timedelta(days=1), zone).astimezone(UTC),
    )
    logins = {since + n * HALF_HOUR: Logins(1, 2) for n in range(-4, (until - since) // HALF_HOUR + 4)}

    hours = hours_of(day, zone, logins)

    assert sum((hour.logins for hour in hours), Logins()) == total(logins, since=since, until=until)
