"""Agents' second factor: passkeys, shown after the password."""

import json
import tracemalloc
from contextlib import suppress

import pytest
from django.conf import settings
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts.models import Event
from groups.models import AgentPasskey, AgentSession
from groups.passkeys import MOST, NotAccepted, creation_options, enrol, request_options, take
from tests import factories
from tests.factories import PASSWORD
from tests.security_key import FLAG, SecurityKey

pytestmark = pytest.mark.django_db
PAGE = "/sso/second-factor"


@pytest.fixture
def demanding(group):
    group.needs_second_factor = True
    group.save()
    return group


@pytest.fixture
def key(agent):
    """Alice's security key, which counts."""
    key = SecurityKey(counter=7)
    factories.AgentPasskeyFactory(agent=agent, key=key)
    return key


@pytest.fixture
def type_password(client, group):
    """Type the password at the door, in this browser or another; what the page after it asks of the passkey."""

    def type_password(*, username: str = "alice", browser=client):
        fields = {"username": username, "password": PASSWORD}
        browser.post(f"/sso/sign-in?group={group.pk}", fields)
        return browser.get(f"{PAGE}?group={group.pk}").context["passkey_options"]

    return type_password


@pytest.fixture
def answer(client, group):
    """Send what a passkey says; the answer of the page."""

    def answer(passkey: str, *, browser=client, **more: str):
        return browser.post(f"{PAGE}?group={group.pk}", {"passkey": passkey} | more)

    return answer


def is_signed_in(response) -> bool:
    return response.status_code == 303 and settings.AGENT_COOKIE_NAME in response.cookies


def why_refused() -> str:
    return Event.objects.filter(action="agent.second_factor").latest("pk").details["why"]


# --- Setting one up ------------------------------------------------------------------------------------------------


def test_set_up_signs_in_and_keeps_the_public_half(demanding, agent, type_password, answer):
    key = SecurityKey(counter=3)

    assert is_signed_in(answer(key.make(type_password()), name="Blue key"))

    kept = AgentPasskey.objects.get(agent=agent)
    assert (kept.name, kept.sign_count, kept.public_half) == ("Blue key", 3, key.public_half)
    event = Event.objects.get(action="agent.enrol_factor", agent=agent.subject)
    assert event.details == {"factor": "passkey", "name": "Blue key"}


def test_nobody_can_sign_in_by_a_passkey_alone(demanding, agent, type_password):
    asked = type_password()["publicKey"]

    assert asked["authenticatorSelection"]["residentKey"] == "discouraged"
    assert asked["user"]["id"] == websafe_encode(agent.subject.encode())


def test_passkey_of_another_agent_is_not_taken(demanding, agent, type_password, answer):
    key = SecurityKey()
    factories.AgentPasskeyFactory(agent=factories.AgentFactory(), key=key)

    response = answer(key.make(type_password()))

    assert "This passkey was not accepted" in response.content.decode()
    assert why_refused() == "passkey taken"
    assert not agent.passkeys.exists()


def test_answer_for_another_sign_in_sets_nothing_up(demanding, agent, type_password, answer):
    made = SecurityKey().make(type_password())
    type_password()

    assert not is_signed_in(answer(made))
    assert not AgentPasskey.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": FLAG(0)}]
)
def test_set_up_elsewhere_or_without_a_person_is_refused(demanding, agent, type_password, answer, wrong):
    assert not is_signed_in(answer(SecurityKey(**wrong).make(type_password())))
    assert not AgentPasskey.objects.exists()


def test_whoever_has_one_cannot_set_up_another_with_the_password_alone(key, agent, type_password, answer):
    assert not is_signed_in(answer(SecurityKey().make(type_password())))
    assert agent.passkeys.count() == 1


def test_there_may_be_five(agent):
    for _ in range(MOST):
        factories.AgentPasskeyFactory(agent=agent)
    made = SecurityKey().make({"publicKey": {"challenge": websafe_encode(b"x" * 32)}})

    with pytest.raises(NotAccepted):
        enrol(agent, json.loads(made), nonce="n", name="Sixth")


# --- Showing it ----------------------------------------------------------------------------------------------------


