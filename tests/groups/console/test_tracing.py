"""The page of a trace, and the box that leads to it. (What a trace holds: tests/groups/test_tracing.py.)"""

import re
from datetime import UTC, datetime

import pytest

from accounts import audit
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(agent, caller):
    return audit.record(
        "login.issue",
        caller=caller,
        actor=f"agent:{agent.subject}",
        refused_for="client_unavailable",
        group=agent.group,
        agent=agent,
        client="demoaws",
        details={"detail": "paused", "note": "<b>bold</b>"},
    )


def test_box_asks_for_a_number(auditor, visit_as):
    response = visit_as(auditor).get("/refused/")

    assert response.status_code == 200
    assert 'name="reference"' in response.content.decode()


def test_box_leads_to_the_trace(owner, visit_as):
    response = visit_as(owner).get("/refused/", {"reference": " test-0000-0000 "})

    assert (response.status_code, response["Location"]) == (303, "/refused/TEST-0000-0000/")


@pytest.mark.parametrize("typed", ["../../etc", "x" * 21, "<b>", "é", "a b"])
def test_what_is_no_number_is_not_looked_for(owner, visit_as, typed):
    response = visit_as(owner).get("/refused/", {"reference": typed})

    assert response.status_code == 404
    assert "Nothing under this number" in response.content.decode()
    assert "<b>" not in response.content.decode()


def test_box_asks_nobody_who_is_not_signed_in(client):
    assert client.get("/refused/").status_code == 302


@pytest.mark.parametrize("typed", ["TEST-0000-0000", "test-oooo-oooo", "TEST00000000"])
def test_number_may_be_mistyped(owner, event, visit_as, typed):
    assert visit_as(owner).get(f"/refused/{typed}/").status_code == 200


def test_trace_tells_the_steps_and_the_reason(owner, event, visit_as):
    told = visit_as(owner).get(f"/refused/{event.reference}/").content.decode()

    assert "alice did not get in: the client has paused all sign-ins." in told
    assert "The phone system opened the address of the call" in told
    assert "(client_unavailable)" in told


def test_trace_leads_back_to_the_activity(owner, group, event, visit_as):
    told = visit_as(owner).get(f"/refused/{event.reference}/").content.decode()

    assert f'href="/groups/{group.pk}/activity/"' in told


def test_hostile_text_is_shown_as_text(owner, group, agent, visit_as):
    factories.EventFactory(
        group_id=group.pk, reference="H05T-1111-1111", action="agent.update", details={"note": "<b>bold</b>"}
    )
    told = visit_as(owner).get("/refused/H05T-1111-1111/").content.decode()

    assert "<b>bold" not in told
    assert "&lt;b&gt;bold" in told


def test_times_are_the_administrators_own(owner, group, visit_as):
    factories.EventFactory(
        group_id=group.pk, reference="T1ME-1111-1111", at=datetime(2026, 3, 10, 20, 30, tzinfo=UTC)
    )
    owner.time_zone = "Asia/Kolkata"
    owner.save()
    told = visit_as(owner).get("/refused/T1ME-1111-1111/").content.decode()

    assert "02:00:00" in told
    assert "Wednesday, 11 March 2026" in told


def test_foreign_number_looks_like_an_unknown_one(stranger, event, visit_as):
    browser = visit_as(stranger)
    pages = [browser.get(f"/refused/{number}/") for number in (event.reference, "AAAA-AAAA-AAAA")]
    changing = r"\w{4}-\w{4}-\w{4}|csrfmiddlewaretoken\" value=\"\w+"
    foreign, unknown = (re.sub(changing, "", page.content.decode()) for page in pages)

    assert [page.status_code for page in pages] == [404, 404]
    assert foreign == unknown


def test_page_costs_few_queries(owner, event, visit_as, django_assert_max_num_queries):
    browser = visit_as(owner)
    browser.get("/refused/")

    with django_assert_max_num_queries(12):
        browser.get(f"/refused/{event.reference}/")
