"""Importing agents from a CSV file: verdicts, applying, rosters."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Event
from groups.agent_columns import campaigns_cell, clients_cell
from groups.importing import applying
from groups.importing.applying import apply, is_kept, why_not_apply
from groups.importing.checking import check, receive
from groups.importing.working import LostTurn, claim, say_alive, start
from groups.models import Agent, AgentImport, AgentSession, AgentStatus, ProvisionedBy
from groups.provisioning import find_or_provision
from groups.standing import set_status
from sso_portal.lib.csvs import UnreadableCSV
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def receive_file(group):
    """Upload a file into the group."""

    def receive_file(content: str | bytes, *, kind: str = "agents", **options) -> AgentImport:
        content = content.encode() if isinstance(content, str) else content
        return receive(
            content, group=group, kind=kind, file_name="x.csv", by="administrator:ada@x.example", **options
        )

    return receive_file


@pytest.fixture
def checked(receive_file):
    """Upload a file and check it."""

    def checked(content: str | bytes, **options) -> AgentImport:
        asked = receive_file(content, **options)
        check(asked.pk, asked.worker)
        return AgentImport.objects.get(pk=asked.pk)

    return checked


@pytest.fixture
def applied(checked, caller):
    """Upload a file, check and apply it."""

    def applied(content: str | AgentImport, *, only_good: bool = False, **options) -> AgentImport:
        asked = content if isinstance(content, AgentImport) else checked(content, **options)
        worker = claim(asked, to="applying")
        apply(asked.pk, worker, only_good=only_good, by="administrator:ada@x.example", caller=caller)
        return AgentImport.objects.get(pk=asked.pk)

    return applied


def counts(asked: AgentImport) -> dict[str, int]:
    """How many rows there are of each kind that there is."""
    kinds = ("new", "change", "unchanged", "faulty", "leaving")
    return {kind: asked.summary[kind] for kind in kinds if asked.summary[kind]}


def notes(asked: AgentImport) -> list[list[str]]:
    """What is said of the only row."""
    [verdict] = asked.verdicts
    return verdict[3]


# --- Verdicts ----------------------------------------------------------------------------------------------------


def test_unknown_username_is_new(checked):
    asked = checked("username,full_name\nbob,Bob Bow\n")

    assert asked.state == "checked"
    assert asked.verdicts == [[2, "bob", "new", []]]


def test_known_username_changes_what_differs(agent, checked):
    asked = checked("username,full_name,email\nalice,Alice Ames,alice@x.example\n")

    assert asked.verdicts == [[2, "alice", "change", [["email", "", "alice@x.example"]]]]


@pytest.mark.parametrize("username", ["alice", "ALICE", "ａｌｉｃｅ", " alice "])
def test_username_is_found_however_it_is_written(agent, checked, username):
    assert counts(checked(f"username,full_name\n{username},Alice Ames\n")) == {"unchanged": 1}


def test_blank_cells_and_missing_columns_say_nothing(agent, checked):
    Agent.objects.update(email="alice@x.example", ends_at=timezone.now(), status="suspended")

    assert counts(checked("username,full_name,email,end_date\nalice,,,\n")) == {"unchanged": 1}


@pytest.mark.parametrize(
    "header", ["Username;Full Name", "USER;Name", "login;display-name", "usuario;nombre completo"]
)
def test_header_may_use_other_names(checked, header):
    assert counts(checked(f"{header}\nbob;Bob Bow\n")) == {"new": 1}


def test_unknown_columns_are_named_and_ignored(checked):
    asked = checked("username,full_name,Shoe size,,<b>\nbob,Bob,43,x,y\n")

    assert asked.summary["ignored"] == ["shoe size", "<b>"]
    assert counts(asked) == {"new": 1}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",Nobody,,,,,", ["username", "missing", ""]),
        ("\u00ad,Nobody,,,,,", ["username", "unseen", "\ufffd"]),
        ("a\u202eb,Bidi,,,,,", ["username", "unseen", "a\ufffdb"]),
        ("a\u200bb,Hidden,,,,,", ["username", "unseen", "a\ufffdb"]),
        ("x" * 5000 + ",Long,,,,,", ["username", "long", "150"]),
        ("bob,,,,,,", ["full_name", "missing", ""]),
        (f"bob,{'x' * 5000},,,,,", ["full_name", "long", "200"]),
        ("bob,B\u202eob,,,,,", ["full_name", "unseen", "B\ufffdob"]),
        ('bob,"B\nob",,,,,', ["full_name", "unseen", "B\ufffdob"]),
        ("bob,Bob,bob@,,,,", ["email", "email", "bob@"]),
        (f"bob,Bob,{'b' * 250}@x.example,,,,", ["email", "email", "b" * 59 + "…"]),
        ("bob,Bob,,gone,,,", ["status", "status", "gone"]),
        ("bob,Bob,,,31.03.2027,,", ["end_date", "end_date", "31.03.2027"]),
        ("bob,Bob,,,2027-02-30,,", ["end_date", "end_date", "2027-02-30"]),
        ("bob,Bob,,,9999-12-31,,", ["end_date", "end_date", "9999-12-31"]),
        ("bob,Bob,,,2027-03-31 25:00,,", ["end_date", "end_date", "2027-03-31 25:00"]),
        ("bob,Bob,,,20270331,,", ["end_date", "end_date", "20270331"]),
        ("bob,Bob,,,,acme demoaws,", ["clients", "unknown", "acme"]),
        ("bob,Bob,,,,* demoaws,", ["clients", "clients", "* demoaws"]),
        ("bob,Bob,,,,,demoaws", ["campaigns", "campaigns", "demoaws"]),
        ("bob,Bob,,,,,demoaws:x", ["campaigns", "campaigns", "demoaws:x"]),
        ("bob,Bob,,,,,acme:1", ["campaigns", "unknown", "acme"]),
        ('bob,Bob,,,,,"demoaws:1,99,7"', ["campaigns", "foreign", "demoaws:7,99"]),
        ("bob,Bob,,,,-,demoaws:1", ["campaigns", "not listed", "demoaws"]),
        ("bob,Bob,,,,,,a,b", ["row", "surplus", "a, b"]),
    ],
)
def test_faulty_row_says_why(entitlement, checked, row, fault):
    asked = checked(f"username,full_name,email,status,end_date,clients,campaigns\n{row}\n")

    assert counts(asked) == {"faulty": 1}
    assert fault in notes(asked)


def test_username_that_is_there_twice_is_faulty_the_second_time(checked):
    asked = checked("username,full_name\nbob,Bob\nBOB,Bob again\n")

    assert asked.verdicts == [
        [2, "bob", "new", []],
        [3, "BOB", "faulty", [["row", "twice", "2"]]],
    ]


def test_row_may_have_several_faults(checked):
    asked = checked("username,email,status\nbob,x,y\n")

    assert [note[0] for note in notes(asked)] == ["email", "full_name", "status"]


def test_clients_of_another_group_are_faulty(other_group, client_company, checked):
    factories.EntitlementFactory(group=other_group, client=client_company)

    assert notes(checked("username,full_name,clients\nbob,Bob,demoaws\n")) == [
        ["clients", "unknown", "demoaws"]
    ]


def test_campaign_outside_the_entitlement_is_faulty(entitlement, client_company, checked):
    entitlement.campaigns.add(client_company.campaigns.get(number=1))

    assert counts(checked("username,full_name,campaigns\nbob,Bob,demoaws:1\n")) == {"new": 1}
    assert counts(checked("username,full_name,campaigns\nbob,Bob,demoaws:2\n")) == {"faulty": 1}


def test_what_an_agent_has_already_is_not_held_against_him(agent, entitlement, client_company, checked):
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.add(client_company.campaigns.get(number=2))
    entitlement.campaigns.add(client_company.campaigns.get(number=1))
    Agent.objects.update(email="not an address")

    asked = checked("username,email,campaigns\nalice,not an address,demoaws:2\n")

    assert counts(asked) == {"unchanged": 1}


def test_agents_of_another_group_are_not_known(other_group, checked):
    factories.AgentFactory(group=other_group, username="alice")

    assert counts(checked("username,full_name\nalice,Alice\n")) == {"new": 1}


def test_checking_changes_no_agent(agent, checked):
    checked("username,full_name,status\nalice,Else,disabled\nbob,Bob,\n")

    assert list(Agent.objects.values_list("full_name", "status")) == [("Alice Ames", "active")]
    assert not Event.objects.exists()


def test_checking_asks_the_database_alike_often_however_many_rows(
    group, entitlement, checked, django_assert_max_num_queries
):
    rows = "".join(f"a{n},A,demoaws\n" for n in range(400))

    with django_assert_max_num_queries(20):
        checked(f"username,full_name,clients\n{rows}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty"),
        ("username,full_name\n", "no rows"),
        ("alice,Alice Ames\nbob,Bob\n", "No column is named “username”"),
        ("alice\nbob\n", "No column is named “username”"),
        ("user,login\na,b\n", "“user” and “login” mean the same"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        ('username\n"bob', "Line 2 cannot be read"),
        ("username\n" + "a\n" * 20_001, "more than 20,000 rows"),
        ("," * 5_000_000, "empty"),
    ],
)
def test_file_that_cannot_be_read_is_refused(receive_file, content, why):
    with pytest.raises(UnreadableCSV, match=why):
        receive_file(content)

    assert not AgentImport.objects.exists()


def test_one_column_of_usernames_is_a_file(agent, checked):
    assert counts(checked("username\nalice\n")) == {"unchanged": 1}


# --- Applying ----------------------------------------------------------------------------------------------------


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


# --- Rosters -----------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(group):
    """Ten agents, a0 to a9."""
    return [factories.AgentFactory(group=group, username=f"a{n}") for n in range(10)]


def roster(*usernames: str) -> str:
    return "\n".join(["username", *usernames])


ALL = [f"a{n}" for n in range(10)]


def test_who_is_missing_in_a_roster_leaves(staff, checked, applied):
    asked = checked(roster(*ALL[:9]), kind="roster")
    factories.AgentSessionFactory(agent=staff[9])

    applied(asked)

    statuses = dict(Agent.objects.values_list("username", "status"))
    assert statuses == dict.fromkeys(ALL[:9], "active") | {"a9": "disabled"}
    assert AgentSession.objects.get().end_reason == "stopped"
    event = Event.objects.get(action="agent.disable")
    assert (event.agent, event.details) == (staff[9].subject, {"import": asked.pk})


def test_nobody_leaves_by_an_ordinary_import(staff, checked):
    asked = checked(roster("a0"))

    assert asked.leavers == []
    assert counts(asked) == {"unchanged": 1}


def test_agents_of_other_groups_do_not_leave(staff, other_group, checked):
    factories.AgentFactory(group=other_group)

    assert checked(roster(*ALL), kind="roster").leavers == []


def test_agents_already_disabled_do_not_leave_again(staff, checked):
    Agent.objects.filter(username="a9").update(status="disabled")

    assert checked(roster(*ALL[:9]), kind="roster").leavers == []


def test_suspended_agents_leave_too(staff, checked):
    Agent.objects.filter(username="a9").update(status="suspended")

    assert checked(roster(*ALL[:9]), kind="roster").leavers == [staff[9].subject]


@pytest.mark.parametrize(("with_api", "leaving"), [(False, 0), (True, 1)])
def test_agents_of_the_sso_api_leave_only_when_asked_for(staff, checked, with_api, leaving):
    Agent.objects.filter(username="a9").update(provisioned_by=ProvisionedBy.API)

    asked = checked(roster(*ALL[:9]), kind="roster", with_api=with_api)

    assert asked.summary["leaving"] == leaving


def test_agent_with_a_faulty_row_is_not_missing(staff, checked):
    asked = checked("username,email\n" + "".join(f"{name},x\n" for name in ALL), kind="roster")

    assert counts(asked) == {"faulty": 10}


def test_roster_that_names_nobody_in_a_row_cannot_be_applied(staff, checked):
    asked = checked("username,full_name\n" + "\n".join([*ALL[:8], "a\u200b8", ",x"]), kind="roster")

    assert why_not_apply(asked, only_good=True).code == "roster_names_nobody"


@pytest.mark.parametrize(("leaving", "asks"), [(0, False), (2, False), (3, True), (9, True)])
def test_more_than_a_fifth_leaving_asks_for_the_number(staff, checked, leaving, asks):
    asked = checked(roster("new.one", *ALL[: 10 - leaving]), kind="roster")

    assert asked.summary["ask_number"] is asks


@pytest.mark.parametrize(("number", "code"), [("", "wrong_number"), ("2", "wrong_number"), ("3", None)])
def test_number_that_is_asked_for_must_be_right(staff, checked, number, code):
    asked = checked(roster(*ALL[:7]), kind="roster")

    refusal = why_not_apply(asked, only_good=False, number=number)

    assert (refusal.code if refusal else None) == code


def test_number_may_be_typed_with_its_thousands_separator(checked, staff):
    asked = checked(roster(*ALL[:7]), kind="roster")
    asked.summary["leaving"] = 1234

    assert why_not_apply(asked, only_good=False, number="1,234") is None


def test_agents_of_the_sso_api_do_not_water_the_fifth_down(staff, group, checked):
    factories.AgentFactory.create_batch(20, group=group, provisioned_by=ProvisionedBy.API)

    assert checked(roster(*ALL[:7]), kind="roster").summary["ask_number"] is True


def test_roster_is_refused_when_more_would_leave_than_were_shown(staff, group, checked, applied):
    asked = checked(roster(*ALL[:9]), kind="roster")
    late = factories.AgentFactory(group=group, username="late")

    asked = applied(asked)

    assert (asked.state, asked.failure) == ("checked", "leavers")
    assert asked.leavers == [staff[9].subject, late.subject]
    assert not Agent.objects.filter(status="disabled").exists()


def test_roster_is_applied_when_fewer_leave_than_were_shown(staff, checked, applied, caller):
    asked = checked(roster(*ALL[:8]), kind="roster")
    set_status(staff[9], AgentStatus.DISABLED, by="x", caller=caller)

    asked = applied(asked)

    assert (asked.state, asked.leavers) == ("applied", [staff[8].subject])


def test_disabled_agents_in_a_roster_are_told_of(staff, checked):
    Agent.objects.filter(username__in=["a0", "a1"]).update(status="disabled")

    asked = checked("username,status\na0,active\n" + "\n".join(ALL[1:]), kind="roster")

    assert asked.summary["stay_disabled"] == 1


# --- One at a time -----------------------------------------------------------------------------------------------


def test_second_file_waits_for_the_first(receive_file):
    receive_file("username\nalice\n")

    with pytest.raises(Refused, match="import_busy"):
        receive_file("username\nalice\n")


def test_file_of_another_group_does_not_wait(receive_file, other_group):
    receive_file("username\nalice\n")

    receive(b"username\na", group=other_group, kind="agents", file_name="", by="x")


def test_claim_is_refused_while_another_file_is_at_work(checked, receive_file):
    asked = checked("username,full_name\nbob,Bob\n")
    receive_file("username\nalice\n")

    with pytest.raises(Refused, match="import_busy"):
        claim(asked, to="applying")


def silence(asked: AgentImport) -> None:
    AgentImport.objects.filter(pk=asked.pk).update(beat_at=Now() - timedelta(seconds=31))


def test_check_that_fell_silent_is_taken_over_once(receive_file):
    asked = receive_file("username,full_name\nbob,Bob\n")
    assert claim_again(asked, "checking") is None
    silence(asked)

    worker = claim_again(asked, "checking")

    assert worker
    assert claim_again(asked, "checking") is None
    with pytest.raises(LostTurn):
        check(asked.pk, asked.worker)
    check(asked.pk, worker)
    assert counts(AgentImport.objects.get()) == {"new": 1}


def claim_again(asked: AgentImport, to: str) -> str | None:
    """Claim it, or not: its own work counts as another's."""
    try:
        return claim(asked, to=to)
    except Refused:
        return None