def test_passkey_signs_in(key, type_password, answer):
    asked = type_password()

    assert [each["id"] for each in asked["publicKey"]["allowCredentials"]] == [
        websafe_encode(key.credential_id)
    ]
    assert is_signed_in(answer(key.show(asked)))
    assert AgentSession.objects.get().methods == ["pwd", "hwk", "mfa"]
    assert AgentPasskey.objects.get().sign_count == 8


def test_passkey_that_a_cloud_may_keep_is_software_and_does_not_count(agent, type_password, answer):
    key = SecurityKey(flags=FLAG.UP | FLAG.UV | FLAG.BE | FLAG.BS)
    factories.AgentPasskeyFactory(agent=agent, key=key)

    assert is_signed_in(answer(key.show(type_password())))
    assert AgentSession.objects.get().methods == ["pwd", "swk", "mfa"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example:8000"},
        {"rp_id": "evil.example"},
        {"flags": FLAG(0)},
        {"private": SecurityKey().private},
    ],
)
def test_what_was_signed_elsewhere_or_by_another_key_is_refused(key, type_password, answer, wrong):
    for name, value in wrong.items():
        setattr(key, name, value)

    response = answer(key.show(type_password()))

    assert "This passkey was not accepted" in response.content.decode()
    event = Event.objects.get(action="agent.second_factor")
    assert (event.outcome, event.reason, event.details["why"]) == (
        "refused",
        "wrong_passkey",
        "wrong passkey",
    )
    assert not AgentSession.objects.exists()


def test_challenge_of_another_sign_in_is_refused(key, type_password, answer):
    shown = key.show(type_password())
    type_password()

    assert not is_signed_in(answer(shown))


def test_passkey_of_another_agent_is_refused(key, group, type_password, answer):
    theirs = SecurityKey()
    factories.AgentPasskeyFactory(agent=factories.AgentFactory(group=group), key=theirs)

    assert not is_signed_in(answer(theirs.show(type_password())))
    assert not AgentSession.objects.exists()


def test_answer_that_names_another_person_is_refused(key, type_password, answer):
    assert not is_signed_in(answer(key.show(type_password(), userHandle=b"somebody else")))


def test_copy_that_counts_behind_is_refused_and_recorded(key, agent, type_password, answer):
    AgentPasskey.objects.update(sign_count=8)

    assert not is_signed_in(answer(key.show(type_password())))  # says 8 too
    assert why_refused() == "passkey copied"


def test_passkey_that_counted_may_not_stop_counting(key, type_password, answer):
    key.counter = 0

    assert not is_signed_in(answer(key.show(type_password())))
    assert why_refused() == "passkey copied"


def test_same_answer_serves_once_even_if_nothing_counts(agent, type_password, answer, client):
    key = SecurityKey()
    factories.AgentPasskeyFactory(agent=agent, key=key)
    shown = key.show(type_password())
    pending = client.cookies[settings.PENDING_COOKIE_NAME].value
    assert is_signed_in(answer(shown))

    client.cookies.clear()
    client.cookies[settings.PENDING_COOKIE_NAME] = pending

    assert answer(shown)["Location"].startswith("/sso/sign-in")
    assert AgentSession.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_same_answer_at_once_on_many_nodes_signs_in_once(agent, type_password, client, group, at_once):
    key = SecurityKey()
    factories.AgentPasskeyFactory(agent=agent, key=key)
    shown, pending = key.show(type_password()), client.cookies[settings.PENDING_COOKIE_NAME].value

    def replay() -> bool:
        browser = type(client)(HTTP_HOST="localhost:8000")
        browser.cookies[settings.PENDING_COOKIE_NAME] = pending
        return is_signed_in(browser.post(f"{PAGE}?group={group.pk}", {"passkey": shown}))

    assert sorted(at_once(4, replay)) == [False, False, False, True]


def test_answer_after_ten_minutes_leads_back_to_sign_in(key, type_password, answer, still_clock):
    shown = key.show(type_password())
    still_clock.shift(601)

    assert answer(shown)["Location"].startswith("/sso/sign-in")


