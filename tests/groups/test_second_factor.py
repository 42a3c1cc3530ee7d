"""Agents' second factor: the code of an authenticator app."""

import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings

from accounts.models import Event
from groups.models import AgentFactor, AgentSession
from groups.standing import give_activation_code, remove_factors, unlock
from sso_portal.lib.encryption import decrypt, encrypt
from tests.factories import PASSWORD, TOTP_SECRET

pytestmark = pytest.mark.django_db


def code_of(secret: str, *, steps: int = 0) -> str:
    """The app's code of now, or of so many half minutes away."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


@pytest.fixture(autouse=True)
def _still(time_machine):
    """The clock stands still, or a code might be over before it is typed."""
    time_machine.move_to(time.time(), tick=False)


@pytest.fixture
def app(agent):
    """Alice's authenticator app; its secret is `TOTP_SECRET`."""
    return AgentFactor.objects.create(agent=agent, secret=encrypt(TOTP_SECRET))


@pytest.fixture
def demanding(group):
    group.needs_second_factor = True
    group.save()
    return group


@pytest.fixture
def type_password(client, group, agent):
    """Type Alice's password at the door; the answer."""

    def type_password(password: str = PASSWORD):
        return client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": password})

    return type_password


@pytest.fixture
def type_code(client, group):
    def type_code(code: str):
        return client.post(f"/sso/second-factor?group={group.pk}", {"code": code})

    return type_code


def test_password_alone_is_enough_without_one(type_password):
    assert settings.AGENT_COOKIE_NAME in type_password().cookies


def test_password_of_an_agent_with_an_app_leads_to_the_code(app, type_password, group):
    response = type_password()

    assert response["Location"] == f"/sso/second-factor?group={group.pk}"
    assert settings.AGENT_COOKIE_NAME not in response.cookies
    assert not AgentSession.objects.exists()


def test_right_code_signs_in(app, type_password, type_code, group):
    type_password()

    response = type_code(code_of(TOTP_SECRET))

    assert response["Location"] == f"/sso/group?group={group.pk}"
    assert AgentSession.objects.get().methods == ["pwd", "mfa"]


@pytest.mark.parametrize("steps", [-1, 1])
def test_clock_may_be_half_a_minute_off(app, type_password, type_code, steps):
    type_password()

    assert type_code(code_of(TOTP_SECRET, steps=steps)).status_code == 303


@pytest.mark.parametrize("steps", [-2, 2])
def test_clock_may_not_be_a_minute_off(app, type_password, type_code, steps):
    type_password()

    assert type_code(code_of(TOTP_SECRET, steps=steps)).status_code == 200


def test_code_may_be_typed_with_a_space(app, type_password, type_code):
    type_password()
    code = code_of(TOTP_SECRET)

    assert type_code(f"{code[:3]} {code[3:]}").status_code == 303


def test_wrong_code_asks_again_and_is_recorded(app, type_password, type_code, agent):
    type_password()

    response = type_code("000000")

    assert "This code is not right" in response.content.decode()
    event = Event.objects.get(action="agent.second_factor")
    assert (event.outcome, event.reason, event.agent) == ("refused", "wrong_code", agent.subject)
    assert not AgentSession.objects.exists()


def test_code_is_taken_once(app, type_password, type_code, client):
    type_password()
    type_code(code_of(TOTP_SECRET))
    client.cookies.clear()  # another browser
    type_password()

    assert type_code(code_of(TOTP_SECRET)).status_code == 200


def test_right_code_is_refused_after_five_wrong_ones(app, type_password, type_code):
    type_password()
    for _ in range(5):
        type_code("000000")

    response = type_code(code_of(TOTP_SECRET))

    assert "This code is not right" in response.content.decode()
    assert Event.objects.filter(action="agent.second_factor").latest("pk").details == {"why": "factor locked"}


def test_wrong_codes_do_not_lock_the_password(app, type_password, type_code, group):
    type_password()
    for _ in range(6):
        type_code("000000")

    assert type_password()["Location"].startswith("/sso/second-factor")


def test_code_page_without_a_password_leads_to_sign_in(app, client, group):
    response = client.get(f"/sso/second-factor?group={group.pk}")

    assert response["Location"] == f"/sso/sign-in?group={group.pk}"


def test_target_is_kept_through_the_code(app, client, group, entitlement):
    to_sign_in = client.get(f"/sso/group/demoaws?group={group.pk}&cid=%2B12125550142")["Location"]

    to_code = client.post(to_sign_in, {"username": "alice", "password": PASSWORD})["Location"]

    page = client.get(to_code).content.decode()
    assert "Next: Demo AWS" in page
    assert client.post(to_code, {"code": code_of(TOTP_SECRET)})["Location"].startswith("/sso/group/demoaws?")


def test_group_that_demands_one_asks_to_set_it_up(demanding, type_password, client):
    page = client.get(type_password()["Location"]).content.decode()

    assert "<svg" in page
    assert "Set up a second factor" in page


def proposed(client, group) -> str:
    return client.get(f"/sso/second-factor?group={group.pk}").context["secret"]


