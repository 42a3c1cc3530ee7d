"""Applying an import."""

import threading

import pytest

from accounts.models import Event
from groups.models import Agent, AgentImport
from tests.groups.console.imports.uploaded import GOOD, last
from tests.reading import page_of

pytestmark = pytest.mark.django_db


def test_apply_makes_the_agents_and_shows_the_report(upload, apply):
    upload(GOOD)

    text = page_of(apply())

    assert set(Agent.objects.values_list("username", flat=True)) == {"bob", "cleo"}
    assert "What the file did" in text
    assert "added" in text


def test_apply_names_who_did_it_and_from_where(upload, apply, owner):
    upload(GOOD)

    apply()

    event = Event.objects.get(action="agent.import")
    assert event.actor == f"administrator:{owner.email}"
    assert (event.reference != "", event.address) == (True, "127.0.0.1")


def test_all_rows_are_refused_while_some_are_faulty(upload, apply):
    upload("username,full_name\nbob,Bob\ncleo,\n")

    assert "Only its good rows can be applied" in page_of(apply())
    assert not Agent.objects.exists()


def test_good_rows_are_applied_alone(upload, apply):
    upload("username,full_name\nbob,Bob\ncleo,\n")

    assert "left out" in page_of(apply(rows="good"))
    assert Agent.objects.get().username == "bob"


def test_second_apply_is_refused(upload, apply):
    upload(GOOD)
    apply()

    assert "was applied already" in page_of(apply())


def test_file_that_changes_nothing_is_not_offered(agent, upload):
    assert "The file changes nothing." in page_of(upload("username\nalice\n"))


def test_file_that_is_no_longer_kept_is_not_offered(upload, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(content=b"")

    assert "no longer kept" in page_of(as_owner.get(address(f"imports/{last().pk}/")))


def test_rows_that_became_faulty_are_shown(entitlement, upload, apply):
    upload("username,full_name,clients\nbob,Bob,demoaws\n")
    entitlement.delete()

    text = page_of(apply())

    assert "some rows became faulty since you looked" in text
    assert "the group may not enter “demoaws”" in text


def test_apply_by_a_link_is_refused(upload, as_owner, address):
    upload(GOOD)

    assert as_owner.get(address(f"imports/{last().pk}/apply/")).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_import_goes_on_in_a_thread(upload, apply):
    response = upload(GOOD)
    wait_for_threads()
    assert last().state == "checked", page_of(response)

    apply()
    wait_for_threads()

    assert Agent.objects.count() == 2


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "import":
            thread.join(60)