def test_right_passkey_is_refused_after_five_wrong_ones_alike(key, type_password, answer):
    asked = type_password()
    for _ in range(5):
        wrong = answer(SecurityKey().show(asked))

    right = answer(key.show(asked))

    assert not is_signed_in(right)
    assert why_refused() == "factor locked"
    assert right.content.decode().count("was not accepted") == wrong.content.decode().count(
        "was not accepted"
    )


def test_whoever_has_both_may_show_either(key, agent, type_password, client, group):
    factories.AgentFactorFactory(agent=agent)
    type_password()

    page = client.get(f"{PAGE}?group={group.pk}").content.decode()

    assert "Use your passkey" in page
    assert 'name="code"' in page


def test_code_is_no_way_in_for_whoever_has_passkeys_alone(key, type_password, client, group):
    type_password()

    assert client.post(f"{PAGE}?group={group.pk}", {"code": "000000"}).status_code == 200
    assert not AgentSession.objects.exists()


def test_page_says_that_passkeys_need_javascript(key, type_password, client, group):
    type_password()

    assert "Passkeys need JavaScript" in client.get(f"{PAGE}?group={group.pk}").content.decode()


def test_unlocking_keeps_what_was_shown(key, type_password, answer, client, group):
    answer(key.show(type_password()))
    AgentSession.objects.update(idle_at="2020-01-01T00:00:00Z")

    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": PASSWORD})

    assert AgentSession.objects.get(ended_at=None).methods == ["pwd", "hwk", "mfa"]


# --- Whatever else is sent -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.binary(max_size=80).map(websafe_encode),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FEW = examples(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def with_noise(answer: str, field: str, noise) -> dict:
    """The answer with one of its fields replaced; with a number, by itself with one bit flipped."""
    read = json.loads(answer)
    if isinstance(noise, int):
        bits = bytearray(websafe_decode(read["response"][field]))
        bits[noise // 8 % len(bits)] ^= 1 << noise % 8
        noise = websafe_encode(bytes(bits))
    return read | {"response": read["response"] | {field: noise}}


@FEW
@given(field=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]), noise=JSON)
def test_answer_of_which_a_bit_is_wrong_is_not_accepted(agent, key, field, noise):
    answer = with_noise(key.show(request_options(agent, nonce="n")), field, noise)

    with pytest.raises(NotAccepted):
        take(agent, answer, nonce="n")


@FEW
@given(field=st.sampled_from(["clientDataJSON", "attestationObject"]), noise=JSON)
def test_set_up_of_which_a_bit_is_wrong_is_refused_or_makes_a_key_that_can_be_read(agent, field, noise):
    answer = with_noise(SecurityKey().make(creation_options(agent, nonce="n")), field, noise)

    with suppress(NotAccepted):  # there are bits that nobody vouches for
        assert enrol(agent, answer, nonce="n", name="").public_half.public_key


@FEW
@given(answer=st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "x"]), JSON))
def test_noise_is_not_accepted(agent, key, answer):
    with pytest.raises(NotAccepted):
        take(agent, answer, nonce="n")
    with pytest.raises(NotAccepted):
        enrol(agent, answer, nonce="n", name="")


@pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "attestationObject"])
def test_number_is_not_taken_for_a_length(agent, key, field):
    shown = json.loads(key.show(request_options(agent, nonce="n")))
    made = json.loads(SecurityKey().make(creation_options(agent, nonce="n")))
    tracemalloc.start()

    with pytest.raises(NotAccepted):
        take(agent, shown | {"response": shown["response"] | {field: 10**9}}, nonce="n")
    with pytest.raises(NotAccepted):
        enrol(agent, made | {"response": made["response"] | {field: 10**9}}, nonce="n", name="")

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000  # bytes


@pytest.mark.parametrize(
    "passkey", ["", "{", "[]", "null", '"x"', "[" * 9000, '{"\\ud800": "\\ud800"}', "{}"]
)
def test_what_is_no_answer_is_refused_on_the_page(key, type_password, answer, passkey):
    type_password()

    response = answer(passkey)

    assert response.status_code == 200
    assert "This passkey was not accepted" in response.content.decode()
