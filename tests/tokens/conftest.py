"""What the tests of logins share: browsers, Alice's session, and a login that was issued."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from groups.destinations import CLIENT_AREA
from groups.entering import Entry, client_at, entry_of, with_entry
from groups.models import Agent, AgentSession
from sso_portal.lib.secrets import new_secret
from tests import factories
from tests.conftest import PORTAL
from tokens.functions import Function
from tokens.issuing import CallContext, IssuedLogin, issue
from tokens.issuing_to_people import create_sso_token
from tokens.models import Kind


@pytest.fixture
def alices_secret() -> str:
    """What Alice's cookie holds."""
    return new_secret("as_")


@pytest.fixture
def session(agent, alices_secret) -> AgentSession:
    """Alice's live session."""
    return factories.AgentSessionFactory(agent=agent, secret=alices_secret)


@pytest.fixture
def signed_in(client, session, alices_secret) -> Client:
    """Alice's browser."""
    client.cookies[settings.AGENT_COOKIE_NAME] = alices_secret
    return client


@pytest.fixture
def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done at once, as on SQLite."""
    monkeypatch.setattr(Function, "did", lambda self, *given: None)


@pytest.fixture
def entry(agent, entitlement) -> Entry:
    """Alice before demoaws' door."""
    row = with_entry(Agent.objects.filter(pk=agent.pk), client=client_at("demoaws"), grant=True).get()
    return entry_of(row, agent=row, asked="demoaws")


@pytest.fixture
def issue_to_alice(entry, caller) -> Callable[..., IssuedLogin]:
    """Issue a login to Alice; whatever the test does not say is usual."""

    def issue_one(**changed) -> IssuedLogin:
        usual = {
            "kind": Kind.HAND_OFF,
            "actor": "test",
            "caller": caller,
            "call": CallContext(did="+15550100"),
        }
        return issue(entry, **usual | changed)

    return issue_one


@pytest.fixture
def issued(issue_to_alice) -> IssuedLogin:
    """A login that waits to be redeemed by demoaws' CRM."""
    return issue_to_alice()


# --- Client companies' own people ------------------------------------------------------------------------------------


@pytest.fixture
def person(client_company):
    """Petra, of demoaws."""
    return factories.ClientPersonFactory(client=client_company, email="petra@demoaws.example")


@pytest.fixture
def give_entrance(caller):
    """Give a person an entrance; its secret."""

    def give(person, place=CLIENT_AREA):
        return create_sso_token(person, place=place, by="test", caller=caller).secret

    return give


@pytest.fixture
def petras_secret() -> str:
    """What Petra's cookie holds."""
    return new_secret("cs_")


@pytest.fixture
def petras_session(person, petras_secret):
    """Petra's live session."""
    return factories.ClientSessionFactory(person=person, secret=petras_secret)


@pytest.fixture
def petra(petras_session, petras_secret) -> Client:
    """Petra's browser. (One of its own: `client` may be Alice's.)"""
    browser = Client(HTTP_HOST=PORTAL)
    browser.cookies[settings.CLIENT_COOKIE_NAME] = petras_secret
    return browser
