"""Pages and exports of the audit log: every event once, the newest first."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from accounts import audit
from accounts.event_log import events_in_batches, page_of_events
from accounts.models import Event
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def events(group, caller) -> list[Event]:
    """Seven events, the newest first; some at the same moment, some written by the database's clock."""
    now = timezone.now().replace(microsecond=0) - timedelta(minutes=5)
    moments = [now, now, now, now + timedelta(milliseconds=123), now + timedelta(microseconds=123_456)]
    told = [factories.EventFactory(group_id=group.pk, at=at) for at in moments]
    told += [audit.record("login.issue", caller=caller, actor="test", group=group) for _ in range(2)]
    return [told[n] for n in (6, 5, 4, 3, 2, 1, 0)]


def walk(start: str, direction: str, *, size: int) -> list[list[int]]:
    """The ids on each page, going on from one to the next."""
    pages, address = [], start
    while True:
        page = page_of_events(Event.objects.all(), QueryDict(address), size=size)
        pages.append([event.pk for event in page.rows])
        address = getattr(page, direction).removeprefix("?")
        if not address:
            return pages


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pages_hold_every_event_once_newest_first(events, size):
    pages = walk("", "next_url", size=size)

    assert [pk for page in pages for pk in page] == [event.pk for event in events]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_lead_back(events, size):
    last = walk(f"after={events[-2].pk}", "previous_url", size=size)

    assert [pk for page in reversed(last) for pk in page] == [event.pk for event in events]


def test_first_page_leads_forward_only(events):
    page = page_of_events(Event.objects.all(), QueryDict(""), size=3)

    assert (page.previous_url, page.first_url) == ("", "")
    assert page.next_url == f"?after={events[2].pk}"


def test_other_parts_of_the_address_are_kept(events):
    page = page_of_events(Event.objects.all(), QueryDict("q=x&before=1"), size=3)

    assert page.first_url == "?q=x"


@pytest.mark.parametrize("key", ["x", "-1", "9" * 40, "", "٣", "1.5"])
def test_key_that_cannot_be_read_is_the_first_page(events, key):
    page = page_of_events(Event.objects.all(), QueryDict(f"after={key}"), size=2)

    assert page.rows == events[:2]


def test_unknown_key_leads_back_to_the_first_page(events):
    page = page_of_events(Event.objects.all(), QueryDict("after=999999999"), size=2)

    assert (page.rows, page.first_url) == ([], "?")


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_batches_hold_every_event_once_newest_first(events, size):
    batches = list(events_in_batches(Event.objects.all(), size=size))

    assert [event for batch in batches for event in batch] == events


def test_batch_costs_one_query(events, django_assert_num_queries):
    with django_assert_num_queries(2):
        list(events_in_batches(Event.objects.all(), size=4))
