"""The trace of a pop: whatever number of it is known, the whole of it is found, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Event
from groups import tracing
from groups.tracing import Trace, lasted, spellings_of
from tests import factories

pytestmark = pytest.mark.django_db

CLICK, TRY, SIGN_IN, POP, REDEEMED = (
    f"{name}-0000-0001" for name in ("C11C", "TRY0", "S19N", "P0P0", "REDE")
)
BEGIN = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SID, TOKEN = "sid-of-the-session", "token:0123456789ab"


@pytest.fixture
def put(group, agent, entitlement):
    """Write an event so many seconds after the click."""

    def put(seconds: float, action: str, reference: str, **fields) -> Event:
        usual = {
            "at": BEGIN + timedelta(seconds=seconds),
            "group_id": group.pk,
            "agent": agent.subject,
            "client": "demoaws" if action.startswith("login") else "",
        }
        return factories.EventFactory(action=action, reference=reference, **usual | fields)

    return put


@pytest.fixture
def pop():
    """What sign-ins remember of the click."""
    return {"pop": {"reference": CLICK, "at": BEGIN.isoformat(), "client": "demoaws"}}


@pytest.fixture
def whole_pop(put, pop):
    """A pop from the click to the redemption: a wrong password, the right one, the login, the CRM."""
    put(
        4, "agent.sign_in", TRY, actor="anonymous", reason="wrong_credentials", details={"why": "wrong"} | pop
    )
    put(9, "agent.sign_in", SIGN_IN, object=SID, details={"methods": ["pwd"]} | pop)
    call = {"did": "0101", "cid": "0142"}
    put(9.1, "login.issue", POP, object=TOKEN, details={"kind": "hand_off", "call": call, "session": SID})
    put(10.3, "login.redeem", REDEEMED, object=TOKEN, actor="relying_party:rp_1", address="198.51.100.7")
    put(300, "login.issue", "NEXT-0000-0001", object="token:next", details={"session": SID})


@pytest.fixture
def trace(group):
    """The trace of a reference in the group, so many seconds after the click."""

    def trace(reference: str, *, after: float = 600) -> Trace | None:
        return tracing.find(reference, groups=[group.pk], now=BEGIN + timedelta(seconds=after))

    return trace


def steps_of(trace: Trace) -> list[str]:
    return [step.what for step in trace.steps]


WHOLE = [
    "The phone system opened the address of the call",
    "Nobody was signed in: the sign-in page, with the call kept",
    "Sign-in refused",
    "Agent signed in",
    "Allowed: agent, group and client were checked",
    "Login issued: it works once, for 60 seconds",
    "Sent on to Demo AWS, by redirect",
    "Login redeemed at Demo AWS",
]


@pytest.mark.parametrize("reference", [CLICK, TRY, SIGN_IN, POP, REDEEMED])
def test_every_number_of_a_pop_finds_the_whole_of_it(whole_pop, trace, reference):
    found = trace(reference)

    assert steps_of(found) == WHOLE
    assert found.reference in (reference, SIGN_IN)


def test_next_pop_of_the_session_is_a_trace_of_its_own(whole_pop, trace):
    assert steps_of(trace("NEXT-0000-0001", after=301))[0] == WHOLE[0]
    assert "Agent signed in" not in steps_of(trace("NEXT-0000-0001", after=301))


def test_trace_says_how_it_ended(whole_pop, trace):
    found = trace(POP)

    assert (found.summary, found.state) == ("alice was in demoaws after 10 s.", "done")


def test_steps_tell_how_long_each_took(whole_pop, trace):
    assert [step.gap for step in trace(POP).steps] == ["", "", "4.0 s", "5.0 s", "0.1 s", "", "", "1.2 s"]


def test_call_is_told_by_its_last_digits(whole_pop, trace):
    assert ("Dialled number", "…0101") in trace(POP).steps[0].facts


def test_hand_off_tells_the_host_of_the_client(whole_pop, trace):
    assert trace(POP).steps[6].facts == [("To", "demoaws.crm.example")]


def test_redemption_tells_from_where_and_how_late(whole_pop, trace):
    facts = dict(trace(POP).steps[-1].facts)

    assert (facts["From"], facts["After the login was issued"]) == ("198.51.100.7", "1.2 s")


def test_login_that_nobody_redeemed_yet_waits(put, trace):
    put(0, "login.issue", POP, object=TOKEN)
    found = trace(POP, after=20)

    assert (found.steps[-1].what, found.state) == ("Waiting for Demo AWS to redeem it", "waiting")


def test_login_that_nobody_redeemed_has_ended(put, trace):
    put(0, "login.issue", POP, object=TOKEN)
    found = trace(POP, after=61)

    assert (found.steps[-1].what, found.state) == ("Never redeemed: the login expired", "refused")
    assert found.steps[-1].at == BEGIN + timedelta(seconds=60)


def test_refused_pop_tells_its_plain_reason(put, trace):
    put(0, "login.issue", POP, reason="client_unavailable", details={"detail": "paused"})
    found = trace(POP)

    assert steps_of(found) == [WHOLE[0], "Login for Demo AWS refused"]
    assert (found.steps[-1].why, found.steps[-1].code) == (
        "The client has paused all sign-ins",
        "client_unavailable",
    )
    assert found.summary == "alice did not get in: the client has paused all sign-ins."


@pytest.mark.parametrize("reference", [CLICK, SIGN_IN, POP])
def test_pop_that_was_refused_after_the_sign_in_is_whole(put, pop, trace, reference):
    put(9, "agent.sign_in", SIGN_IN, object=SID, details={"methods": ["pwd"]} | pop)
    put(9.1, "login.issue", POP, reason="client_unavailable")

    assert steps_of(trace(reference)) == [*WHOLE[:2], "Agent signed in", "Login for Demo AWS refused"]


def test_second_redemption_is_shown_as_refused(whole_pop, put, trace):
    put(
        12,
        "login.redeem",
        "AGA1-0000-0001",
        object=TOKEN,
        reason="invalid_token",
        details={"why": "already used"},
    )
    found = trace("AGA1-0000-0001")

    assert steps_of(found)[-1] == "Redemption at Demo AWS refused"
    assert found.steps[-1].why == "The login was used already"
    assert found.state == "done"


def test_login_that_software_asked_for_is_followed_through_the_portal(put, trace):
    key = {"actor": "key:pk_12345678", "door": "platform"}
    put(0, "login.issue", "AP10-0000-0001", object="token:first", details={"kind": "entrance"}, **key)
    put(2, "login.redeem", "ENTE-0000-0001", object="token:first", actor="portal")
    put(2, "login.issue", "ENTE-0000-0001", object="token:second", details={"kind": "hand_off"})
    put(3, "login.redeem", REDEEMED, object="token:second", actor="relying_party:rp_1")
    expected = [
        "Call-center software asked for a login",
        *WHOLE[4:6],
        "The address of the login was given to the software",
        "The agent opened the address",
        *WHOLE[4:],
    ]

    assert all(
        steps_of(trace(number)) == expected for number in ("AP10-0000-0001", "ENTE-0000-0001", REDEEMED)
    )


def test_number_of_something_else_is_told_as_it_is(put, trace):
    put(0, "agent.suspend", "5USP-0000-0001", actor="administrator:a@b.example")
    found = trace("5USP-0000-0001")

    assert (steps_of(found), found.summary) == (["Agent suspended"], "")
    assert ("By", "a@b.example") in found.steps[0].facts


# --- What is not told ------------------------------------------------------------------------------------------------


def test_unknown_number_is_none(whole_pop, trace):
    assert trace("AAAA-0000-0000") is None


@pytest.mark.parametrize("reference", [CLICK, SIGN_IN, POP, REDEEMED])
def test_pop_of_another_group_is_unknown(whole_pop, other_group, reference):
    assert tracing.find(reference, groups=[other_group.pk], now=BEGIN) is None


def test_events_of_another_group_are_left_out(whole_pop, put, other_group, trace):
    put(11, "login.redeem", "F0RE-0000-0001", object=TOKEN, group_id=other_group.pk)

    assert steps_of(trace(POP)) == WHOLE


def test_client_of_another_group_is_not_named(put, trace):
    factories.ClientFactory(subdomain="secret", name="Secret Client")
    put(0, "login.issue", POP, client="secret", reason="client_unavailable")

    assert "Secret Client" not in str(trace(POP))


def test_click_is_not_looked_for_among_old_sign_ins(whole_pop, trace):
    assert trace(CLICK, after=25 * 3600) is None


@pytest.mark.parametrize(
    "told", ["x", 1, None, [], {"at": "x"}, {"at": BEGIN.isoformat()[:10]}, {"at": "2026-02-31"}]
)
def test_pop_that_cannot_be_read_does_no_harm(put, trace, told):
    put(0, "agent.sign_in", SIGN_IN, object=SID, details={"methods": ["pwd"], "pop": told})

    assert steps_of(trace(SIGN_IN)) == ["Agent signed in"]


def test_number_of_very_many_events_is_cut(put, trace):
    for second in range(70):
        put(second, "agent.suspend", "MANY-0000-0001")
    found = trace("MANY-0000-0001")

    assert (len(found.steps), found.is_cut) == (60, True)


@pytest.mark.parametrize("reference", [CLICK, TRY, SIGN_IN, POP, REDEEMED])
def test_trace_costs_few_queries(whole_pop, trace, reference, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        trace(reference)


# --- Words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("K7QF-3M2P-X8TA", ["K7QF-3M2P-X8TA"]),
        (" k7qf3m2px8ta ", ["K7QF3M2PX8TA", "K7QF-3M2P-X8TA"]),
        ("K7QF-3M2P-X8TO", ["K7QF-3M2P-X8TO", "K7QF-3M2P-X8T0"]),
        ("short", ["SHORT"]),
    ],
)
def test_number_is_understood_however_it_is_typed(typed, spelled):
    assert spellings_of(typed) == spelled


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.25, "0.2 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (61, "1 min 1 s"),
        (7_500, "2 h 5 min"),
    ],
)
def test_time_is_told_as_people_say_it(seconds, words):
    assert lasted(timedelta(seconds=seconds)) == words


# --- The other hand-offs ---------------------------------------------------------------------------------------------


@pytest.fixture
def launched(put):
    """A pop that asked the CRM to begin a sign-in, which passed, and whose code was exchanged."""
    put(0, "login.issue", POP, object=TOKEN, details={"kind": "launch", "call": {"did": "0101"}})
    put(0.4, "login.redeem", "CODE-0000-0001", object=TOKEN, actor="portal")
    put(0.4, "login.issue", "CODE-0000-0001", object="token:code", details={"kind": "code"})
    put(0.8, "login.redeem", REDEEMED, object="token:code", actor="relying_party:rp_1")


@pytest.mark.parametrize("reference", [POP, "CODE-0000-0001", REDEEMED])
def test_launch_is_traced_from_the_pop_to_the_exchange_of_its_code(launched, trace, reference):
    found = trace(reference)

    assert steps_of(found) == [
        "The phone system opened the address of the call",
        "Allowed: agent, group and client were checked",
        "Login issued: it works once, for 60 seconds",
        "Demo AWS was asked to begin a sign-in",
        "Demo AWS began the sign-in",
        "Allowed: agent, group and client were checked",
        "Login issued: it works once, for 60 seconds",
        "Sent back to Demo AWS, with a code",
        "Login redeemed at Demo AWS",
    ]
    assert (found.summary, found.state) == ("alice was in demoaws after 0.8 s.", "done")


def test_sign_in_that_the_client_began_is_no_call(put, trace):
    put(0, "login.issue", "CODE-0000-0002", object="token:code", details={"kind": "code"})

    assert steps_of(trace("CODE-0000-0002"))[0] == "Demo AWS asked for a sign-in"


def test_signed_login_waits_for_nobody(put, trace):
    put(0, "login.issue", POP, object=TOKEN, details={"kind": "signed"})

    found = trace(POP)

    assert steps_of(found)[-1] == "Sent on to Demo AWS, by a form that sends itself"
    assert found.state == "done"
