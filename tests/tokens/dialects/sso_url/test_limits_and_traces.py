"""The signed SSO URL: how often, what is written down, and what it costs."""

from collections import Counter

import pytest
from django.db import connection

from accounts.models import Event, Outcome, Tally
from tests import factories
from tests.tokens.dialects.sso_url.signed import GOOD, assert_refused
from tests.tokens.statements import Statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "pair")]


def test_more_calls_a_minute_than_allowed_are_refused(ask, limit_a_minute):
    limit_a_minute("signed url", 2)

    statuses = [ask().status_code, ask().status_code]
    response = ask()

    assert statuses == [200, 200]
    assert_refused(response, 429, "too_many_requests")
    assert response.headers["Retry-After"] == "60"


@pytest.mark.parametrize("wrong", [{"key": "sp_unknown"}, {"shared_key": "another"}])
def test_guesses_of_one_address_are_slowed_down_but_never_the_right_key(ask, limit_a_minute, wrong):
    limit_a_minute("refused credentials", 2)

    assert [ask(**wrong).status_code for _ in range(3)] == [400, 400, 429]
    assert ask().status_code == 200


def test_calls_that_are_badly_put_are_no_guesses(ask):
    ask(headers={"Date": None})

    assert not Tally.objects.filter(limit="refused credentials").exists()


def test_use_is_noted_and_written_down(ask, pair, group):
    ask()

    pair.refresh_from_db()
    event = Event.objects.get(action="login.sign_url")
    assert pair.last_used_at is not None
    assert (event.outcome, event.actor, event.door) == (Outcome.OK, pair.named, "signed url")
    assert (event.group_id, event.client) == (group.pk, "demoaws")


def test_refusal_is_written_down_with_the_client_that_was_asked_for(ask, pair):
    ask(GOOD | {"customer_account_code": "southgate"})

    event = Event.objects.get(action="login.sign_url", outcome=Outcome.REFUSED)
    assert (event.reason, event.actor, event.client) == ("unknown_customer_account", pair.named, "demoaws")
    assert event.details["account"] == "southgate"


def test_no_event_holds_a_key_or_signature(ask):
    signature = "c2VjcmV0LXNpZ25hdHVyZQ=="
    ask()
    ask(signature=signature)
    ask(key="sp_unknown-and-long")

    told = str(list(Event.objects.values()))
    assert not [
        secret
        for secret in (signature, factories.SHARED_KEY, factories.SIGNING_API_KEY, "unknown-and")
        if secret in told
    ]


def test_call_is_one_round_of_selects_and_one_transaction(ask):
    ask()  # makes the key that answers are signed with, and notes the use

    with Statements(connection) as statements:
        ask()

    assert statements.by_kind == {"SELECT": 2, "UPDATE": 1, "INSERT": 1}  # the update counts the call


def test_unknown_key_and_wrong_signature_ask_the_same_of_the_database(ask):
    ask(key="sp_unknown")

    sent = []
    for wrong in ({"key": "sp_unknown"}, {"shared_key": "another"}):
        with Statements(connection) as statements:
            ask(**wrong)
        sent.append(Counter(statements.in_order))

    assert sent[0] == sent[1]


def test_unknown_key_and_wrong_signature_both_compute_one_signature(ask, monkeypatch):
    computed = []
    monkeypatch.setattr("tokens.dialects.sso_url.hmac.digest", lambda *args: computed.append(args) or b"")

    ask(key="sp_unknown", signature="x")
    ask(signature="x")

    of_doors = [key for key, _, _ in computed if key != factories.SHARED_KEY.encode()]
    assert len(computed) == 4  # of which two by the test itself
    assert len(of_doors) == 1
