"""Signing in by password: who gets in, and that every "no" looks and costs the same."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Attempt, Event, Tally
from groups.models import Agent, AgentSession, AgentStatus, Group
from groups.signing_in import SignedIn
from groups.standing import set_password, set_status
from sso_portal.lib.hashing import PeopleHasher
from sso_portal.lib.refusals import Refusal
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.factories import PASSWORD
from tests.groups.conftest import WRONG_PASSWORD

pytestmark = pytest.mark.django_db


def test_right_password_starts_a_session(agent, attempt):
    signed_in = attempt()

    assert isinstance(signed_in, SignedIn)
    assert AgentSession.objects.live().get().agent == agent


def test_session_keeps_the_digest_of_its_secret_only(agent, attempt):
    signed_in = attempt()

    assert signed_in.session.digest == digest_of(signed_in.secret)


def test_session_lasts_as_long_as_the_group_says(agent, attempt):
    Group.objects.update(idle_minutes=10, longest_session_hours=2)

    session = attempt().session
    session.refresh_from_db()

    assert session.idle_at - session.started_at == pytest.approx(
        timedelta(minutes=10), abs=timedelta(seconds=1)
    )
    assert session.ends_at - session.started_at == pytest.approx(timedelta(hours=2), abs=timedelta(seconds=1))


def test_sign_in_is_remembered_on_the_agent(agent, attempt, caller):
    attempt()
    agent.refresh_from_db()

    assert agent.last_address == caller.address_text
    assert agent.last_signed_in_at


def test_sign_in_is_recorded(agent, attempt, caller):
    session = attempt().session

    event = Event.objects.get(action="agent.sign_in", outcome="ok")
    assert (event.agent, event.group_id, event.object) == (agent.subject, agent.group_id, session.sid)
    assert (event.reference, event.address) == (caller.reference, caller.address_text)


@pytest.mark.parametrize("typed", ["alice", "ALICE", "  Alice ", "ａｌｉｃｅ"])
def test_name_is_taken_in_any_spelling(agent, attempt, typed):
    assert isinstance(attempt(username=typed), SignedIn)


def test_password_is_taken_in_any_composition(group, attempt):
    factories.AgentFactory(group=group, username="zoe", password=factories.encoded("caf\u00e9 correct horse"))

    assert isinstance(attempt("cafe\u0301 correct horse", username="zoe"), SignedIn)


def test_agent_whose_end_is_to_come_signs_in(agent, attempt):
    Agent.objects.update(ends_at=timezone.now() + timedelta(hours=1))

    assert isinstance(attempt(), SignedIn)


def test_namesake_of_another_group_signs_in_at_his_own_door(agent, other_group, attempt):
    namesake = factories.AgentFactory(
        group=other_group, username="alice", password=factories.encoded("another horse battery")
    )

    assert attempt("another horse battery", group=other_group).session.agent == namesake


# --- Every "no" --------------------------------------------------------------------------------------------------


@pytest.fixture(
    params=["wrong", "unknown", "no password", "disabled", "suspended", "ended", "foreign", "locked"]
)
def refused_attempt(request, agent, group, other_group, attempt, lock):
    """An attempt that is refused, each time for another reason; call it."""
    circumstance = request.param
    if circumstance in ("disabled", "suspended"):
        Agent.objects.update(status=circumstance)
    elif circumstance == "ended":
        Agent.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    elif circumstance == "no password":
        Agent.objects.update(password="")
    elif circumstance == "locked":
        lock(agent)
    elif circumstance == "foreign":
        factories.AgentFactory(group=other_group, username="bob")
    username = {"unknown": "nobody", "foreign": "bob"}.get(circumstance, "alice")
    password = WRONG_PASSWORD if circumstance == "wrong" else PASSWORD
    return lambda: attempt(password, username=username)


def test_refusal_is_the_same_for_every_reason(refused_attempt):
    refusal = refused_attempt()

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.status, refusal.detail) == ("wrong_credentials", 200, "")
    assert refusal.message == "This username and password do not match. Please check both and try again."


def test_refusal_costs_one_hash_for_every_reason(refused_attempt, hashes):
    refused_attempt()

    assert len(hashes) == 1


def test_refusal_starts_no_session_for_any_reason(refused_attempt):
    refused_attempt()

    assert not AgentSession.objects.exists()


def test_sign_in_costs_one_hash(agent, attempt, hashes):
    attempt()

    assert hashes == ["verify"]


def test_wrong_password_beside_an_activation_code_costs_one_hash(agent, attempt, hashes):
    Agent.objects.update(
        activation_digest=digest_of("x"), activation_expires_at=timezone.now() + timedelta(hours=1)
    )

    attempt(WRONG_PASSWORD)

    assert len(hashes) == 1


def test_empty_password_opens_nothing_for_an_agent_without_one(agent, attempt):
    Agent.objects.update(password="")

    assert attempt("").code == "wrong_credentials"


def test_disabled_agent_leaves_his_count(agent, attempt):
    """A right password proves nothing to somebody who is not let in: its tries count like the wrong ones."""
    Agent.objects.update(status="disabled")
    for _ in range(5):
        attempt()
    Agent.objects.update(status="active")

    assert attempt().code == "wrong_credentials"


def test_address_that_tries_too_often_is_slowed_down(agent, attempt, limit_a_minute):
    limit_a_minute("sign-in address", 3)

    codes = [attempt(WRONG_PASSWORD, username=f"name{n}").code for n in range(4)]

    assert codes == ["wrong_credentials"] * 3 + ["too_many_requests"]


def test_slowed_down_address_reaches_neither_lock_out_nor_password(agent, attempt, limit_a_minute, hashes):
    limit_a_minute("sign-in address", 0)

    attempt()

    assert hashes == []
    assert not Attempt.objects.exists()


def test_shift_of_one_address_signs_in_within_a_minute(agent, attempt, limit_a_minute):
    limit_a_minute("sign-in address", 2)

    assert all(isinstance(attempt(), SignedIn) for _ in range(5))
    assert Tally.objects.get(limit="sign-in address").times == 0


def test_browser_of_the_agent_himself_passes_where_others_fail(agent, attempt, limit_a_minute):
    session = attempt().session
    limit_a_minute("sign-in address", 0)

    assert isinstance(attempt(replaces=session), SignedIn)


def test_browser_of_another_agent_waits_with_its_address(agent, attempt, limit_a_minute, group):
    theirs = factories.AgentSessionFactory(agent=factories.AgentFactory(group=group))
    limit_a_minute("sign-in address", 0)

    assert attempt(replaces=theirs).code == "too_many_requests"


def test_browser_of_the_agent_himself_is_locked_like_any(agent, attempt, limit_a_minute, hashes):
    session = attempt().session
    limit_a_minute("sign-in address", 0)
    for _ in range(5):
        attempt(WRONG_PASSWORD, replaces=session)

    assert attempt(replaces=session).code == "wrong_credentials"


# --- What happens while the hash is computed ---------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch):
    """Let something happen while the next hash is computed; the hash goes on."""
    verify = PeopleHasher.verify

    def let(happen):
        def verify_meanwhile(self, password, encoded):
            monkeypatch.setattr(PeopleHasher, "verify", verify)
            right = verify(self, password, encoded)
            happen()
            return right

        monkeypatch.setattr(PeopleHasher, "verify", verify_meanwhile)

    return let


def test_agent_who_is_disabled_while_signing_in_gets_no_session(agent, attempt, meanwhile, caller):
    meanwhile(lambda: set_status(agent, AgentStatus.DISABLED, by="test", caller=caller))

    attempt()

    assert not AgentSession.objects.live().exists()


def test_password_that_changes_while_signing_in_opens_no_session(agent, attempt, meanwhile, caller):
    meanwhile(lambda: set_password(agent, "another horse battery", by="test", caller=caller))

    attempt()

    assert not AgentSession.objects.live().exists()
