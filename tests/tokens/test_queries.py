"""What the hot paths ask of the database, step by step: counted as real statements, by kind.

(That PostgreSQL does the usual case in one: test_at_once.py.)
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from groups.models import AgentSession
from tests import factories
from tests.tokens.asking import basic
from tests.tokens.statements import Statements
from tokens.models import RelyingPartySecret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("entitlement", "step_by_step")]


@pytest.fixture
def pop(signed_in, group, session):
    """One pop in Alice's browser, with what it sent to the database."""

    def open_one() -> Statements:
        with Statements(connection) as statements:
            response = signed_in.get("/sso/group/demoaws", {"group": group.pk, "did": "7"})
        assert "?token=" in response.headers["Location"]
        return statements

    return open_one


def test_pop_with_a_live_session_is_one_select_and_two_inserts(pop):
    assert pop().by_kind == {"SELECT": 1, "INSERT": 2}


def test_pop_with_a_live_session_is_one_transaction(pop):
    assert pop().in_order == ["SELECT", "BEGIN", "INSERT", "INSERT", "COMMIT"]


def test_pop_notes_the_session_with_one_update_when_it_is_due(pop, session):
    AgentSession.objects.filter(pk=session.pk).update(last_seen_at=timezone.now() - timedelta(seconds=61))

    assert [pop().by_kind, pop().by_kind] == [
        {"SELECT": 1, "UPDATE": 1, "INSERT": 2},
        {"SELECT": 1, "INSERT": 2},
    ]


def test_pop_without_a_session_asks_for_the_group_and_the_way_there(client, group):
    with Statements(connection) as statements:
        client.get("/sso/group/demoaws", {"group": group.pk})

    assert statements.by_kind == {"SELECT": 2}


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Dest": "image"}], ids=str)
def test_pop_that_is_no_navigation_asks_nothing(signed_in, group, headers):
    with Statements(connection) as statements:
        signed_in.get("/sso/group/demoaws", {"group": group.pk}, headers=headers)

    assert statements.in_order == []


@pytest.fixture
def redeem(client, relying_party):
    """One redemption over HTTP, with what it sent to the database; its credential was noted as used just now."""
    RelyingPartySecret.objects.touch(relying_party.secrets.get())
    authorization = basic(relying_party.identifier, factories.SECRET)

    def redeem_one(secret: str, status: int) -> Statements:
        with Statements(connection) as statements:
            response = client.post(
                "/api/v1/tokens/redeem",
                {"token": secret},
                content_type="application/json",
                headers={"Authorization": authorization},
            )
        assert response.status_code == status
        return statements

    return redeem_one


def test_redemption_is_at_most_two_selects_one_update_and_one_insert(redeem, issued):
    sent = redeem(issued.secret, 200).by_kind

    assert sent["SELECT"] <= 2
    assert (sent["UPDATE"], sent["INSERT"]) == (1, 1)
    assert sent.keys() == {"SELECT", "UPDATE", "INSERT"}


def test_redemption_by_a_party_that_is_told_of_log_outs_is_one_insert_more(
    redeem, issue_to_alice, session, relying_party
):
    uri = "https://demoaws.crm.example/logged-out"
    type(relying_party).objects.filter(pk=relying_party.pk).update(backchannel_logout_uri=uri)

    sent = [redeem(issue_to_alice(session=session).secret, 200) for _ in range(2)]

    assert [each.by_kind["INSERT"] for each in sent] == [2, 2]
    assert [each.by_kind["SELECT"] <= 2 for each in sent] == [True, True]
    assert [each.in_order.count("BEGIN") for each in sent] == [1, 1]


def test_redemption_notes_its_credential_with_one_update_when_it_is_due(redeem, issue_to_alice):
    # Once a minute, however many logins are redeemed: people see which credential is in use, and which nobody needs.
    RelyingPartySecret.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))

    updates = [redeem(issue_to_alice().secret, 200).by_kind["UPDATE"] for _ in range(2)]

    assert updates == [2, 1]


def test_redemption_claims_and_records_in_one_transaction(redeem, issued):
    sent = redeem(issued.secret, 200).in_order

    transaction = sent[sent.index("BEGIN") : sent.index("COMMIT")]
    assert (transaction.count("UPDATE"), transaction.count("INSERT")) == (1, 1)
    assert sent.count("BEGIN") == 1


def test_redemption_that_is_refused_asks_no_more_than_one_that_is_not(redeem, issued):
    sent = redeem("lt_nothing", 400).by_kind

    assert sent["SELECT"] <= 2
    assert (sent["UPDATE"], sent["INSERT"]) == (1, 1)
