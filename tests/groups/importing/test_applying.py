"""Applying a file that was checked."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from groups.agent_columns import campaigns_cell, clients_cell
from groups.importing import applying
from groups.importing.applying import is_kept, why_not_apply
from groups.importing.working import claim
from groups.models import Agent, AgentImport, AgentSession
from groups.provisioning import find_or_provision
from tests import factories
from tests.groups.importing.reading import counts

pytestmark = pytest.mark.django_db


def test_new_agent_is_what_the_row_says(applied, entitlement):
    with timezone.override("America/New_York"):
        asked = applied(
            "username,full_name,email,status,end_date,clients,campaigns\n"
            'Bob,Bob Bow,bob@x.example,Suspended,2027-03-31,demoaws,"demoaws:1,2"\n'
        )

    bob = Agent.objects.get()
    assert asked.state == "applied"
    assert (bob.username, bob.username_key, bob.full_name) == ("Bob", "bob", "Bob Bow")
    assert (bob.email, bob.status, bob.provisioned_by) == ("bob@x.example", "suspended", "import")
    assert bob.ends_at == datetime(2027, 4, 1, 4, tzinfo=UTC)
    assert (clients_cell(bob), campaigns_cell(bob)) == ("demoaws", "demoaws:1,2")


def test_new_agent_may_enter_every_client_unless_the_row_says_otherwise(applied):
    applied("username,full_name\nbob,Bob\n")

    bob = Agent.objects.get()
    assert (bob.all_clients, bob.status, bob.ends_at, bob.password) == (True, "active", None, "")


def test_formula_and_markup_are_text(applied):
    applied("username,full_name\n=1+1,<script>alert(1)</script>\n'=2+2,'+x\n")

    assert list(Agent.objects.order_by("pk").values_list("username", "full_name")) == [
        ("=1+1", "<script>alert(1)</script>"),
        ("=2+2", "+x"),
    ]


def test_change_leaves_the_rest_alone(agent, entitlement, applied):
    Agent.objects.update(email="alice@x.example", all_clients=False)
    factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    before = Agent.objects.values().get()

    applied("username,full_name\nalice,Alice Other\n")

    assert Agent.objects.values().get() == before | {"full_name": "Alice Other"}
    assert clients_cell(Agent.objects.get()) == "demoaws"


def test_dash_takes_away(agent, entitlement, applied):
    Agent.objects.update(email="alice@x.example", ends_at=timezone.now() + timedelta(days=9))

    applied("username,email,end_date,clients\nalice,-,-,-\n")

    alice = Agent.objects.get()
    assert (alice.email, alice.ends_at, clients_cell(alice)) == ("", None, "-")


@pytest.mark.parametrize(
    ("before", "cells", "after"),
    [
        (("*", ""), ("demoaws;sandbox", ""), ("demoaws sandbox", "")),
        (("demoaws", "demoaws:1"), ("*", ""), ("*", "demoaws:1")),
        (("demoaws", "demoaws:1"), ("sandbox", ""), ("sandbox", "")),
        (("demoaws sandbox", "demoaws:1"), ("demoaws", ""), ("demoaws", "demoaws:1")),
        (("demoaws", "demoaws:1"), ("", "demoaws:2 , 3"), ("demoaws", "demoaws:2,3")),
        (("demoaws sandbox", "demoaws:1"), ("", "sandbox:9;"), ("demoaws sandbox", "sandbox:9")),
        (("demoaws", "demoaws:1"), ("", "*"), ("demoaws", "")),
        (("demoaws", "demoaws:1"), ("", "demoaws:*"), ("demoaws", "")),
        (("*", ""), ("", "demoaws:1"), ("*", "demoaws:1")),
        (("*", "demoaws:1"), ("", "*"), ("*", "")),
        (("-", ""), ("DEMOAWS", "demoaws:1"), ("demoaws", "demoaws:1")),
    ],
)
def test_clients_and_campaigns_become_what_the_cells_say(
    group, agent, entitlement, applied, before, cells, after
):
    sandbox = factories.ClientFactory(subdomain="sandbox")
    factories.CampaignFactory(client=sandbox, number=9)
    factories.EntitlementFactory(group=group, client=sandbox)
    header = "username\tclients\tcampaigns\n"
    if before != ("*", ""):
        applied(header + "\t".join(["alice", *before]))

    applied(header + "\t".join(["alice", *cells]))

    alice = Agent.objects.get()
    assert (clients_cell(alice), campaigns_cell(alice)) == after


def test_same_file_again_changes_nothing(entitlement, applied, checked):
    content = (
        "username,full_name,email,status,end_date,clients,campaigns\n"
        "bob,Bob,bob@x.example,active,2027-03-31,demoaws,demoaws:1\n"
        "cleo,Cleo,-,disabled,2027-03-31 17:30,*,demoaws:2\n"
        "dora,Dora,,,-,-,\n"
    )
    applied(content)

    assert counts(checked(content)) == {"unchanged": 3}


def test_status_that_keeps_out_ends_sessions(agent, applied):
    factories.AgentSessionFactory(agent=agent)

    applied("username,status\nalice,suspended\n")

    assert AgentSession.objects.get().end_reason == "stopped"


def test_end_date_that_has_come_ends_sessions(agent, applied):
    factories.AgentSessionFactory(agent=agent)

    applied("username,end_date\nalice,2020-01-01\n")

    assert AgentSession.objects.get().end_reason == "stopped"


def test_other_changes_leave_sessions_alone(agent, applied):
    factories.AgentSessionFactory(agent=agent)

    applied("username,email\nalice,alice@x.example\n")

    assert AgentSession.objects.get().ended_at is None


def test_events_tell_what_was_done(group, agent, applied):
    asked = applied("username,full_name,email,status\nalice,Ali,a@x.example,suspended\nbob,Bob,,\n")

    bob = Agent.objects.get(username="bob")
    told = {event.action: event for event in Event.objects.all()}
    assert set(told) == {"agent.create", "agent.update", "agent.suspend", "agent.import"}
    assert (told["agent.create"].agent, told["agent.update"].agent) == (bob.subject, agent.subject)
    assert told["agent.update"].details == {"import": asked.pk, "changed": ["full_name", "email"]}
    assert told["agent.suspend"].details == {"import": asked.pk}
    assert told["agent.import"].details | {"import": asked.pk} == {
        "import": asked.pk, "new": 1, "change": 1, "unchanged": 0, "faulty": 0, "leaving": 0
    }  # fmt: skip
    assert {event.actor for event in told.values()} == {"administrator:ada@x.example"}
    assert {event.group_id for event in told.values()} == {group.pk}


def test_unchanged_agents_have_no_event(agent, applied):
    applied("username,full_name\nalice,Alice Ames\nbob,Bob\n")

    assert not Event.objects.filter(agent=agent.subject).exists()


def test_only_the_good_rows_leave_the_faulty_ones_out(applied):
    asked = applied("username,full_name\nbob,Bob\ncleo,\n", only_good=True)

    assert list(Agent.objects.values_list("username", flat=True)) == ["bob"]
    assert counts(asked) == {"new": 1, "faulty": 1}


def test_all_or_nothing_is_nothing_when_a_row_became_faulty(group, entitlement, checked, applied):
    asked = checked("username,full_name,clients\nbob,Bob,\ncleo,Cleo,demoaws\n")
    entitlement.delete()

    asked = applied(asked)

    assert not Agent.objects.exists()
    assert not Event.objects.exists()
    assert (asked.state, asked.failure, counts(asked)) == ("checked", "faulty", {"new": 1, "faulty": 1})


def test_good_rows_are_applied_when_another_became_faulty(entitlement, checked, applied):
    asked = checked("username,full_name,clients\nbob,Bob,\ncleo,Cleo,demoaws\n")
    entitlement.delete()

    asked = applied(asked, only_good=True)

    assert (asked.state, counts(asked)) == ("applied", {"new": 1, "faulty": 1})


def test_agent_made_since_the_preview_is_changed_instead(group, checked, applied, caller):
    asked = checked("username,full_name\nbob,Bob Bow\n")
    find_or_provision(group=group, username="bob", full_name="B", email="", by="key:x", caller=caller)

    asked = applied(asked)

    assert (Agent.objects.get().full_name, counts(asked)) == ("Bob Bow", {"change": 1})


def test_applied_file_is_dropped(applied):
    asked = applied("username,full_name\nbob,Bob\n")

    assert bytes(asked.content) == b""
    assert asked.applied_at is not None
    assert not is_kept(asked)


def test_file_is_applied_once(applied):
    asked = applied("username,full_name\nbob,Bob\n")

    assert claim(asked, to="applying") is None


def test_fault_of_ours_changes_nothing_and_can_be_tried_again(checked, applied, monkeypatch):
    asked = checked("username,full_name\nbob,Bob\n")
    monkeypatch.setattr(applying, "leavers_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        applied(asked)
    monkeypatch.undo()
    asked.refresh_from_db()

    assert (asked.state, asked.failure, Agent.objects.count()) == ("checked", "broke", 0)
    assert applied(asked).state == "applied"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "checking"}, "import_not_ready"),
        ({"state": "applied"}, "import_not_ready"),
        ({"content": b""}, "import_not_kept"),
        ({"summary": {"new": 0, "change": 0, "leaving": 0, "faulty": 3}}, "import_changes_nothing"),
        ({"summary": {"new": 1, "change": 0, "leaving": 0, "faulty": 3}}, "import_has_faults"),
    ],
)
def test_import_that_cannot_be_applied_says_why(checked, change, code):
    asked = checked("username,full_name\nbob,Bob\n")
    AgentImport.objects.update(**change)
    asked.refresh_from_db()

    assert why_not_apply(asked, only_good=False).code == code
