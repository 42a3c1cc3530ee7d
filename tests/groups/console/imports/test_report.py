"""What an import did, and the activation codes of the agents it made."""

import pytest

from accounts.models import Event
from groups.models import Agent
from sso_portal.lib.secrets import canonical_code, digest_of
from tests.groups.console.imports.uploaded import GOOD, last, table_of

pytestmark = pytest.mark.django_db


def test_report_has_a_verdict_for_each_row(agent, upload, apply, as_owner, address):
    upload("username,full_name,email\nalice,Alice Ames,a@x.example\n=1+1,\nbob,Bob,\n")
    apply(rows="good")

    rows = table_of(as_owner.get(address(f"imports/{last().pk}/report/")))

    assert rows == [
        ["Line", "Username", "Verdict", "Why"],
        ["2", "alice", "changed", "E-mail:  → a@x.example."],
        ["3", "'=1+1", "left out", "full_name is blank, which a new agent needs."],
        ["4", "bob", "added", ""],
    ]


def test_report_of_a_roster_names_who_left(agent, upload, as_owner, address):
    upload(GOOD, kind="roster")

    rows = table_of(as_owner.get(address(f"imports/{last().pk}/report/")))

    assert rows[-1] == ["", "alice", "leaves", ""]


@pytest.fixture
def codes(as_owner, address):
    """Ask for activation codes; the rows of the answer."""
    return lambda: table_of(as_owner.post(address(f"imports/{last().pk}/codes/")))[1:]


def test_codes_are_given_to_new_agents(agent, upload, apply, codes, group):
    upload(GOOD + "alice,Alice Other\n")
    apply()

    rows = codes()

    digests = dict(Agent.objects.values_list("username", "activation_digest"))
    assert [row[0] for row in rows] == ["bob", "cleo"]
    assert {row[0]: digest_of(canonical_code(row[2])) for row in rows} | {"alice": ""} == digests
    assert rows[0][4] == f"http://localhost:8000/sso/group?group={group.pk}"
    assert Event.objects.filter(action="agent.give_activation_code").count() == 2


def test_codes_are_new_each_time(upload, apply, codes):
    upload(GOOD)
    apply()

    assert codes()[0][2] != codes()[0][2]


def test_agent_who_has_a_password_gets_no_code(upload, apply, codes):
    upload(GOOD)
    apply()
    Agent.objects.filter(username="bob").update(password="!")

    assert [row[0] for row in codes()] == ["cleo"]


def test_agent_with_the_longest_name_gets_a_code(upload, apply, codes):
    name = "b" * 150
    upload(f"username,full_name\n{name},Bob\n")
    apply()

    assert codes()[0][0] == name


def test_codes_are_not_given_before_the_import_is_applied(upload, as_owner, address):
    upload(GOOD)

    assert as_owner.post(address(f"imports/{last().pk}/codes/")).status_code == 404
