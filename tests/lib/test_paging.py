"""Lists paged by key."""

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from groups.models import Group
from sso_portal.lib.paging import in_batches, page_of
from tests import factories

pytestmark = pytest.mark.django_db
ORDER = ("name", "pk")


@pytest.fixture
def groups(db):
    """Seven groups, three of one name."""
    names = ["a", "b", "b", "b", "c", "d", "e"]
    return [factories.GroupFactory(name=name) for name in names]


def walk(query: str, *, order=ORDER, by="next_url", size=2) -> list[list[str]]:
    """The codes on each page, page after page."""
    pages = []
    while True:
        page = page_of(Group.objects.all(), QueryDict(query.removeprefix("?")), order=order, size=size)
        pages.append([row.code for row in page.rows])
        query = getattr(page, by)
        if not query:
            return pages


def joined(pages) -> list[str]:
    return [code for page in pages for code in page]


def test_pages_follow_one_another_without_gap_or_repetition(groups):
    assert joined(walk("")) == [group.code for group in groups]


def test_pages_go_back_the_way_they_came(groups):
    last = page_of(Group.objects.all(), QueryDict(""), order=ORDER, size=6)

    pages = walk(last.next_url, by="previous_url")

    assert joined(reversed(pages)) == [group.code for group in groups]


def test_order_may_be_turned_around(groups):
    backwards = walk("", order=("-name", "pk"))

    assert joined(backwards)[:2] == [groups[6].code, groups[5].code]
    assert sorted(joined(backwards)) == sorted(group.code for group in groups)


def test_first_page_has_nothing_before_it(groups):
    page = page_of(Group.objects.all(), QueryDict(""), order=ORDER, size=2)

    assert (page.previous_url, page.first_url) == ("", "")


def test_last_page_has_nothing_after_it(groups):
    assert page_of(Group.objects.all(), QueryDict(""), order=ORDER, size=7).next_url == ""


def test_rest_of_the_address_is_kept(groups):
    page = page_of(Group.objects.all(), QueryDict("q=x+y&status=off"), order=ORDER, size=2)

    assert page.next_url.startswith("?q=x+y&status=off&after=")


def test_way_back_ends_at_the_first_page(groups):
    start = page_of(Group.objects.all(), QueryDict(""), order=ORDER, size=2)
    second = page_of(Group.objects.all(), QueryDict(start.next_url[1:]), order=ORDER, size=2)

    first = page_of(Group.objects.all(), QueryDict(second.previous_url[1:]), order=ORDER, size=2)

    assert [row.code for row in first.rows] == [group.code for group in groups[:2]]
    assert first.previous_url == ""


@given(
    key=st.one_of(
        st.text(max_size=60), st.sampled_from(["W10", "WzFd", "WyJ4Il0", "WyJcdTAwMDAiLDFd", "bnVsbA"])
    )
)
def test_key_that_cannot_be_read_is_the_first_page(key):
    query = QueryDict(mutable=True)
    query["after"] = key

    page = page_of(Group.objects.all(), query, order=ORDER)

    assert page.previous_url == ""


def test_key_of_another_list_is_the_first_page(groups):
    key = page_of(Group.objects.all(), QueryDict(""), order=("name", "code"), size=2).next_url

    page = page_of(Group.objects.all(), QueryDict(key[1:]), order=ORDER, size=2)

    assert len(page.rows) == 2


@pytest.mark.parametrize("newest_first", [False, True])
def test_batches_hold_every_row_once(groups, newest_first):
    batches = list(in_batches(Group.objects.all(), size=3, newest_first=newest_first))

    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [row.pk for batch in batches for row in batch] == sorted(
        (group.pk for group in groups), reverse=newest_first
    )


def test_batches_of_nothing_are_none():
    assert list(in_batches(Group.objects.all())) == []
