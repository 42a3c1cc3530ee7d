"""The journal: the lines of the server's log that outlive the database."""

import json
import logging

import pytest

from accounts import audit
from groups import standing
from groups.models import AgentStatus
from sso_portal.lib.logs import formatter
from tests import factories
from tokens.changes_since import read_changes

pytestmark = pytest.mark.django_db


@pytest.fixture
def journal(django_capture_on_commit_callbacks, caplog):
    """What is written to the log as the acts are committed, as changes."""

    def of(*acts):
        with caplog.at_level(logging.INFO), django_capture_on_commit_callbacks(execute=True):
            for act in acts:
                act()
        written = formatter("json")
        lines = [written.format(one) for one in caplog.records if one.name == "accounts.journal"]
        assert all(json.loads(line) for line in lines)
        return read_changes(lines)

    return of


def test_change_is_a_line_that_can_be_read_back(journal, agent, caller):
    how = {"by": "operator:root", "caller": caller}

    (change,) = journal(lambda: standing.set_status(agent, AgentStatus.DISABLED, **how))

    assert (change.action, change.agent, change.group_id) == ("agent.disable", agent.subject, agent.group_id)


def test_change_of_many_is_a_line_each(journal, agent, caller):
    others = [factories.AgentFactory(group=agent.group) for _ in range(2)]
    how = {"group": agent.group, "by": "operator:root", "caller": caller}

    changes = journal(lambda: standing.set_status_of_many([agent, *others], AgentStatus.SUSPENDED, **how))

    assert {change.agent for change in changes} == {one.subject for one in (agent, *others)}


@pytest.mark.parametrize("action", ["login.issue", "agent.sign_in", "bus.me", "request"])
def test_what_happens_all_day_is_no_line(journal, caller, action):
    assert journal(lambda: audit.record(action, caller=caller, actor="test")) == []


@pytest.mark.parametrize("action", ["apicredential.change", "apikey.change", "agent.enrol_factor"])
def test_what_begins_like_it_is_a_line(journal, caller, action):
    (change,) = journal(lambda: audit.record(action, caller=caller, actor="test"))

    assert change.action == action


def test_refusal_is_no_line(journal, caller):
    assert journal(lambda: audit.record("key.revoke", caller=caller, actor="x", refused_for="no")) == []