def test_worker_who_lost_his_turn_applies_nothing(checked, caller):
    asked = checked("username,full_name\nbob,Bob\n")
    slow = claim(asked, to="applying")
    silence(asked)
    quick = claim(asked, to="applying")

    for worker in (slow, quick):
        try:
            apply(asked.pk, worker, only_good=False, by="x", caller=caller)
        except LostTurn:
            assert worker == slow

    assert Event.objects.filter(action="agent.create").count() == 1


def test_progress_is_told_and_keeps_the_turn(receive_file):
    asked = receive_file("username\nalice\n")
    silence(asked)

    say_alive(asked.pk, asked.worker, rows_done=1)

    row = AgentImport.objects.light().get()
    assert (row.rows, row.rows_done, row.is_at_work()) == (1, 1, True)


@pytest.mark.django_db(transaction=True)
def test_work_goes_on_beside_the_request(receive_file):
    asked = receive_file("username,full_name\nbob,Bob\n")

    start(lambda: check(asked.pk, asked.worker)).join(60)

    assert AgentImport.objects.get().state == "checked"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_apply_at_once_make_each_agent_once(checked, caller, at_once):
    asked = checked("username,full_name\n" + "".join(f"b{n},B\n" for n in range(50)))

    def one() -> str | None:
        worker = claim_again(asked, "applying")
        if worker:
            apply(asked.pk, worker, only_good=False, by="x", caller=caller)
        return worker

    workers = at_once(4, one)

    assert len([worker for worker in workers if worker]) == 1
    assert (Agent.objects.count(), Event.objects.filter(action="agent.create").count()) == (50, 50)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_agent_who_is_provisioned_meanwhile_is_made_once(group, checked, caller, monkeypatch):
    """Another transaction makes the same agent between the verdict and the INSERT."""
    asked = checked("username,full_name\nbob,Bob Bow\n")
    insert, calls = applying.insert_many, itertools.count()

    def meanwhile() -> None:
        factories.AgentFactory(group=group, username="bob", full_name="B")
        connection.close()

    def insert_later(*args, **kwargs) -> None:
        if not next(calls):
            other = threading.Thread(target=meanwhile)
            other.start()
            other.join()
        insert(*args, **kwargs)

    monkeypatch.setattr(applying, "insert_many", insert_later)
    apply(asked.pk, claim(asked, to="applying"), only_good=False, by="x", caller=caller)

    assert Agent.objects.get().full_name == "Bob Bow"
    assert counts(AgentImport.objects.get()) == {"change": 1}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_kill_in_the_middle_of_applying_leaves_nothing_half_done(group, checked, caller):
    rows = 5_000
    asked = checked("username,full_name\n" + "".join(f"agent-{n:05},Agent {n}\n" for n in range(rows)))
    worker = claim(asked, to="applying")

    process = apply_in_a_process(asked, worker)
    wait_until_it_writes(process)
    process.send_signal(signal.SIGKILL)
    process.wait(10)

    asked.refresh_from_db()
    assert (asked.state, asked.rows_done) == ("applying", rows)
    assert (Agent.objects.count(), Event.objects.count()) == (0, 0)
    silence(asked)
    apply(asked.pk, claim(asked, to="applying"), only_good=False, by="x", caller=caller)
    assert (Agent.objects.count(), AgentImport.objects.get().state) == (rows, "applied")


def apply_in_a_process(asked: AgentImport, worker: str) -> subprocess.Popen[bytes]:
    database = connection.settings_dict
    environment = os.environ | {
        "DATABASE_URL": f"postgres://postgres@/{database['NAME']}?host={database['OPTIONS']['host']}"
    }
    code = (
        "from groups.importing.applying import apply; from sso_portal.lib.web import Caller; "
        f"apply({asked.pk}, '{worker}', only_good=False, by='x', caller=Caller('', None, '', ''))"
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code], cwd=ROOT, env=environment
    )


def wait_until_it_writes(process: subprocess.Popen[bytes]) -> None:
    """Until its transaction holds locks on the agents' table, rows of it written."""
    for _ in range(3000):
        assert process.poll() is None, "it was done before it could be killed"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE relation = 'groups_agent'::regclass"
                " AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()"
            )
            if cursor.fetchone():
                return
        time.sleep(0.02)
    raise AssertionError("it never wrote")
