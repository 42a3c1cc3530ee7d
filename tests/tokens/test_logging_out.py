"""Passing log-outs on: who is told, of what, how often, and what stays written down. Told over real HTTP."""

import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts.models import Event
from groups.models import AgentSession, EndReason
from groups.signing_in import start_session
from tests import factories
from tests.tokens.listening import listening
from tokens import signing_keys
from tokens.handoffs import remember
from tokens.logging_out import EVENT, LEASE, PAUSES, due, tell, tell_all
from tokens.models import Handoff, HandoffState
from tokens.redeeming import redeem
from tokens.worker import pass_on_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def listener():
    with listening() as heard:
        yield heard


@pytest.fixture
def party(relying_party, listener):
    """demoaws' CRM, which wants to be told of log-outs."""
    relying_party.backchannel_logout_uri = f"{listener.address}logged-out"
    relying_party.save()
    return relying_party


@pytest.fixture
def handoff(session, party):
    """Alice's session, in the CRM."""
    remember(session, party)
    return Handoff.objects.get()


@pytest.fixture
def ended(session, handoff):
    """The same after Alice signed out."""
    end(session)
    return handoff


def end(session, reason=EndReason.SIGNED_OUT):
    AgentSession.objects.filter(pk=session.pk).end(reason)


def found(**how) -> list[Handoff]:
    return [handoff for some in due(most=100, **how).values() for handoff in some]


# --- Remembering ------------------------------------------------------------------------------------------------------


def test_redeemed_login_is_remembered_with_its_session(issue_to_alice, session, party, caller):
    redeem(issue_to_alice(session=session).secret, relying_party=party, caller=caller)

    handoff = Handoff.objects.get()
    assert (handoff.session, handoff.relying_party) == (session, party)
    assert handoff.state == HandoffState.OPEN


def test_second_login_of_a_session_changes_nothing(issue_to_alice, session, party, caller):
    for _ in range(2):
        redeem(issue_to_alice(session=session).secret, relying_party=party, caller=caller)

    assert Handoff.objects.count() == 1


def test_nothing_is_remembered_for_a_party_that_wants_to_hear_nothing(
    issue_to_alice, session, relying_party, caller
):
    redeem(issue_to_alice(session=session).secret, relying_party=relying_party, caller=caller)

    assert not Handoff.objects.exists()


def test_nothing_is_remembered_of_a_login_without_a_session(issue_to_alice, party, caller):
    redeem(issue_to_alice().secret, relying_party=party, caller=caller)

    assert not Handoff.objects.exists()


def test_nothing_is_remembered_of_a_login_that_was_refused(issue_to_alice, session, party, caller):
    issued = issue_to_alice(session=session)
    end(session)

    with pytest.raises(Exception, match="invalid_token"):
        redeem(issued.secret, relying_party=party, caller=caller)

    assert not Handoff.objects.exists()


# --- What is told -----------------------------------------------------------------------------------------------------


def test_party_is_told_by_a_form(ended, listener):
    assert tell(ended) == ""

    assert listener.heard[0]["path"] == ["/logged-out"]
    assert listener.heard[0]["type"] == ["application/x-www-form-urlencoded"]


def test_try_has_one_number_in_the_event_and_at_the_party(ended, listener):
    tell(ended)

    assert listener.heard[0]["reference"] == [events()[0].reference]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_logout_token_is_as_the_specification_wants_it(ended, party, listener, agent, session, algorithm):
    type(party).objects.update(algorithm=algorithm)
    tell(found()[0])

    told = jwt.decode(listener.tokens[0], KeySet.import_key_set(signing_keys.jwks()), algorithms=[algorithm])
    assert told.header["typ"] == "logout+jwt"
    assert told.claims.keys() == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "events"}
    assert told.claims["events"] == {EVENT: {}}
    assert told.claims["iss"] == settings.PORTAL_URL
    assert (told.claims["aud"], told.claims["sub"]) == (party.identifier, agent.subject)
    assert told.claims["sid"] == session.sid
    assert 0 < told.claims["exp"] - time.time() <= 120


def test_logout_token_never_passes_for_an_id_token(ended, listener):
    tell(ended)

    assert signing_keys.read(listener.tokens[0]) is None


def test_each_try_has_a_name_of_its_own(ended, listener):
    listener.status = 500
    tell(ended)
    Handoff.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    tell(found()[0])

    first, second = (signing_keys.read(token, typ="logout+jwt") for token in listener.tokens)
    assert first["jti"] != second["jti"]


# --- When -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(set(EndReason.values) - {EndReason.RENEWED}))
def test_session_that_was_ended_is_due_whatever_the_reason(handoff, session, reason):
    end(session, reason)

    assert found() == [handoff]


def test_session_that_goes_on_is_not_due(handoff):
    assert found() == []


def test_told_is_told_once(ended, listener):
    assert (pass_on_once(), pass_on_once()) == (1, 0)

    assert len(listener.heard) == 1
    assert Handoff.objects.get().state == HandoffState.TOLD


def test_log_out_of_long_ago_is_found_when_all_are_looked_for(ended, session):
    AgentSession.objects.filter(pk=session.pk).update(ended_at=timezone.now() - timedelta(hours=3))

    assert found() == []
    assert found(all_since=None) == [ended]


def renew(session, caller) -> AgentSession:
    """The session as it goes on after the agent unlocked it."""
    return start_session(session.agent, methods=["pwd"], replaces=session, caller=caller).session


def test_session_that_was_renewed_goes_on_under_its_sid(handoff, session, caller):
    renewed = renew(session, caller)

    assert renewed.sid == session.sid
    assert found() == []


def test_session_that_was_renewed_is_due_when_what_renewed_it_ends(handoff, session, caller):
    end(renew(renew(session, caller), caller))

    assert found() == [handoff]


