"""Rows by the ten thousand."""

from datetime import UTC, datetime

import pytest

from accounts.models import Event
from groups.models import Agent, AgentStatus
from sso_portal.lib import inserting
from sso_portal.lib.inserting import insert_many

pytestmark = pytest.mark.django_db


def test_rows_hold_what_is_common_and_what_is_their_own(group):
    ends_at = datetime(2030, 1, 2, tzinfo=UTC)

    insert_many(
        Agent,
        common={"group_id": group.pk, "full_name": "Zoë '); --"},
        own=["username", "username_key", "subject", "ends_at"],
        rows=(["a%s", "a", "s1", ends_at], ["b", "b", "s2", None]),
    )

    first, second = Agent.objects.order_by("username")
    assert (first.username, first.subject, first.ends_at) == ("a%s", "s1", ends_at)
    assert (second.full_name, second.ends_at, second.group) == ("Zoë '); --", None, group)


def test_other_fields_get_their_defaults(group):
    insert_many(
        Agent,
        common={"group_id": group.pk},
        own=["username_key", "subject"],
        rows=[["a", "s"]],
    )

    agent = Agent.objects.get()
    assert (agent.status, agent.all_clients, agent.last_signed_in_at) == (AgentStatus.ACTIVE, True, None)
    assert agent.created_at


def test_several_statements_insert_every_row(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(inserting, "MOST_ROWS", 2)

    with django_assert_num_queries(3):
        insert_many(
            Event,
            common={"action": "a.b", "outcome": "ok", "details": {"n": [1]}},
            own=["agent"],
            rows=(["x"] for _ in range(5)),
        )

    assert [event.details for event in Event.objects.all()] == [{"n": [1]}] * 5


def test_no_rows_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_many(Event, common={}, own=["agent"], rows=[])


def test_row_that_is_there_is_changed_in_the_fields_named(agent):
    insert_many(
        Agent,
        common={"group_id": agent.group_id},
        own=["id", "username_key", "subject", "email", "full_name"],
        rows=[[agent.pk, "alice", agent.subject, "a@x.example", "Else"]],
        or_update=["email"],
    )

    before = agent.password
    agent.refresh_from_db()
    assert (agent.email, agent.full_name, agent.password) == ("a@x.example", "Alice Ames", before)
