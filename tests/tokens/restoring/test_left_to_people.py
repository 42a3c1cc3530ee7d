"""`manage.py restored`: what the log does not tell exactly is left to people."""

import json

import pytest

from groups.models import Agent, AgentFactor
from tests.tokens.restoring.restored import NOW, manage

NOT_TOLD = {
    "networks of a group": {"action": "group.change_settings"},
    "networks in the back office": {"action": "group.change", "details": {"changed": [
        {"changed": {"fields": ["Active", "Networks"], "to": {"is_active": False}}}
    ]}},
    "role in a list": {"action": "group.change", "details": {"changed": [
        {"changed": {"name": "membership", "object": "ada@x.example in Northwind: auditor", "fields": ["Role"]}}
    ]}},
    "end of a key": {"action": "apikey.change"},
    "agent's passkey set up": {"action": "agent.enrol_factor", "details": {"factor": "passkey"}},
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_TOLD)
@pytest.mark.django_db
def test_what_is_not_told_exactly_is_left_to_people(group, tmp_path, name):
    (tmp_path / "log").write_text(json.dumps({"at": NOW, "group_id": group.pk} | NOT_TOLD[name]))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert "look at these yourself" in out


@pytest.mark.django_db
def test_one_factor_that_an_agent_removed_is_left_to_people(agent, tmp_path):
    AgentFactor.objects.create(agent=agent, secret="sealed")
    told = {
        "at": NOW,
        "action": "agent.remove_factor",
        "agent": agent.subject,
        "details": {"factor": "passkey"},
    }
    (tmp_path / "log").write_text(json.dumps(told))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert AgentFactor.objects.exists()
    assert "look at these yourself" in out


@pytest.mark.django_db
def test_end_date_and_fewer_clients_at_once_are_left_to_people_with_the_date_set(agent, tmp_path):
    details = {"end_date": ["", "2029-06-01T00:00:00Z"], "clients": ["", "demoaws"]}
    told = {"at": NOW, "action": "agent.update", "agent": agent.subject, "details": details}
    (tmp_path / "log").write_text(json.dumps(told))

    out = manage("--events", str(tmp_path / "log"), "--since", "2029-01-01T00:00:00Z")

    assert Agent.objects.get().ends_at.year == 2029
    assert "look at these yourself" in out
    assert "Revoked again:" not in out
