"""Agents' sessions: how many, what ends them, and what each end is called."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from groups.cookies import sessions_of
from groups.models import AgentSession, EndReason
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def three_sessions(agent):
    """Three live sessions; the second was used longest ago."""
    sessions = factories.AgentSessionFactory.create_batch(3, agent=agent)
    for session, minutes in zip(sessions, (5, 20, 10), strict=True):
        AgentSession.objects.filter(pk=session.pk).update(last_seen_at=Now() - timedelta(minutes=minutes))
    return sessions


def end_of(session) -> str:
    session.refresh_from_db()
    return session.end_reason


def test_fourth_session_ends_the_least_recently_used(three_sessions, attempt):
    attempt()

    assert [end_of(session) for session in three_sessions] == ["", "limit", ""]


def test_groups_own_limit_counts(three_sessions, group, attempt):
    group.sessions_per_agent = 1
    group.save()

    attempt()

    assert [end_of(session) for session in three_sessions] == ["limit"] * 3


def test_sessions_of_others_are_not_counted(three_sessions, group, attempt):
    factories.AgentFactory(group=group, username="bob")

    attempt(username="bob")

    assert [end_of(session) for session in three_sessions] == ["", "", ""]


def test_sessions_that_ended_are_not_counted(three_sessions, attempt):
    AgentSession.objects.filter(pk=three_sessions[0].pk).end(EndReason.SIGNED_OUT)

    attempt()

    assert [end_of(session) for session in three_sessions] == ["signed_out", "", ""]


def test_signing_in_again_in_one_browser_renews_its_session(agent, attempt):
    session = factories.AgentSessionFactory(agent=agent)

    attempt(replaces=session)

    assert end_of(session) == "renewed"


def test_renewed_session_leaves_room(three_sessions, attempt):
    attempt(replaces=three_sessions[0])

    assert [end_of(session) for session in three_sessions] == ["renewed", "", ""]


def test_signing_in_as_somebody_else_switches(agent, group, attempt):
    session = factories.AgentSessionFactory(agent=factories.AgentFactory(group=group, username="bob"))

    attempt(replaces=session)

    assert end_of(session) == "switched"


def test_refused_attempt_leaves_the_browsers_session(agent, attempt):
    session = factories.AgentSessionFactory(agent=agent)

    attempt("not the password", replaces=session)

    assert end_of(session) == ""


def test_session_that_ended_keeps_its_first_reason(agent):
    session = factories.AgentSessionFactory(agent=agent)

    AgentSession.objects.end(EndReason.LIMIT)
    ended_again = AgentSession.objects.end(EndReason.PASSWORD)

    assert (ended_again, end_of(session)) == (0, "limit")


@pytest.mark.parametrize(("username", "reason"), [("alice", "signed_out"), ("bob", "switched")])
def test_session_past_its_longest_is_ended_and_not_renewed(agent, group, attempt, username, reason):
    factories.AgentFactory(group=group, username="bob")
    session = factories.AgentSessionFactory(agent=agent)
    AgentSession.objects.update(started_at=Now() - timedelta(hours=13), ends_at=Now() - timedelta(seconds=1))

    begun = attempt(username=username, replaces=session).session

    assert end_of(session) == reason
    assert begun.sid != session.sid


def test_session_that_is_about_to_end_takes_no_room(three_sessions, attempt):
    attempt(instead_of=three_sessions[2].sid)

    assert [end_of(session) for session in three_sessions] == ["", "", ""]


SECRET = "as_the-secret-of-the-session-under-test"


@pytest.fixture
def read(rf, settings):
    """The session of `SECRET` as a request finds it."""

    def read():
        request = rf.get("/")
        request.COOKIES[settings.AGENT_COOKIE_NAME] = SECRET
        return sessions_of(request).get()

    return read


@pytest.mark.parametrize(
    ("fields", "is_open", "is_live"),
    [
        ({}, True, True),
        ({"idle_at": Now() - timedelta(seconds=1)}, True, False),
        ({"ends_at": Now() - timedelta(seconds=1), "started_at": Now() - timedelta(hours=12)}, False, False),
        ({"ended_at": Now(), "end_reason": "limit"}, False, False),
    ],
)
def test_session_is_judged_alike_by_query_and_by_row(agent, read, fields, is_open, is_live):
    factories.AgentSessionFactory(agent=agent, secret=SECRET)
    AgentSession.objects.update(**fields)

    assert (AgentSession.objects.open().exists(), AgentSession.objects.live().exists()) == (is_open, is_live)
    assert (read().is_open(), read().is_live()) == (is_open, is_live)


def test_session_seen_within_a_minute_is_not_written(agent, read, django_assert_num_queries):
    factories.AgentSessionFactory(agent=agent, secret=SECRET)

    with django_assert_num_queries(1):
        AgentSession.objects.touch_if_due(read())


def test_session_seen_a_minute_ago_is_put_off_being_idle(agent, group, read):
    session = factories.AgentSessionFactory(agent=agent, secret=SECRET)
    AgentSession.objects.update(
        last_seen_at=Now() - timedelta(seconds=61), idle_at=Now() + timedelta(minutes=1)
    )

    AgentSession.objects.touch_if_due(read())

    session.refresh_from_db()
    assert session.idle_at - session.last_seen_at == timedelta(minutes=group.idle_minutes)


def test_touch_never_prolongs_a_session(agent, read):
    session = factories.AgentSessionFactory(agent=agent, secret=SECRET)
    AgentSession.objects.update(last_seen_at=Now() - timedelta(hours=1))
    ends_at = session.ends_at

    AgentSession.objects.touch_if_due(read())

    session.refresh_from_db()
    assert session.ends_at == ends_at
