"""Dialled numbers: looking one up, adding, changing and removing it, and importing many."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import Event
from groups.dialling import Assignment, Route, add_number, change_number, find_route, remove_number
from groups.models import DialledNumber, NumberImport
from groups.number_imports import Kind, apply, check, judged, leave, rows_of
from sso_portal.lib.csvs import UnreadableCSV
from sso_portal.lib.refusals import Refused
from sso_portal.lib.telephone import Dialled
from tests import factories

pytestmark = pytest.mark.django_db

NUMBER = "+18005550101"
BY = "administrator:ada@portal.example"


@pytest.fixture
def number(group, client_company, entitlement):
    return factories.DialledNumberFactory(group=group, number=NUMBER, client=client_company)


@pytest.fixture
def second(group):
    """Another client of the group."""
    company = factories.ClientFactory(subdomain="sandboxdemo", name="Sandbox Demo")
    factories.EntitlementFactory(group=group, client=company)
    return company


def campaign(company, number: int):
    return company.campaigns.get(number=number)


# --- Looking up ------------------------------------------------------------------------------------------------------


def test_route_is_client_and_campaign(group, number, client_company):
    DialledNumber.objects.update(campaign=campaign(client_company, 2))

    assert find_route(Dialled.parse("8005550101"), group_id=group.pk) == Route(NUMBER, "demoaws", "2")


def test_route_without_a_campaign_names_none(group, number):
    assert find_route(Dialled.parse(NUMBER), group_id=group.pk) == Route(NUMBER, "demoaws", "")


def test_route_by_campaign_zero_names_it(group, number, client_company):
    zero = factories.CampaignFactory(client=client_company, number=0)
    DialledNumber.objects.update(campaign=zero)

    assert find_route(Dialled.parse(NUMBER), group_id=group.pk).campaign == "0"


@pytest.mark.parametrize("text", ["anonymous", "+18005550199", ""])
def test_route_of_an_unknown_number_is_none(group, number, text):
    assert find_route(Dialled.parse(text), group_id=group.pk) is None


def test_route_of_another_groups_number_is_none(other_group, number):
    assert find_route(Dialled.parse(NUMBER), group_id=other_group.pk) is None


# --- Adding ----------------------------------------------------------------------------------------------------------


def test_add_lets_a_number_lead_to_a_client(group, client_company, caller):
    one = campaign(client_company, 1)

    add_number(group, Assignment(NUMBER, client_company, one, "on the bill"), by=BY, caller=caller)

    row = DialledNumber.objects.get()
    assert (row.group, row.number, row.national) == (group, NUMBER, "8005550101")
    assert (row.client, row.campaign, row.note) == (client_company, one, "on the bill")


def test_add_is_recorded_with_four_digits(group, client_company, caller):
    row = add_number(group, Assignment(NUMBER, client_company), by=BY, caller=caller)

    event = Event.objects.get()
    assert (event.action, event.actor, event.group_id) == ("dialled_number.add", BY, group.pk)
    assert (event.client, event.object) == ("demoaws", f"dialled_number:{row.pk}")
    assert event.details == {"number": "0101", "client": "demoaws", "campaign": None, "note": ""}


def test_add_of_a_number_that_is_listed_is_refused(group, number, second, caller):
    with pytest.raises(Refused) as refused:
        add_number(group, Assignment(NUMBER, second), by=BY, caller=caller)

    assert (refused.value.refusal.code, refused.value.refusal.field) == ("number_taken", "number")
    assert "Demo AWS" in refused.value.refusal.message
    assert not Event.objects.exists()


def test_add_of_a_number_that_another_group_lists_works(other_group, number, client_company, caller):
    add_number(other_group, Assignment(NUMBER, client_company), by=BY, caller=caller)

    assert DialledNumber.objects.filter(number=NUMBER).count() == 2


def test_number_is_listed_once_a_group(group, number, second):
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.DialledNumberFactory(group=group, number=NUMBER, client=second)


def test_campaign_of_another_client_is_refused(number):
    number.campaign = factories.CampaignFactory()

    with pytest.raises(ValidationError):
        number.full_clean()


# --- Changing and removing -------------------------------------------------------------------------------------------


def test_change_lets_it_lead_elsewhere(number, second, caller):
    changed = change_number(number, Assignment("+18005550109", second, None, "n"), by=BY, caller=caller)

    row = DialledNumber.objects.get()
    assert changed
    assert (row.number, row.national, row.client, row.note) == ("+18005550109", "8005550109", second, "n")


def test_change_is_recorded_with_what_was(number, second, caller):
    change_number(number, Assignment(NUMBER, second), by=BY, caller=caller)

    event = Event.objects.get()
    assert (event.action, event.client) == ("dialled_number.change", "sandboxdemo")
    assert event.details == {"number": "0101", "client": ["demoaws", "sandboxdemo"]}


def test_change_of_nothing_is_not_recorded(number, caller):
    assert not change_number(number, Assignment.of(number), by=BY, caller=caller)
    assert not Event.objects.exists()


def test_change_to_a_number_that_is_listed_is_refused(group, number, second, caller):
    factories.DialledNumberFactory(group=group, number="+18005550102", client=second)

    with pytest.raises(Refused, match="number_taken"):
        change_number(number, Assignment("+18005550102", second), by=BY, caller=caller)


def test_change_of_a_number_that_is_gone_is_refused(number, second, caller):
    DialledNumber.objects.all().delete()

    with pytest.raises(Refused, match="number_gone"):
        change_number(number, Assignment(NUMBER, second), by=BY, caller=caller)


def test_remove_is_done_and_recorded_once(number, caller):
    assert [remove_number(number, by=BY, caller=caller) for _ in range(2)] == [True, False]
    assert not DialledNumber.objects.exists()
    assert Event.objects.get().action == "dialled_number.remove"


# --- Importing -------------------------------------------------------------------------------------------------------


@pytest.fixture
def checked(group, client_company, entitlement):
    """Check a file of these lines."""

    def check_lines(*lines: str, header="number,client,campaign,note", country="US") -> NumberImport:
        content = "\n".join([header, *lines]).encode()
        return check(group, content, country=country, file_name="numbers.csv", by=BY)

    return check_lines


@pytest.fixture
def verdicts(group, checked):
    """What the rows of a file would do: kind and words."""
    return lambda *lines, **file: [
        (verdict.kind, verdict.words) for verdict in judged(group, rows_of(checked(*lines, **file)))
    ]


def test_check_changes_nothing(checked):
    checked("8005550101,demoaws,1,note")

    assert not DialledNumber.objects.exists()
    assert not Event.objects.exists()


def test_verdict_of_a_number_that_is_not_listed_is_new(verdicts):
    assert verdicts("1-800-555-0101,DemoAWS,02,") == [(Kind.NEW, "Demo AWS, campaign 2")]


def test_verdict_of_a_row_that_is_so_already_is_unchanged(number, verdicts):
    assert verdicts("+18005550101,Demo AWS,,") == [(Kind.UNCHANGED, "Demo AWS")]


def test_verdict_of_a_number_that_would_lead_elsewhere_is_change(number, second, verdicts):
    assert verdicts("8005550101,sandboxdemo,,") == [(Kind.CHANGE, "Sandbox Demo; so far Demo AWS")]


def test_verdict_of_another_note_is_change(number, verdicts):
    assert verdicts("8005550101,demoaws,,poster") == [(Kind.CHANGE, "Demo AWS; another note")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("12345,demoaws,,", "too short"),
        (",demoaws,,", "not a telephone number"),
        ("8005550101,,,", "client is missing"),
        ("8005550101,nosuch,,", "no client “nosuch”"),
        ("8005550101,demoaws,9,", "Campaign 9 of Demo AWS"),
        ("8005550101,demoaws,one,", "Campaign one of Demo AWS"),
        ("8005550101,demoaws,,\u202eevil", "cannot be shown"),
        (f"8005550101,demoaws,,{'x' * 201}", "longer than 200"),
        ("8005550101,demoaws,,note,more", "more cells"),
        ("1.80056E+10,demoaws,,", "spreadsheet"),
    ],
)
def test_verdict_of_a_faulty_row_says_why(verdicts, line, why):
    ((kind, words),) = verdicts(line)

    assert kind == Kind.FAULTY
    assert why in words


def test_verdict_of_a_client_that_is_not_the_groups_is_faulty(verdicts):
    factories.ClientFactory(subdomain="acme", name="Acme Industries")

    assert [kind for kind, _words in verdicts("8005550101,acme,,", "8005550102,Acme Industries,,")] == [
        "faulty"
    ] * 2


def test_verdict_of_a_campaign_that_was_not_granted_is_faulty(verdicts, entitlement, client_company):
    entitlement.campaigns.add(campaign(client_company, 1))

    kinds = [kind for kind, _words in verdicts("8005550101,demoaws,1,", "8005550102,demoaws,2,")]
    assert kinds == [Kind.NEW, Kind.FAULTY]


def test_verdict_of_a_number_that_is_there_twice_names_the_first_line(verdicts):
    (_, (kind, words)) = verdicts("8005550101,demoaws,,", "+1 800 555 0101,demoaws,1,")

    assert (kind, words) == (Kind.FAULTY, "This number is on line 2 already.")


def test_column_that_is_left_out_stays_as_it_is(number, client_company, verdicts, group, caller, checked):
    DialledNumber.objects.update(campaign=campaign(client_company, 2), note="poster")

    assert verdicts("8005550101,demoaws", header="number,client")[0][0] == Kind.UNCHANGED
    assert verdicts("8005550101,demoaws,,", header="number,client,campaign,note")[0][0] == Kind.CHANGE


@pytest.mark.parametrize(
    ("header", "lines", "why"),
    [
        ("phone,client", ["1,2"], "“number” is missing"),
        ("number,campaign", ["1,2"], "“client” is missing"),
        ("number,client", [], "no rows"),
        ("number,client,client", ["1,2,3"], "there twice"),
    ],
)
def test_file_that_cannot_be_meant_is_refused(checked, header, lines, why):
    with pytest.raises(UnreadableCSV, match=why):
        checked(*lines, header=header)


def test_apply_adds_changes_and_leaves_out(group, number, second, client_company, checked, caller):
    file = checked("8005550101,sandboxdemo,,moved", "8005550102,demoaws,3,", "12345,demoaws,,")

    counted = apply(file, by=BY, caller=caller)

    rows = group.dialled_numbers.values_list(
        "number", "national", "client__subdomain", "campaign__number", "note"
    )
    assert list(rows) == [
        ("+18005550101", "8005550101", "sandboxdemo", None, "moved"),
        ("+18005550102", "8005550102", "demoaws", 3, ""),
    ]
    assert counted == {Kind.NEW: 1, Kind.CHANGE: 1, Kind.FAULTY: 1}


def test_apply_is_one_event(group, checked, caller):
    apply(checked("8005550101,demoaws,,", "12,demoaws,,"), by=BY, caller=caller)

    event = Event.objects.get()
    assert (event.action, event.actor, event.group_id) == ("dialled_numbers.import", BY, group.pk)
    assert event.details == {"file": "numbers.csv", "new": 1, "change": 0, "unchanged": 0, "faulty": 1}


def test_apply_twice_does_it_once(checked, caller):
    file = checked("8005550101,demoaws,,")

    assert apply(file, by=BY, caller=caller) is not None
    assert apply(file, by=BY, caller=caller) is None
    assert Event.objects.count() == 1


def test_apply_of_the_same_file_again_changes_nothing(checked, caller):
    line = "8005550101,demoaws,1,note"
    apply(checked(line), by=BY, caller=caller)

    assert apply(checked(line), by=BY, caller=caller) == {Kind.UNCHANGED: 1}


def test_apply_judges_anew(checked, entitlement, caller):
    file = checked("8005550101,demoaws,,")
    entitlement.delete()

    assert apply(file, by=BY, caller=caller) == {Kind.FAULTY: 1}
    assert not DialledNumber.objects.exists()


def test_apply_that_cannot_be_recorded_leaves_everything_as_it_was(checked):
    file = checked("8005550101,demoaws,,")

    with pytest.raises(AttributeError), transaction.atomic():
        apply(file, by=BY, caller=None)

    assert not DialledNumber.objects.exists()
    assert NumberImport.objects.filter(pk=file.pk).exists()


def test_leave_forgets_the_file(checked):
    leave(checked("8005550101,demoaws,,"))

    assert not NumberImport.objects.exists()


def test_check_forgets_the_administrators_last_file_and_old_ones(group, checked):
    checked("8005550101,demoaws,,")
    old = NumberImport.objects.create(group=group, uploaded_by="somebody", rows=[])
    young = NumberImport.objects.create(group=group, uploaded_by="somebody", rows=[])
    NumberImport.objects.filter(pk=old.pk).update(created_at=F("created_at") - timedelta(hours=25))

    newest = checked("8005550102,demoaws,,")

    assert set(NumberImport.objects.values_list("pk", flat=True)) == {young.pk, newest.pk}
