"""An agent's own page on his second factors."""

import json
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from accounts.models import Event
from groups import passkeys
from groups.changing_factors import add_factor, nonce_of
from groups.models import AgentFactor, AgentPasskey, AgentSession
from groups.second_factors import Shown
from groups.standing import remove_factors
from sso_portal.lib.refusals import Refused
from tests import factories
from tests.security_key import SecurityKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(agent):
    return factories.AgentPasskeyFactory(agent=agent)


@pytest.fixture
def session(agent):
    """A session of Alice's that began with a passkey, just now."""
    return factories.AgentSessionFactory(agent=agent, secret="as_alice", methods=["pwd", "hwk", "mfa"])


@pytest.fixture
def page(client, session, group):
    """Her page; what is sent to it."""
    client.cookies[settings.AGENT_COOKIE_NAME] = "as_alice"
    address = f"/sso/second-factors?group={group.pk}"

    def page(**sent: str):
        return client.post(address, sent) if sent else client.get(address)

    return page


@pytest.fixture
def stale(session):
    """Her session began an hour ago."""
    AgentSession.objects.update(started_at="2026-01-01T00:00:00Z")


def test_shows_what_there_is(key, page):
    assert "Blue key" in page().content.decode()


def test_without_a_session_leads_to_sign_in(client, group):
    response = client.get(f"/sso/second-factors?group={group.pk}")

    assert response["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")


def test_second_passkey_is_added(key, page, agent):
    another = SecurityKey()

    response = page(passkey=another.make(page().context["passkey_options"]), name="Spare")

    assert response.status_code == 303
    assert [row.name for row in agent.passkeys.order_by("pk")] == ["Blue key", "Spare"]
    assert Event.objects.get(action="agent.enrol_factor").details == {"factor": "passkey", "name": "Spare"}


def test_app_is_added(key, page, agent, still_clock):
    secret = page().context["secret"]

    page(code=format_hotp_value(hotp_value(secret, int(time.time()) // 30)))

    assert AgentFactor.objects.filter(agent=agent).exists()


def test_wrong_code_adds_nothing(key, page):
    assert "This code is not right" in page(code="000000").content.decode()
    assert not AgentFactor.objects.exists()
    assert Event.objects.get(action="agent.enrol_factor").outcome == "refused"


def test_passkeys_that_there_are_are_not_offered_again(key, page):
    excluded = page().context["passkey_options"]["publicKey"]["excludeCredentials"]

    assert len(excluded) == 1


def test_one_of_two_is_removed(key, page, agent):
    spare = factories.AgentPasskeyFactory(agent=agent)

    page(remove=f"passkey-{key.pk}")

    assert agent.passkeys.get() == spare
    assert Event.objects.get(action="agent.remove_factor").actor == f"agent:{agent.subject}"


def test_last_one_stays_where_the_group_demands_one(key, page, agent, group):
    group.needs_second_factor = True
    group.save()

    response = page(remove=f"passkey-{key.pk}")

    assert response.status_code == 409
    assert agent.passkeys.exists()
    assert 'name="remove"' not in page().content.decode()


def test_another_agents_is_not_removed(key, page, group):
    theirs = factories.AgentPasskeyFactory(agent=factories.AgentFactory(group=group))

    page(remove=f"passkey-{theirs.pk}")

    assert AgentPasskey.objects.filter(pk=theirs.pk).exists()


def test_an_hour_later_nothing_changes_before_signing_in_again(key, stale, page, agent, group):
    spare = factories.AgentPasskeyFactory(agent=agent)

    assert page(remove=f"passkey-{spare.pk}").status_code == 303

    assert agent.passkeys.count() == 2
    assert page().context["sign_in_url"].startswith(f"/sso/sign-in?group={group.pk}&to=")
    assert "passkey_options" not in page().context


def test_password_that_unlocked_is_not_enough(key, session, page):
    AgentSession.objects.update(started_at=Now(), factor_shown_at="2026-01-01T00:00:00Z")

    assert "passkey_options" not in page().context


def test_session_that_began_by_password_alone_changes_nothing(session, page, agent):
    AgentSession.objects.update(methods=["pwd"])
    made = SecurityKey().make({"publicKey": {"challenge": "AAAA"}})

    assert page(passkey=made).status_code == 303
    assert not agent.passkeys.exists()


def test_removed_app_is_never_proposed_again(key, page, agent, still_clock):
    secret = page().context["secret"]
    page(code=format_hotp_value(hotp_value(secret, int(time.time()) // 30)))

    page(remove=f"app-{AgentFactor.objects.get().pk}")

    assert page().context["secret"] != secret


def test_removal_ends_the_other_sessions(key, session, page, agent):
    other = factories.AgentSessionFactory(agent=agent)

    page(remove=f"passkey-{key.pk}")

    assert not AgentSession.objects.open().filter(pk=other.pk).exists()
    assert AgentSession.objects.open().get() == session


def test_session_that_ended_meanwhile_adds_nothing(key, session, agent, caller):
    held = AgentSession.objects.annotate(now=ExpressionWrapper(Now(), output_field=DateTimeField())).get()
    remove_factors(agent, by="test", caller=caller)
    asked = passkeys.creation_options(agent, nonce=nonce_of(held, agent))

    with pytest.raises(Refused):
        add_factor(held, Shown(passkey=json.loads(SecurityKey().make(asked)), name="Stolen"), caller=caller)

    assert not agent.passkeys.exists()
