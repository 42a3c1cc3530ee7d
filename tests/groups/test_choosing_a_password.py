"""Activation codes, and the password that an agent chooses."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import check_password
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import Event
from groups.models import Agent, AgentSession
from groups.signing_in import MustChoosePassword, SignedIn, choose_password, proof_in
from groups.standing import give_activation_code, set_password
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
CHOSEN = "seven purple lanterns"


@pytest.fixture
def newcomer(group):
    return factories.AgentFactory(group=group, username="alice", password="")


@pytest.fixture
def code(newcomer, caller) -> str:
    return give_activation_code(newcomer, by="test", caller=caller)


@pytest.fixture
def pending(code, attempt) -> str:
    return attempt(code).pending


@pytest.fixture
def choose(caller, group):
    """Choose a password with a proof, as the page does; what comes of it."""

    def choose(pending: str, *, replaces=None):
        proof = proof_in(pending, step=MustChoosePassword, group=group)
        return choose_password(proof.agent, CHOSEN, replaces=replaces, caller=caller) if proof else None

    return choose


def test_activation_code_asks_for_a_password_first(code, attempt):
    assert isinstance(attempt(code), MustChoosePassword)


def test_activation_code_alone_starts_no_session(code, attempt):
    attempt(code)

    assert not AgentSession.objects.exists()


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: f" {code} ",
        lambda code: code.replace("-", " "),
    ],
)
def test_activation_code_is_taken_however_it_was_typed(code, attempt, typed):
    assert isinstance(attempt(typed(code)), MustChoosePassword)


def test_activation_code_is_kept_as_a_digest(newcomer, code):
    newcomer.refresh_from_db()

    assert code not in newcomer.activation_digest
    assert len(newcomer.activation_digest) == 64


def test_activation_code_lasts_a_day(code):
    lasts = Agent.objects.annotate(lasts=F("activation_expires_at") - Now()).get().lasts

    assert timedelta(hours=23, minutes=59) < lasts <= timedelta(hours=24)


def test_activation_code_past_its_end_is_wrong(code, attempt):
    Agent.objects.update(activation_expires_at=Now() - timedelta(seconds=1))

    assert attempt(code).code == "wrong_credentials"


def test_new_activation_code_voids_the_old_one(newcomer, code, attempt, caller):
    give_activation_code(newcomer, by="test", caller=caller)

    assert attempt(code).code == "wrong_credentials"


def test_activation_code_serves_once(code, pending, attempt, choose):
    choose(pending)

    assert attempt(code).code == "wrong_credentials"


def test_activation_code_of_a_disabled_agent_is_wrong(code, attempt):
    Agent.objects.update(status="disabled")

    assert attempt(code).code == "wrong_credentials"


def test_activation_code_of_another_agent_is_wrong(code, group, attempt):
    factories.AgentFactory(group=group, username="bob")

    assert attempt(code, username="bob").code == "wrong_credentials"


def test_guessed_activation_codes_lock_the_name(code, attempt):
    for _ in range(5):
        attempt("AAAA-AAAA-AAAA")

    assert attempt(code).code == "wrong_credentials"


def test_chosen_password_starts_a_session(pending, choose):
    signed_in = choose(pending)

    assert isinstance(signed_in, SignedIn)
    assert signed_in.session.methods == ["otp"]


def test_chosen_password_is_the_agents_from_now_on(newcomer, pending, choose, attempt):
    choose(pending)

    newcomer.refresh_from_db()
    assert check_password(CHOSEN, newcomer.password)
    assert isinstance(attempt(CHOSEN), SignedIn)


def test_choice_is_recorded(newcomer, pending, choose):
    choose(pending)

    event = Event.objects.get(action="agent.choose_password")
    assert (event.agent, event.details) == (newcomer.subject, {"by": "otp"})


def test_chosen_password_ends_the_other_sessions(newcomer, pending, choose):
    session = factories.AgentSessionFactory(agent=newcomer)

    choose(pending)

    session.refresh_from_db()
    assert session.end_reason == "password"


def test_chosen_password_ends_the_session_of_its_browser_too(newcomer, pending, choose):
    session = factories.AgentSessionFactory(agent=newcomer)

    chosen = choose(pending, replaces=session)

    session.refresh_from_db()
    assert session.end_reason == "password"
    assert chosen.session.sid != session.sid


def test_proof_is_worthless_after_the_choice(pending, choose):
    choose(pending)

    assert choose(pending) is None


def test_proof_read_twice_serves_once(pending, group, caller):
    first, again = (proof_in(pending, step=MustChoosePassword, group=group) for _ in range(2))

    choose_password(first.agent, CHOSEN, replaces=None, caller=caller)

    assert choose_password(again.agent, "another horse battery", replaces=None, caller=caller) is None


def test_proof_is_worthless_for_another_group(pending, other_group):
    assert proof_in(pending, step=MustChoosePassword, group=other_group) is None


def test_proof_is_worthless_after_a_new_activation_code(newcomer, pending, choose, caller):
    give_activation_code(newcomer, by="test", caller=caller)

    assert choose(pending) is None


def test_proof_is_worthless_after_ten_minutes(pending, choose, time_machine):
    time_machine.move_to(datetime.now(UTC) + timedelta(minutes=10, seconds=1))

    assert choose(pending) is None


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"status": "suspended"}, {"ends_at": Now()}])
def test_proof_of_an_agent_who_was_stopped_is_worthless(pending, choose, change):
    Agent.objects.update(**change)

    assert choose(pending) is None


@pytest.mark.parametrize("forged", ["", "nonsense", "a:b:c"])
def test_forged_proof_is_worthless(group, forged):
    assert proof_in(forged, step=MustChoosePassword, group=group) is None


def test_password_that_was_set_must_be_changed(agent, attempt, caller):
    set_password(agent, CHOSEN, by="test", caller=caller)

    assert isinstance(attempt(CHOSEN), MustChoosePassword)


def test_password_that_was_replaced_opens_nothing(agent, attempt, caller):
    set_password(agent, CHOSEN, by="test", caller=caller)

    assert attempt(PASSWORD).code == "wrong_credentials"
