"""The pop (wire.md, section 1) of an agent who is signed in; its limit, and what it notes."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import Event, Outcome
from groups import models as groups
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.pop.popping import HOSTILE, nothing_minted
from tokens.models import Kind, LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- Signed in -------------------------------------------------------------------------------------------------------


def test_pop_goes_to_the_clients_login_address_with_a_token(pop):
    response = pop(did="+15550100")

    address, _, query = response.headers["Location"].partition("?token=")
    assert response.status_code == 303
    assert address == "https://demoaws.crm.example/login"
    assert LoginToken.objects.get().digest == digest_of(query)


def test_pop_is_never_stored_and_tells_no_referrer(pop):
    response = pop()

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_pop_sets_no_cookie(pop):
    assert not pop().cookies


def test_pop_issues_a_hand_off_of_this_session(pop, session, agent, group, client_company):
    pop()

    token = LoginToken.objects.get()
    assert (token.kind, token.session, token.platform_key) == (Kind.HAND_OFF, session, None)
    assert (token.agent, token.group, token.client) == (agent, group, client_company)
    assert (token.departments, token.campaigns) == (None, None)


def test_pop_carries_the_call(pop):
    pop(did="+15550100", cid="+15550199", call_id="c/7 ü", campaign_id="2", destination="crm:home")

    token = LoginToken.objects.get()
    assert (token.did, token.cid, token.call_id) == ("+15550100", "+15550199", "c/7 ü")
    assert (token.campaign_id, token.destination) == ("2", "crm:home")


def test_pop_writes_one_event(pop, agent, group):
    response = pop(did="+15550100")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.door) == ("login.issue", Outcome.OK, "agents")
    assert (event.actor, event.group_id, event.client) == (f"agent:{agent.subject}", group.pk, "demoaws")
    assert event.reference == response.headers["X-Request-Id"]
    assert event.details["call"] == {"did": "0100"}


def test_pop_names_the_session_in_the_event(pop, session):
    pop()

    assert Event.objects.get().details["session"] == session.sid


def test_pop_twice_mints_two_tokens(pop):
    assert pop().headers["Location"] != pop().headers["Location"]
    assert LoginToken.objects.count() == 2


def test_pop_tolerates_a_trailing_slash(pop):
    assert pop("demoaws/").headers["Location"].startswith("https://demoaws.crm.example/login?token=")


def test_pop_of_a_subdomain_in_capitals_works(pop):
    assert pop("DemoAWS").headers["Location"].startswith("https://demoaws.crm.example/login?token=")


def test_pop_with_leading_zeros_in_the_group_works(pop, group):
    assert pop(group=f"{group.pk:09}").status_code == 303


def test_pop_with_unknown_parameters_ignores_them(pop):
    response = pop(redirect="https://evil.example/", next="//evil.example", login_url="https://evil.example/")

    assert response.headers["Location"].startswith("https://demoaws.crm.example/login?token=")


def test_pop_with_a_hostile_host_header_is_refused(signed_in, group):
    response = signed_in.get("/sso/group/demoaws", {"group": group.pk}, headers={"Host": "evil.example"})

    assert response.status_code == 421
    assert nothing_minted()


def test_pop_at_a_clients_host_name_is_not_served(signed_in, group):
    response = signed_in.get(
        "/sso/group/demoaws", {"group": group.pk}, headers={"Host": "demoaws.localhost:8000"}
    )

    assert response.status_code == 404
    assert nothing_minted()


# --- The limit -------------------------------------------------------------------------------------------------------


@pytest.fixture
def mint(agent, session, client_company):
    """Tokens of this session, issued a moment ago."""

    def mint_some(number: int, **fields) -> None:
        made = {"agent": agent, "client": client_company, "session": session} | fields
        LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(number, **made))

    return mint_some


def test_pop_sixty_one_in_a_minute_is_asked_to_wait(pop, mint):
    mint(60)

    response = pop()

    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert LoginToken.objects.count() == 60


def test_pop_sixty_in_a_minute_enters(pop, mint):
    mint(59)

    assert pop().status_code == 303


def test_pop_after_the_minute_enters(pop, mint):
    mint(60)
    a_minute = timedelta(seconds=61)
    LoginToken.objects.update(issued_at=F("issued_at") - a_minute, expires_at=F("expires_at") - a_minute)

    assert pop().status_code == 303


def test_pop_is_not_stopped_by_another_session_of_the_agent(pop, mint, agent):
    mint(60, session=factories.AgentSessionFactory(agent=agent))

    assert pop().status_code == 303


def test_pop_without_rate_limits_is_never_asked_to_wait(pop, mint, settings):
    settings.RATE_LIMITS = False
    mint(60)

    assert pop().status_code == 303


# --- Last seen -------------------------------------------------------------------------------------------------------


def seen_ago(session, seconds: int):
    """Let the session have been used last so many seconds ago."""
    groups.AgentSession.objects.filter(pk=session.pk).update(
        last_seen_at=timezone.now() - timedelta(seconds=seconds),
        idle_at=timezone.now() + timedelta(minutes=20),
    )
    session.refresh_from_db()
    return session.last_seen_at, session.idle_at


def test_pop_within_a_minute_does_not_note_the_session(pop, session):
    before = seen_ago(session, 50)

    pop()

    session.refresh_from_db()
    assert (session.last_seen_at, session.idle_at) == before


def test_pop_after_a_minute_notes_the_session(pop, session):
    last_seen_at, idle_at = seen_ago(session, 61)

    pop()

    session.refresh_from_db()
    assert session.last_seen_at - last_seen_at >= timedelta(seconds=60)
    assert session.idle_at - idle_at > timedelta(minutes=9)


def test_pop_notes_the_session_for_as_long_as_the_group_allows(pop, session, group):
    groups.Group.objects.filter(pk=group.pk).update(idle_minutes=5)
    seen_ago(session, 61)

    pop()

    session.refresh_from_db()
    assert session.idle_at - session.last_seen_at == timedelta(minutes=5)


def test_pop_with_hostile_values_reaches_the_token_as_text(pop):
    pop(call_id=HOSTILE)

    assert LoginToken.objects.get().call_id == HOSTILE


def test_pop_query_is_read_as_it_was_encoded(signed_in, group):
    signed_in.get(f"/sso/group/demoaws?{urlencode({'group': group.pk, 'call_id': 'a&b=c;d#e'})}")

    assert LoginToken.objects.get().call_id == "a&b=c;d#e"
