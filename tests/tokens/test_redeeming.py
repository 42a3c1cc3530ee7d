"""Redeeming: once, at the right client, in time."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts import lockout
from accounts.models import Event, Outcome
from groups.models import (
    Agent,
    AgentEntitlement,
    AgentSession,
    EndReason,
    EntitledCampaign,
    EntitledDepartment,
)
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.circumstances import STOPS, age, name_of
from tests.tokens.test_issuing import NO_EVENTS
from tokens.models import Kind, LoginToken
from tokens.redeeming import redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def redeem_it(relying_party, caller):
    """Redeem a secret as demoaws' CRM."""
    return lambda secret, **changed: redeem(
        secret, **{"relying_party": relying_party, "caller": caller} | changed
    )


@pytest.fixture
def foreign_party():
    """Another client's CRM."""
    return factories.RelyingPartyFactory(secret="rs_of-another-client")


def assert_refused(act, *, why: str) -> None:
    """The one public answer, and one event with the private reason."""
    with pytest.raises(Refused) as refused:
        act()

    event = Event.objects.exclude(action="login.issue").get()
    assert refused.value.refusal.code == "invalid_token"
    assert refused.value.refusal.detail == ""
    assert refused.value.recorded
    assert (event.action, event.outcome, event.reason) == ("login.redeem", Outcome.REFUSED, "invalid_token")
    assert event.details["why"] == why


def test_redeem_tells_who_came(issued, relying_party, caller):
    redemption = redeem(issued.secret, relying_party=relying_party, caller=caller)

    assert redemption.token.agent.username == "alice"
    assert redemption.token.did == "+15550100"


def test_redeem_twice_is_refused(issued, relying_party, caller):
    redeem(issued.secret, relying_party=relying_party, caller=caller)

    with pytest.raises(Refused, match="invalid_token"):
        redeem(issued.secret, relying_party=relying_party, caller=caller)


def test_redeem_records_by_whom_and_from_where(issued, redeem_it, relying_party):
    redeem_it(issued.secret)

    token = LoginToken.objects.get()
    assert (token.redeemed_by, token.redeemed_from) == (relying_party, "203.0.113.9")
    assert token.redeemed_at is not None


def test_redeem_writes_one_event(issued, redeem_it, relying_party, agent):
    redeem_it(issued.secret)

    event = Event.objects.get(action="login.redeem")
    assert (event.outcome, event.actor) == (Outcome.OK, f"relying_party:{relying_party.identifier}")
    assert (event.agent, event.client) == (agent.subject, "demoaws")
    assert event.object == f"token:{digest_of(issued.secret)[:12]}"


def test_redeem_whose_event_fails_leaves_the_token_unspent(issued, redeem_it):
    with connection.cursor() as cursor:
        for statement in NO_EVENTS[connection.vendor]:
            cursor.execute(statement)

    with pytest.raises(DatabaseError, match="full"), transaction.atomic():
        redeem_it(issued.secret)

    assert LoginToken.objects.get().redeemed_at is None


@pytest.mark.parametrize("secret", ["", "lt_nothing", "x" * 256, "\x00", "☎", "\ud800"])
def test_redeem_of_an_unknown_token_is_refused(redeem_it, secret):
    assert_refused(lambda: redeem_it(secret), why="unknown")


def test_redeem_of_a_spent_token_says_so_in_the_log(issued, redeem_it):
    LoginToken.objects.update(redeemed_at=timezone.now())

    assert_refused(lambda: redeem_it(issued.secret), why="already used")


def test_redeem_after_sixty_seconds_is_refused(issued, redeem_it):
    age(issued.token, timedelta(seconds=61))

    assert_refused(lambda: redeem_it(issued.secret), why="expired")


def test_redeem_just_before_sixty_seconds_works(issued, redeem_it):
    age(issued.token, timedelta(seconds=50))

    assert redeem_it(issued.secret)


def test_redeem_of_an_expired_token_does_not_spend_it(issued, redeem_it):
    age(issued.token, timedelta(seconds=61))

    with pytest.raises(Refused):
        redeem_it(issued.secret)

    assert LoginToken.objects.get().redeemed_at is None


def test_redeem_by_another_client_is_refused(issued, redeem_it, foreign_party):
    assert_refused(lambda: redeem_it(issued.secret, relying_party=foreign_party), why="another client's")


def test_redeem_by_another_client_does_not_use_the_token_up(issued, redeem_it, foreign_party):
    with pytest.raises(Refused):
        redeem_it(issued.secret, relying_party=foreign_party)

    assert redeem_it(issued.secret).token.redeemed_at is not None


def test_redeem_by_another_client_of_the_same_group_is_refused(issued, redeem_it, group):
    sister = factories.EntitlementFactory(group=group)
    party = factories.RelyingPartyFactory(client=sister.client, secret="rs_sister")

    assert_refused(lambda: redeem_it(issued.secret, relying_party=party), why="another client's")


def test_redeem_by_a_second_party_of_the_client_works(issued, redeem_it, client_company):
    second = factories.RelyingPartyFactory(client=client_company, secret="rs_second")

    assert redeem_it(issued.secret, relying_party=second)


def test_redeem_of_an_entrance_by_a_relying_party_is_refused(issue_to_alice, redeem_it):
    entrance = issue_to_alice(kind=Kind.ENTRANCE)

    assert_refused(lambda: redeem_it(entrance.secret), why="unknown")


def test_redeem_of_an_entrance_by_a_relying_party_does_not_use_it_up(issue_to_alice, redeem_it, caller):
    entrance = issue_to_alice(kind=Kind.ENTRANCE)
    with pytest.raises(Refused):
        redeem_it(entrance.secret)

    assert redeem(entrance.secret, kind=Kind.ENTRANCE, caller=caller)


