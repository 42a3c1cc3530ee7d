"""An agent's page, as far as it tells who learned of log-outs. (The rest: tests/groups/console/test_agent_page.py.)"""

from datetime import timedelta

import pytest
from django.utils import timezone

from groups.models import AgentSession, EndReason
from tests import factories
from tokens.handoffs import remember
from tokens.models import Handoff

pytestmark = pytest.mark.django_db


@pytest.fixture
def party(relying_party):
    relying_party.backchannel_logout_uri = "https://demoaws.crm.example/logged-out"
    relying_party.save()
    return relying_party


@pytest.fixture
def session(agent):
    return factories.AgentSessionFactory(agent=agent)


@pytest.fixture
def handoff(session, party):
    remember(session, party)
    return Handoff.objects.get()


@pytest.fixture
def see(auditor, group, agent, visit_as):
    """The page, as an auditor sees it."""
    return lambda: visit_as(auditor).get(f"/groups/{group.pk}/agents/{agent.subject}/").content.decode()


def end(session) -> None:
    AgentSession.objects.filter(pk=session.pk).end(EndReason.SIGNED_OUT)


def test_open_session_names_who_will_be_told(handoff, see):
    assert "To be told of the log-out: Demo AWS" in see()
    assert "Log-outs passed on" not in see()


def test_page_without_log_outs_says_nothing_of_them(session, see):
    assert "log-out" not in see().lower()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ["to be told"]),
        ({"told_at": timedelta(0), "tries": 1}, ["lamp--active", "told"]),
        (
            {"next_try_at": timedelta(minutes=1), "tries": 2, "failure": "status: 503"},
            ["to be told", "The client’s system answered with an error (503)", "Next try", "2 tries"],
        ),
        (
            {"given_up_at": timedelta(0), "tries": 7, "failure": "timed out"},
            ["could not be told", "did not answer within 5 seconds", "7 tries"],
        ),
    ],
)
def test_ended_session_says_who_was_told(handoff, session, see, fields, words):
    end(session)
    moments = {
        name: timezone.now() + value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    Handoff.objects.filter(pk=handoff.pk).update(**moments)

    page = see()

    assert "signed out" in page
    assert [word for word in words if word not in page] == []


def test_session_and_what_renewed_it_are_one_row(handoff, session, party, agent, see):
    AgentSession.objects.filter(pk=session.pk).end(EndReason.RENEWED)
    renewed = factories.AgentSessionFactory(agent=agent, sid=session.sid)
    remember(renewed, party)
    end(renewed)
    Handoff.objects.update(told_at=timezone.now(), tries=1)

    assert see().count('class="lamp lamp--active"') == 2  # of the group, and of the one log-out


def test_queries_do_not_grow_with_the_log_outs(
    party, agent, owner, group, visit_as, django_assert_max_num_queries
):
    for _ in range(20):
        each = factories.AgentSessionFactory(agent=agent)
        remember(each, party)
        end(each)
    browser = visit_as(owner)
    browser.get(f"/groups/{group.pk}/")

    with django_assert_max_num_queries(15):
        browser.get(f"/groups/{group.pk}/agents/{agent.subject}/")


# --- The group's first page -------------------------------------------------------------------------------------------


@pytest.fixture
def see_group(owner, group, visit_as):
    return lambda: visit_as(owner).get(f"/groups/{group.pk}/now/").content.decode()


def test_log_outs_that_failed_lately_are_to_be_looked_after(handoff, see_group):
    Handoff.objects.update(given_up_at=timezone.now(), failure="timed out")

    page = see_group()

    assert "1 log-out of the last 24 hours was not passed on" in page
    assert "outcome=refused&amp;client=demoaws" in page


@pytest.mark.parametrize("given_up_at", [None, timedelta(days=-2)])
def test_others_are_not(handoff, see_group, given_up_at):
    Handoff.objects.update(given_up_at=given_up_at and timezone.now() + given_up_at)

    assert "not passed on" not in see_group()


def test_log_outs_of_another_group_are_not(party, other_group, see_group):
    remember(factories.AgentSessionFactory(agent=factories.AgentFactory(group=other_group)), party)
    Handoff.objects.update(given_up_at=timezone.now())

    assert "not passed on" not in see_group()


# --- Back office ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "is_shown"), [("", True), ("failed", True), ("failing", False), ("told", False), ("x", True)]
)
def test_operators_find_log_outs_that_failed(handoff, visit_as, told, is_shown):
    Handoff.objects.update(given_up_at=timezone.now(), failure="timed out")
    operator = factories.SecondFactorFactory(user__is_staff=True, user__is_superuser=True).user

    page = visit_as(operator).get("/backoffice/tokens/handoff/", {"told": told} if told else {})

    assert page.status_code == 200
    assert ("timed out" in page.content.decode()) is is_shown


def test_operators_change_nothing_of_a_handoff(handoff, visit_as):
    operator = factories.SecondFactorFactory(user__is_staff=True, user__is_superuser=True).user
    browser = visit_as(operator)

    assert browser.get("/backoffice/tokens/handoff/add/").status_code == 403
    assert browser.post(f"/backoffice/tokens/handoff/{handoff.pk}/change/", {}).status_code == 403
