"""Alarms of sign-ins: an address that fails often is slowed down, one that tries many names is reported."""

from dataclasses import replace

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from accounts.models import Attempt, Event, FailedSignIn, Tally
from groups.signing_in import sign_in
from sso_portal.lib.addresses import parse_address
from sso_portal.lib.refusals import Refused
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def fail(group, caller):
    """Fail to sign in at the group's door, under this name."""

    def fail(name: str = "alice", *, at=group, by=caller) -> str:
        with pytest.raises(Refused) as refused:
            sign_in(group=at, username=name, password="not the password", replaces=None, caller=by)
        return refused.value.refusal.code

    return fail


@pytest.fixture
def few(settings):
    """Three names are many, and so are two failures."""
    settings.MANY_NAMES, settings.MANY_FAILURES = 3, 2
    return settings


def fail_at_main_door(client) -> int:
    """Fail to sign in as an administrator; the status of the answer."""
    sent = {"login": "ann@portal.example", "password": "not the password"}
    return client.post("/accounts/login/", sent, REMOTE_ADDR="203.0.113.9").status_code


def alarms() -> int:
    return Event.objects.filter(action="sign_in.many_names").count()


def test_many_names_from_one_address_raise_one_event(few, fail, group, caller, caplog):
    for name in ("ann", "bob", "cleo", "dan", "eve"):
        fail(name)

    event = Event.objects.get(action="sign_in.many_names")
    assert (event.group_id, event.address, event.details) == (
        group.pk,
        caller.address_text,
        {"names": 3, "minutes": 10},
    )
    assert sum("many names" in record.getMessage() for record in caplog.records) == 1


def test_one_name_many_times_raises_none(few, fail):
    for _ in range(4):
        fail("ann")

    assert not alarms()


def test_names_of_other_addresses_are_not_added_up(few, fail):
    FailedSignIn.objects.bulk_create(FailedSignIn(address="198.51.100.7", name=name) for name in "abc")

    fail()

    assert not alarms()


def test_alarm_of_one_group_hides_none_of_another(few, fail, group, other_group):
    for name in ("ann", "bob", "cleo"):
        fail(name, at=other_group)

    for name in ("dan", "eve", "fay"):
        fail(name)

    told = Event.objects.get(action="sign_in.many_names", group_id=group.pk)
    assert told.details["names"] == 3  # of its own door alone


def test_names_that_are_many_in_all_groups_together_are_told_to_operators(few, fail, other_group):
    fail("ann")
    fail("bob")
    fail("cleo", at=other_group)

    assert Event.objects.get(action="sign_in.many_names").group_id is None


def test_addresses_of_one_ipv6_network_count_as_one(few, fail, caller):
    for n, name in enumerate(("ann", "bob", "cleo")):
        fail(name, by=replace(caller, address=parse_address(f"2001:db8::{n}")))

    assert alarms() == 1
    assert Tally.objects.get(limit="sign-in address").who == "2001:db8::/64"


def test_names_of_ten_minutes_ago_are_forgotten(few, fail):
    fail("ann")
    fail("bob")
    FailedSignIn.objects.update(at=Now() - few.MANY_NAMES_WINDOW)

    fail("cleo")

    assert not alarms()


def test_address_is_reported_again_in_another_window(few, fail):
    for name in ("ann", "bob", "cleo"):
        fail(name)
    Attempt.objects.filter(door="sign_in.many_names").update(window_ends_at=Now())

    fail("dan")

    assert alarms() == 2


def test_name_is_kept_as_a_digest_alone(fail):
    fail("my secret, typed into the wrong field")

    assert "secret" not in str(FailedSignIn.objects.values().get())


def test_failures_of_a_slowed_address_count_threefold(few, fail, still_clock):
    for _ in range(2):
        fail()
    before = Tally.objects.get(limit="sign-in address").times

    fail()

    assert Tally.objects.get(limit="sign-in address").times == before + 3


def test_slowed_address_waits_for_the_next_minute_only(
    few, fail, limit_a_minute, still_clock, agent, group, caller
):
    limit_a_minute("sign-in address", 5)
    assert [fail() for _ in range(4)] == ["wrong_credentials"] * 3 + ["too_many_requests"]

    still_clock.shift(60)

    assert sign_in(group=group, username="alice", password=PASSWORD, replaces=None, caller=caller)


def test_slowed_agents_do_not_slow_the_main_door(few, fail, limit_a_minute, client):
    limit_a_minute("sign-in address", 1)
    assert [fail(), fail()] == ["wrong_credentials", "too_many_requests"]

    assert fail_at_main_door(client) == 200


def test_slowed_main_door_does_not_slow_agents(few, fail, limit_a_minute, client):
    limit_a_minute("sign-in address", 5)

    assert [fail_at_main_door(client) for _ in range(5)] == [200, 200, 200, 429, 429]
    assert fail() == "wrong_credentials"


def test_success_costs_nothing_here(agent, group, caller):
    with CaptureQueriesContext(connection) as queries:
        sign_in(group=group, username="alice", password=PASSWORD, replaces=None, caller=caller)

    assert not [query for query in queries if "failedsignin" in query["sql"]]


def test_main_door_reports_too(few, client):
    for name in ("ann", "bob", "cleo"):
        client.post("/accounts/login/", {"login": f"{name}@portal.example", "password": "not the password"})

    assert Event.objects.get(action="sign_in.many_names").group_id is None
