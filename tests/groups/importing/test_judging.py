"""What becomes of each row of a file."""

import pytest
from django.utils import timezone

from accounts.models import Event
from groups.models import Agent, AgentImport
from sso_portal.lib.csvs import UnreadableCSV
from tests import factories
from tests.groups.importing.reading import counts

pytestmark = pytest.mark.django_db


def notes(asked: AgentImport) -> list[list[str]]:
    """What is said of the only row."""
    [verdict] = asked.verdicts
    return verdict[3]


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
