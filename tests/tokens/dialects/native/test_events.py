"""The audit log over the native API: one's own group's, page by page, back and onwards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from tests import factories
from tests.tokens.dialects.native.conftest import assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def happened(group):
    """Events of the group: what happened so many minutes ago."""

    def add(minutes: float, **fields) -> Event:
        at = timezone.now() - timedelta(minutes=minutes)
        return factories.EventFactory(group_id=group.pk, at=at, **fields)

    return add


def ids(response) -> list[int]:
    return [int(event["id"]) for event in response.json()["events"]]


def walk(ask, query: str) -> list[int]:
    """Every event that the pages hold, in their order."""
    seen, more = [], ""
    while True:
        response = ask("GET", f"events?limit=2&{query}{more}")
        seen += ids(response)
        if not response.json()["has_more"]:
            return seen
        more = f"&cursor={response.json()['next_cursor']}"


def test_event_is_told_in_full(ask, happened):
    event = happened(5, reason="agent_disabled", object="token:abc", address="203.0.113.9", details={"a": 1})

    (told,) = ask("GET", "events").json()["events"]

    assert told.pop("at").endswith("Z")
    assert told == {
        "id": str(event.pk),
        "action": "login.issue",
        "outcome": "refused",
        "reason": "agent_disabled",
        "door": "agents",
        "actor": event.actor,
        "client": "demoaws",
        "agent": event.agent,
        "object": "token:abc",
        "address": "203.0.113.9",
        "request_id": event.reference,
        "details": {"a": 1},
    }


def test_pages_hold_every_event_once_in_either_order(ask, happened):
    events = [happened(9), happened(8), happened(3), happened(3)]
    numbers = [event.pk for event in events]

    assert walk(ask, "order=oldest") == numbers
    assert walk(ask, "order=newest") == numbers[::-1]


def test_reader_onwards_goes_on_later_where_he_was(ask, happened):
    happened(9)
    cursor = ask("GET", "events?order=oldest").json()["next_cursor"]
    again = ask("GET", f"events?order=oldest&cursor={cursor}").json()
    later = happened(2)

    assert (again["events"], again["next_cursor"]) == ([], cursor)
    assert ids(ask("GET", f"events?order=oldest&cursor={cursor}")) == [later.pk]


def test_what_may_not_be_complete_yet_is_held_back_from_readers_onwards(ask, happened):
    event = happened(0.5)

    assert ids(ask("GET", "events?order=oldest")) == []
    assert ids(ask("GET", "events")) == [event.pk]


def test_events_are_narrowed(ask, happened):
    old, refused, other = happened(60), happened(30, reason="x"), happened(10, action="agent.create")
    since = (timezone.now() - timedelta(minutes=40)).isoformat()

    assert ids(ask("GET", f"events?since={since}")) == [other.pk, refused.pk]  # its + arrives as a blank
    assert ids(ask("GET", f"events?until={since.replace('+', '%2B')}")) == [old.pk]
    assert ids(ask("GET", "events?action=agent.create")) == [other.pk]
    assert ids(ask("GET", "events?outcome=refused")) == [refused.pk]


def test_events_of_another_group_and_of_none_are_not_there(ask, happened, other_group):
    own = happened(5)
    factories.EventFactory(group_id=other_group.pk)
    factories.EventFactory(group_id=None)

    assert ids(ask("GET", "events")) == [own.pk]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=501", "limit"),
        ("order=random", "order"),
        ("outcome=maybe", "outcome"),
        ("since=yesterday", "since"),
        ("since=0001-01-01T00:00:00%2B10:00", "since"),
        ("action=%00", "action"),
        ("cursor=WyJ4Iiwx", "cursor"),
        ("cursor=WyJ4IiwxXQ", "cursor"),  # ["x",1]
        ("cursor=" + "x" * 2001, "cursor"),
    ],
)
def test_query_that_is_wrong_is_named(ask, query, field):
    assert list(assert_problem(ask("GET", f"events?{query}"), 400, "invalid_fields")["errors"]) == [field]


def test_page_costs_the_same_however_long_it_is(ask, happened, django_assert_max_num_queries):
    ask("GET", "events")
    for n in range(20):
        happened(n + 1)

    with django_assert_max_num_queries(4):
        assert len(ids(ask("GET", "events"))) == 20