def test_session_and_what_renewed_it_are_told_as_one(handoff, session, party, caller, listener):
    renewed = renew(session, caller)
    remember(renewed, party)
    end(renewed)

    assert (pass_on_once(), pass_on_once()) == (1, 0)
    assert [each.state for each in Handoff.objects.all()] == [HandoffState.TOLD] * 2
    assert len(listener.heard) == 1


def test_of_two_tabs_that_renew_a_session_the_second_renews_the_firsts(session, caller):
    _first, second = renew(session, caller), renew(session, caller)

    assert second.sid == session.sid
    assert AgentSession.objects.get(ended_at=None) == second


def test_session_of_whoever_signs_in_instead_is_another(session, group, caller):
    other = start_session(
        factories.AgentFactory(group=group), methods=["pwd"], replaces=session, caller=caller
    )

    assert other.session.sid != session.sid


# --- Failing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_is_any_2xx(ended, listener, status):
    listener.status = status

    assert tell(ended) == ""


@pytest.mark.parametrize("status", [302, 400, 401, 404, 500, 503])
def test_any_other_status_is_tried_again(ended, listener, status):
    listener.status = status

    assert tell(ended) == f"status: {status}"

    after = Handoff.objects.get()
    assert (after.state, after.tries, after.failure) == (HandoffState.PENDING, 1, f"status: {status}")
    assert timedelta(seconds=3) < after.next_try_at - timezone.now() < timedelta(seconds=6)
    assert [form["path"] for form in listener.heard] == [["/logged-out"]]


def test_pauses_grow_until_it_is_given_up(ended, listener):
    listener.status = 500
    pauses = []
    while not Handoff.objects.get().given_up_at:
        Handoff.objects.exclude(next_try_at=None).update(next_try_at=timezone.now() - timedelta(seconds=1))
        tell(found()[0])
        if next_try_at := Handoff.objects.get().next_try_at:
            pauses.append(round((next_try_at - timezone.now()).total_seconds()))

    assert pauses == [round(pause.total_seconds()) for pause in PAUSES]
    assert len(listener.heard) == len(PAUSES) + 1
    assert Handoff.objects.get().state == HandoffState.GIVEN_UP
    assert found(all_since=None) == []


def test_party_that_comes_back_is_told(ended, listener):
    listener.status = 503
    tell(ended)
    listener.status = 200
    Handoff.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))

    assert tell(found()[0]) == ""
    after = Handoff.objects.get()
    assert (after.state, after.tries, after.failure) == (HandoffState.TOLD, 2, "")


@pytest.mark.parametrize(
    ("change", "failure"),
    [({"is_active": False}, "relying party inactive"), ({"backchannel_logout_uri": ""}, "no address")],
)
def test_party_that_wants_no_more_is_given_up_at_once(ended, party, listener, change, failure):
    type(party).objects.update(**change)

    assert tell(found()[0]) == failure
    assert Handoff.objects.get().state == HandoffState.GIVEN_UP
    assert listener.heard == []


def test_address_inside_is_not_called(ended, listener, settings):
    settings.OUTGOING_PRIVATE = ()

    assert tell(ended) == "not public: 127.0.0.1"
    assert listener.heard == []


def test_party_out_of_reach_keeps_the_rest_for_later(party, agent, listener):
    for _ in range(3):
        session = factories.AgentSessionFactory(agent=agent)
        remember(session, party)
        end(session)
    type(party).objects.update(backchannel_logout_uri="http://127.0.0.1:9/nobody")

    assert tell_all(found()) == 0

    tried = Handoff.objects.filter(tries=1)
    assert (tried.count(), Handoff.objects.filter(tries=0).exclude(next_try_at=None).count()) == (1, 2)
    assert found() == []


def test_busy_party_is_left_out(ended, party):
    assert found(but_for=[party.pk]) == []


def test_nobody_sends_what_somebody_else_is_sending(ended, listener):
    assert Handoff.objects.claim(ended, lease=LEASE)

    assert tell(ended) is None
    assert found() == []
    assert listener.heard == []


def test_try_whose_worker_died_is_made_again(ended):
    Handoff.objects.claim(ended, lease=timedelta(seconds=-1))

    assert [handoff.tries for handoff in found()] == [1]


# --- Written down -----------------------------------------------------------------------------------------------------


def events() -> list[Event]:
    return list(Event.objects.filter(action="logout.tell"))


def test_what_was_told_is_written_down(ended, agent, session, party):
    tell(ended)

    event = events()[0]
    assert (event.outcome, event.client, event.agent) == ("ok", "demoaws", agent.subject)
    assert (event.group_id, event.object) == (agent.group_id, session.sid)
    assert event.details == {"relying_party": party.identifier, "tries": 1}


def test_what_was_given_up_is_written_down(ended, listener):
    listener.status = 500
    Handoff.objects.update(tries=len(PAUSES))
    tell(found()[0])

    event = events()[0]
    assert (event.outcome, event.reason) == ("refused", "not_told")
    assert (event.details["why"], event.details["answer"]) == ("status", "500")


def test_try_that_will_be_repeated_is_no_event(ended, listener):
    listener.status = 500
    tell(ended)

    assert events() == []


def test_nothing_that_was_sent_is_kept_with_a_failure(ended, party):
    type(party).objects.update(backchannel_logout_uri="http://127.0.0.1:9/hook?key=secret-word")
    tell(found()[0])

    assert Handoff.objects.get().failure == "no connection: Connection refused"


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_party_takes_its_time(ended, listener):
    seen, of_this_thread = [], connections["default"]

    def look() -> int:
        seen.append(of_this_thread.in_atomic_block)
        return 200

    listener.says = look

    tell(ended)

    assert seen == [False]
