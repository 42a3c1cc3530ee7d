"""Issuing: a token and its event, both or neither; the secret is nowhere but in the answer."""

import json

import pytest
from django.core import serializers
from django.db import DatabaseError, connection, transaction

from accounts.models import Event, Outcome
from groups.entering import client_at, entry_of, with_entry
from groups.models import Agent, EntitledCampaign, EntitledDepartment
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.circumstances import STOPS, name_of
from tokens.issuing import CallContext, issue
from tokens.models import Kind, LoginToken

pytestmark = pytest.mark.django_db

CALL = CallContext(
    did="+1 555 010 0199", cid="+4930123456789", call_id="c-77", campaign_id="2", destination="crm:home"
)
NO_EVENTS = {
    "sqlite": [
        "CREATE TRIGGER no_events BEFORE INSERT ON accounts_event BEGIN SELECT RAISE(ABORT, 'full'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION no_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$",
        "CREATE TRIGGER no_events BEFORE INSERT ON accounts_event FOR EACH ROW EXECUTE FUNCTION no_events()",
    ],
}


@pytest.fixture
def audit_log_refuses() -> None:
    """The audit log takes no rows; undone with the test's transaction."""
    with connection.cursor() as cursor:
        for statement in NO_EVENTS[connection.vendor]:
            cursor.execute(statement)


def entry_again(agent, subdomain="demoaws"):
    row = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at(subdomain), grant=True).get()
    return entry_of(row, agent=row, asked=subdomain)


def everything_written() -> str:
    """Every row that issuing writes, as text."""
    return serializers.serialize("json", [*LoginToken.objects.all(), *Event.objects.all()])


def test_issue_writes_one_token_and_one_event(issued, agent, group):
    event = Event.objects.get()

    assert LoginToken.objects.get() == issued.token
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.OK, "")
    assert (event.group_id, event.client, event.agent) == (group.pk, "demoaws", agent.subject)
    assert event.object == f"token:{digest_of(issued.secret)[:12]}"


def test_issue_records_who_called_and_from_where(issued, caller):
    event = Event.objects.get()

    assert (event.reference, event.door, event.actor) == (caller.reference, caller.door, "test")
    assert (event.address, event.agent_header) == ("203.0.113.9", "pytest")


def test_issue_whose_event_fails_leaves_no_token(issue_to_alice, audit_log_refuses):
    with pytest.raises(DatabaseError, match="full"), transaction.atomic():
        issue_to_alice()

    assert not LoginToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_issue_whose_transaction_fails_leaves_neither_token_nor_event(issue_to_alice):
    with transaction.atomic():
        issue_to_alice()
        transaction.set_rollback(True)

    assert not LoginToken.objects.exists()
    assert not Event.objects.exists()


def test_issue_stores_the_digest_only(issue_to_alice):
    issued = issue_to_alice(call=CALL)

    assert issued.token.digest == digest_of(issued.secret)
    assert issued.secret not in everything_written()


def test_issue_puts_no_whole_digest_into_the_event(issued):
    assert issued.token.digest not in serializers.serialize("json", Event.objects.all())


def test_issue_makes_256_random_bits(issue_to_alice):
    first, second = issue_to_alice(), issue_to_alice()

    assert first.secret != second.secret
    assert len(first.secret) >= 43


def test_issue_keeps_the_call_on_the_token(issue_to_alice):
    token = issue_to_alice(call=CALL).token

    token.refresh_from_db()
    assert (token.did, token.cid, token.call_id) == ("+1 555 010 0199", "+4930123456789", "c-77")
    assert (token.campaign_id, token.destination) == ("2", "crm:home")


def test_issue_records_the_last_four_digits_of_numbers(issue_to_alice):
    issue_to_alice(call=CALL)

    assert Event.objects.get().details["call"] == {"did": "0199", "cid": "6789", "call_id": "c-77"}


@pytest.mark.parametrize("number", ["555 010 0199", "5550100199", "4930123456789"])
def test_issue_records_no_whole_number(issue_to_alice, number):
    issue_to_alice(call=CALL)

    assert number not in json.dumps(Event.objects.get().details)


def test_issue_expires_after_sixty_seconds_of_the_database_clock(issued):
    issued.token.refresh_from_db()

    assert 59 <= (issued.token.expires_at - issued.token.issued_at).total_seconds() <= 60


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_issue_to_somebody_who_may_not_enter_is_refused(agent, entitlement, caller, stop):
    stop.act(agent, entitlement)

    with pytest.raises(Refused) as refused:
        issue(entry_again(agent), kind=Kind.HAND_OFF, actor="test", caller=caller, call=CALL)

    assert refused.value.refusal.code == stop.code
    assert (refused.value.refusal.detail or refused.value.refusal.code) == stop.why
    assert not LoginToken.objects.exists()


def test_issue_for_a_client_that_is_not_there_is_refused(agent, entitlement, caller):
    with pytest.raises(Refused, match="no entitlement") as refused:
        issue(entry_again(agent, "nosuch"), kind=Kind.HAND_OFF, actor="test", caller=caller, call=CALL)

    assert refused.value.about["client"] == "nosuch"


def test_issue_to_an_agent_whose_end_is_to_come_works(agent, entitlement, caller):
    agent.ends_at = agent.created_at.replace(year=2999)
    agent.save()

    assert issue(entry_again(agent), kind=Kind.HAND_OFF, actor="test", caller=caller, call=CALL).secret


def test_issue_for_a_department_of_nobody_is_refused(issue_to_alice):
    with pytest.raises(Refused, match="unknown_department"):
        issue_to_alice(departments=[99])


def test_issue_for_a_campaign_of_nobody_is_refused(issue_to_alice):
    with pytest.raises(Refused, match="unknown_campaign"):
        issue_to_alice(campaigns=[1, 99])


def test_issue_for_a_department_outside_the_entitlement_is_refused(
    agent, entitlement, client_company, caller
):
    listed = factories.DepartmentFactory(client=client_company, number=2)
    EntitledDepartment.objects.create(entitlement=entitlement, department=listed)

    with pytest.raises(Refused, match="unknown_department"):
        issue(entry_again(agent), kind=Kind.HAND_OFF, actor="t", caller=caller, call=CALL, departments=[1])


def test_issue_for_a_campaign_outside_the_entitlement_is_refused(agent, entitlement, client_company, caller):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=2))

    with pytest.raises(Refused, match="unknown_campaign"):
        issue(entry_again(agent), kind=Kind.HAND_OFF, actor="t", caller=caller, call=CALL, campaigns=[1])


def test_issue_for_a_campaign_that_is_over_is_refused(agent, entitlement, client_company, caller):
    client_company.campaigns.filter(number=1).update(is_active=False)

    with pytest.raises(Refused, match="unknown_campaign"):
        issue(entry_again(agent), kind=Kind.HAND_OFF, actor="t", caller=caller, call=CALL, campaigns=[1])


def test_issue_notes_further_details_in_the_event(issue_to_alice):
    issue_to_alice(details={"placeholders": ["did"]})

    assert Event.objects.get().details["placeholders"] == ["did"]
