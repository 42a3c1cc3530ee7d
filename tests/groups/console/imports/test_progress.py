"""An import at work: how far it is, and what happens when it is interrupted."""

import re
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from groups.models import Agent, AgentImport
from tests.groups.console.imports.uploaded import GOOD, last
from tests.reading import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_work(upload):
    """An import that is being checked, half-way."""
    upload(GOOD)
    AgentImport.objects.update(state="checking", rows_done=1, beat_at=Now())
    return last()


def test_progress_is_shown_with_and_without_script(as_owner, address, at_work):
    content = as_owner.get(address(f"imports/{at_work.pk}/")).content.decode()

    assert "1 of 2 rows" in " ".join(content.split())
    assert 'http-equiv="refresh"' in content
    assert 'hx-trigger="every 1s"' in content


def test_progress_alone_is_fetched_by_htmx(as_owner, address, at_work):
    response = as_owner.get(address(f"imports/{at_work.pk}/"), headers={"HX-Request": "true"})

    assert "1 of 2 rows" in page_of(response)
    assert "<html" not in page_of(response)


def test_progress_reads_nothing_that_may_be_megabytes(
    as_owner, address, at_work, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8) as queries:
        as_owner.get(address(f"imports/{at_work.pk}/"), headers={"HX-Request": "true"})

    assert not [query for query in queries if re.search(r'import"."(verdicts|content)', query["sql"])]


def test_end_of_the_work_fetches_the_whole_page(upload, as_owner, address):
    upload(GOOD)

    response = as_owner.get(address(f"imports/{last().pk}/"), headers={"HX-Request": "true"})

    assert response["HX-Refresh"] == "true"


def interrupt(asked: AgentImport) -> None:
    AgentImport.objects.filter(pk=asked.pk).update(beat_at=Now() - timedelta(minutes=1))


def test_interrupted_check_can_be_taken_up_again(as_owner, address, at_work):
    interrupt(at_work)
    assert "Checking was interrupted" in page_of(as_owner.get(address(f"imports/{at_work.pk}/")))

    as_owner.post(address(f"imports/{at_work.pk}/check/"))

    assert last().state == "checked"


def test_check_that_goes_on_is_not_taken_over(as_owner, address, at_work):
    response = as_owner.post(address(f"imports/{at_work.pk}/check/"), follow=True)

    assert "Another file of this group is being worked on" in page_of(response)
    assert last().state == "checking"


def test_interrupted_applying_can_be_done_again(upload, apply, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(state="applying")
    interrupt(last())
    assert "interrupted, and nothing was changed" in page_of(as_owner.get(address(f"imports/{last().pk}/")))

    apply()

    assert Agent.objects.count() == 2


def test_check_that_broke_says_so(upload, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(state="failed")

    assert "could not be checked" in page_of(as_owner.get(address(f"imports/{last().pk}/")))