def test_setting_it_up_signs_in_and_keeps_the_secret_encrypted(
    demanding, type_password, type_code, client, group, agent
):
    type_password()
    secret = proposed(client, group)

    assert type_code(code_of(secret)).status_code == 303

    factor = AgentFactor.objects.get(agent=agent)
    assert secret not in factor.secret
    assert decrypt(factor.secret) == secret
    assert Event.objects.filter(action="agent.enrol_factor", agent=agent.subject).exists()


def test_proposed_secret_stays_the_same_when_the_page_is_loaded_again(
    demanding, type_password, client, group
):
    type_password()

    assert proposed(client, group) == proposed(client, group)


def test_proposed_secret_is_another_at_the_next_sign_in(demanding, type_password, client, group):
    type_password()
    first = proposed(client, group)
    type_password()

    assert proposed(client, group) != first


def test_set_up_with_a_wrong_code_keeps_nothing(demanding, type_password, type_code):
    type_password()
    type_code("000000")

    assert not AgentFactor.objects.exists()


def test_app_is_not_replaced_by_another_proposal(demanding, app, type_password, type_code, client, group):
    """Whoever has the password alone cannot bring an app of his own."""
    type_password()

    assert "secret" not in client.get(f"/sso/second-factor?group={group.pk}").context


def test_unlocking_asks_for_the_password_alone(app, type_password, type_code, client, group):
    type_password()
    type_code(code_of(TOTP_SECRET))
    AgentSession.objects.update(idle_at="2020-01-01T00:00:00Z")

    response = type_password()

    assert response["Location"] == f"/sso/group?group={group.pk}"
    assert AgentSession.objects.get(ended_at=None).methods == ["pwd", "mfa"]


def test_signing_in_again_while_signed_in_asks_for_the_code(app, type_password, type_code, time_machine):
    type_password()
    type_code(code_of(TOTP_SECRET))
    session = AgentSession.objects.get()

    assert type_password()["Location"].startswith("/sso/second-factor")
    session.refresh_from_db()
    assert session.ended_at is None

    type_code(code_of(TOTP_SECRET, steps=1))
    assert AgentSession.objects.get(ended_at=None).sid == session.sid


def test_session_without_the_factor_does_not_unlock_once_the_group_demands_one(type_password, group, client):
    type_password()
    AgentSession.objects.update(idle_at="2020-01-01T00:00:00Z")
    group.needs_second_factor = True
    group.save()

    assert type_password()["Location"].startswith("/sso/second-factor")


def test_session_whose_factor_is_gone_does_not_unlock(app, demanding, type_password, type_code):
    type_password()
    type_code(code_of(TOTP_SECRET))
    AgentSession.objects.update(idle_at="2020-01-01T00:00:00Z")
    app.delete()

    assert type_password()["Location"].startswith("/sso/second-factor")


def test_removed_factor_voids_a_proof_that_waits_for_it(app, type_password, client, agent, caller):
    page = type_password()["Location"]

    remove_factors(agent, by="test", caller=caller)

    assert client.get(page)["Location"].startswith("/sso/sign-in")


def test_proof_of_the_password_chooses_no_new_one(app, type_password, client, group):
    type_password()

    response = client.get(f"/sso/password?group={group.pk}")

    assert response["Location"] == f"/sso/sign-in?group={group.pk}"


def test_proof_by_an_activation_code_shows_no_factor(demanding, client, group, agent, caller):
    code = give_activation_code(agent, by="test", caller=caller)
    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": code})

    response = client.get(f"/sso/second-factor?group={group.pk}")

    assert response["Location"] == f"/sso/sign-in?group={group.pk}"


def test_first_password_leads_to_setting_it_up(demanding, client, group, agent, caller):
    code = give_activation_code(agent, by="test", caller=caller)
    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": code})
    chosen = {"new_password": "walnut-ferry-clarinet", "repeated": "walnut-ferry-clarinet"}

    response = client.post(f"/sso/password?group={group.pk}", chosen)

    assert response["Location"] == f"/sso/second-factor?group={group.pk}"
    assert client.get(response["Location"]).status_code == 200


def test_unlocking_an_agent_forgets_his_wrong_codes(app, type_password, type_code, agent, caller):
    type_password()
    for _ in range(5):
        type_code("000000")

    unlock(agent, by="test", caller=caller)

    assert type_code(code_of(TOTP_SECRET)).status_code == 303


def test_unlocking_by_password_does_not_prolong_what_the_factor_opened(app, type_password, type_code):
    type_password()
    type_code(code_of(TOTP_SECRET))
    AgentSession.objects.update(idle_at="2020-01-01T00:00:00Z")
    ends_at = AgentSession.objects.get().ends_at

    type_password()

    assert AgentSession.objects.get(ended_at=None).ends_at == ends_at


def test_longest_names_fit_into_the_picture(demanding, type_password, client, group, agent):
    group.name = "客" * 200
    group.save()

    assert client.get(type_password()["Location"]).status_code == 200