def test_redeem_of_a_hand_off_at_the_entrance_is_refused(issued, redeem_it):
    assert_refused(lambda: redeem_it(issued.secret, kind=Kind.ENTRANCE, relying_party=None), why="unknown")


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_redeem_for_somebody_who_may_not_enter_any_more_is_refused(
    issued, redeem_it, agent, entitlement, stop
):
    stop.act(agent, entitlement)

    assert_refused(lambda: redeem_it(issued.secret), why=stop.why)


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_redeem_that_was_refused_for_its_agent_cannot_be_tried_again(
    issued, redeem_it, agent, entitlement, stop
):
    stop.act(agent, entitlement)

    with pytest.raises(Refused):
        redeem_it(issued.secret)

    assert LoginToken.objects.get().redeemed_at is not None


def test_redeem_for_an_agent_who_moved_is_refused(issued, redeem_it, agent, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    Agent.objects.filter(pk=agent.pk).update(group=other_group)

    assert_refused(lambda: redeem_it(issued.secret), why="agent moved")


@pytest.mark.parametrize("reason", sorted(set(EndReason.values) - {EndReason.RENEWED}))
def test_redeem_after_the_session_ended_is_refused(issue_to_alice, redeem_it, session, reason):
    issued = issue_to_alice(session=session)
    AgentSession.objects.filter(pk=session.pk).end(reason)

    assert_refused(lambda: redeem_it(issued.secret), why="session ended")


def test_redeem_after_the_agent_signed_in_again_works(issue_to_alice, redeem_it, session):
    issued = issue_to_alice(session=session)
    AgentSession.objects.filter(pk=session.pk).end(EndReason.RENEWED)

    assert redeem_it(issued.secret)


def test_redeem_after_another_of_his_sessions_ended_works(issue_to_alice, redeem_it, session, agent):
    issued = issue_to_alice(session=session)
    other = factories.AgentSessionFactory(agent=agent)
    AgentSession.objects.filter(pk=other.pk).end(EndReason.SIGNED_OUT)

    assert redeem_it(issued.secret)


def test_redeem_for_a_locked_name_works(issued, redeem_it, group):
    while lockout.may_try(door=group.door, name="alice"):
        pass

    assert redeem_it(issued.secret)


# --- Departments and campaigns ---------------------------------------------------------------------------------------


def told(redemption) -> tuple[object, object]:
    """What the CRM is told: departments, campaigns."""
    token, grant = redemption.token, redemption.grant
    return grant.departments_of(token.departments), grant.campaigns_of(token.campaigns)


def test_redeem_without_narrowing_tells_every_department_and_all_campaigns(issued, redeem_it):
    assert told(redeem_it(issued.secret)) == ([1], "all")


def test_redeem_of_a_narrowed_login_tells_what_was_asked(issue_to_alice, redeem_it):
    issued = issue_to_alice(departments=[1], campaigns=[3, 1])

    assert told(redeem_it(issued.secret)) == ([1], [1, 3])


def test_redeem_under_an_entitlement_that_lists_campaigns_tells_the_list(
    issued, redeem_it, entitlement, client_company
):
    for campaign in client_company.campaigns.filter(number__in=(1, 2)):
        EntitledCampaign.objects.create(entitlement=entitlement, campaign=campaign)

    assert told(redeem_it(issued.secret)) == ([1], [1, 2])


def test_redeem_under_an_entitlement_that_lists_departments_tells_those(
    issued, redeem_it, entitlement, client_company
):
    second = factories.DepartmentFactory(client=client_company, number=2)
    EntitledDepartment.objects.create(entitlement=entitlement, department=second)

    assert told(redeem_it(issued.secret)) == ([2], "all")


def test_redeem_for_an_agent_with_campaigns_of_his_own_tells_those(
    issued, redeem_it, agent, entitlement, client_company
):
    narrowing = AgentEntitlement.objects.create(agent=agent, entitlement=entitlement)
    narrowing.campaigns.add(client_company.campaigns.get(number=3))

    assert told(redeem_it(issued.secret)) == ([1], [3])


def test_redeem_under_two_narrowings_tells_what_both_list(
    issued, redeem_it, agent, entitlement, client_company
):
    for campaign in client_company.campaigns.filter(number__in=(1, 2)):
        EntitledCampaign.objects.create(entitlement=entitlement, campaign=campaign)
    narrowing = AgentEntitlement.objects.create(agent=agent, entitlement=entitlement)
    narrowing.campaigns.add(*client_company.campaigns.filter(number__in=(2, 3)))

    assert told(redeem_it(issued.secret)) == ([1], [2])


def test_redeem_under_a_list_whose_campaigns_are_over_tells_none(
    issued, redeem_it, entitlement, client_company
):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=1))
    client_company.campaigns.filter(number=1).update(is_active=False)

    assert told(redeem_it(issued.secret)) == ([1], [])


def test_redeem_after_a_campaign_asked_for_was_withdrawn_is_refused(
    issue_to_alice, redeem_it, entitlement, client_company
):
    issued = issue_to_alice(campaigns=[1])
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=2))

    assert_refused(lambda: redeem_it(issued.secret), why="unknown_campaign")


def test_redeem_after_a_department_asked_for_was_closed_is_refused(issue_to_alice, redeem_it, client_company):
    issued = issue_to_alice(departments=[1])
    client_company.departments.update(is_active=False)

    assert_refused(lambda: redeem_it(issued.secret), why="unknown_department")
