"""Simulated calls: each step as a real pop would go, and nothing done."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import lockout
from accounts.models import Event
from groups.models import AgentStatus, Client, HandOff
from tests import factories
from tokens.dialects.native import told
from tokens.issuing import CallContext
from tokens.logins import login_of
from tokens.models import LoginToken, RelyingParty, RelyingPartySecret
from tokens.redeeming import redeem
from tokens.simulating import Call, simulate

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(group):
    """Simulate a call to Alice for demoaws; whatever the test does not say is usual."""

    def simulate_one(username="alice", subdomain="demoaws", **values):
        given = {name: values.get(name, "") for name in CallContext._fields}
        return simulate(Call(username, subdomain, given), group=group)

    return simulate_one


def outcomes(simulation):
    return {step.key: str(step.outcome) for step in simulation.steps}


def step(simulation, key):
    return next(step for step in simulation.steps if step.key == key)


@pytest.mark.usefixtures("agent", "entitlement", "relying_party", "session")
def test_call_of_a_signed_in_agent_goes_all_the_way(call):
    simulation = call(did="18005550100")
    assert set(outcomes(simulation).values()) == {"ok"}
    assert simulation.stopped_at is None


@pytest.mark.usefixtures("agent", "entitlement")
def test_simulation_does_nothing(call):
    call()
    assert not LoginToken.objects.exists()
    assert not Event.objects.exists()


def test_claims_are_what_a_redemption_tells(call, issued, session, relying_party, caller):
    LoginToken.objects.update(session=session)
    redemption = redeem(issued.secret, relying_party=relying_party, caller=caller)
    real = told(login_of(redemption), redemption.token.issued_at, audience="rp_…")
    simulated = call(did="+15550100").claims
    assert simulated | {"issued_at": 0} == real | {"issued_at": 0}


@pytest.mark.usefixtures("agent", "entitlement")
def test_agent_who_is_not_signed_in_gets_the_page_first(call):
    simulation = call()
    assert step(simulation, "session").outcome == "note"
    assert simulation.claims["amr"] == ["pwd"]


def test_agent_without_a_password_needs_a_code(call, group, entitlement):
    factories.AgentFactory(group=group, username="new", password="")
    assert "activation code" in step(call("new"), "session").note


def test_idle_session_is_no_session(call, session, entitlement):
    session.idle_at = timezone.now()
    session.save()
    assert step(call(), "session").outcome == "note"


@pytest.mark.usefixtures("agent", "entitlement")
def test_unreplaced_placeholder_is_noted_and_counts_as_absent(call):
    simulation = call(call_id="@Call.call_id@", cid="12125550142")
    assert "call_id" in step(simulation, "address").text
    assert (simulation.claims["call"]["call_id"], simulation.claims["call"]["cid"]) == (None, "12125550142")


@pytest.mark.usefixtures("agent", "entitlement")
@pytest.mark.parametrize("values", [{"did": "1" * 65}, {"destination": "https://evil.example"}])
def test_address_that_cannot_be_meant_is_refused_at_once(call, values):
    simulation = call(**values)
    assert simulation.stopped_at.key == "address"
    assert set(list(outcomes(simulation).values())[1:]) == {"not_reached"}
    assert simulation.claims is None


@pytest.mark.usefixtures("entitlement")
def test_nobody_of_this_name_is_refused(call):
    assert call("nobody").stopped_at.key == "agent"


@pytest.mark.usefixtures("entitlement")
def test_agent_of_another_group_is_nobody_here(call, other_group):
    factories.AgentFactory(group=other_group, username="carol")
    assert call("carol").stopped_at.text == call("nobody").stopped_at.text


@pytest.mark.parametrize("status", [AgentStatus.SUSPENDED, AgentStatus.DISABLED])
def test_stopped_agent_is_refused(call, agent, entitlement, status):
    agent.status = status
    agent.save()
    stopped = call().stopped_at
    assert (stopped.key, stopped.text) == ("agent", "This agent's access has been stopped.")
    assert stopped.note


def test_agent_past_the_end_date_is_refused(call, agent, entitlement):
    agent.ends_at = timezone.now() - timedelta(minutes=1)
    agent.save()
    assert "end date" in call().stopped_at.note


def test_lock_is_noted_and_stops_nothing(call, agent, entitlement, settings):
    for _ in range(settings.LOCKOUT_FAILURES):
        lockout.may_try(door=agent.group.door, name="alice")
    simulation = call("Alice")
    assert "Locked" in step(simulation, "agent").note
    assert simulation.stopped_at is None


def test_inactive_group_is_refused(call, group, agent, entitlement):
    group.is_active = False
    group.save()
    assert call().stopped_at.key == "group"


@pytest.mark.usefixtures("agent", "client_company")
def test_client_without_entitlement_reads_like_one_that_does_not_exist(call):
    foreign, unknown = call().stopped_at, call(subdomain="nowhere").stopped_at
    assert (foreign.key, foreign.text, foreign.note) == ("entitlement", unknown.text, unknown.note)


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_paused": True}])
def test_closed_client_is_refused(call, agent, entitlement, client_company, change):
    for name, value in change.items():
        setattr(client_company, name, value)
    client_company.save()
    assert call().stopped_at.key == "client"


def test_client_that_is_not_the_agents_is_refused(call, agent, entitlement):
    agent.all_clients = False
    agent.save()
    assert call().stopped_at.key == "own_clients"


def test_client_that_is_the_agents_is_told_with_the_agents_campaigns(call, agent, entitlement):
    agent.all_clients = False
    agent.save()
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set(entitlement.client.campaigns.filter(number=2))
    simulation = call(campaign_id="3")
    assert simulation.claims["campaigns"] == [2]
    assert step(simulation, "grant").outcome == "note"


@pytest.mark.usefixtures("agent", "entitlement")
def test_client_without_credentials_is_noted(call):
    assert step(call(), "hand_off").outcome == "note"


def test_number_leads_to_its_client(call, agent, entitlement, group):
    campaign = entitlement.client.campaigns.get(number=2)
    factories.DialledNumberFactory(
        group=group, number="+18005550100", client=entitlement.client, campaign=campaign
    )
    simulation = call(subdomain="", did="(800) 555-0100")
    assert step(simulation, "number").outcome == "ok"
    assert (simulation.claims["client"], simulation.claims["call"]["campaign_id"]) == ("demoaws", "2")


@pytest.mark.usefixtures("agent", "entitlement")
@pytest.mark.parametrize("did", ["", "+18005559999", "{did}"])
def test_number_that_leads_nowhere_is_refused(call, did):
    assert call(subdomain="", did=did).stopped_at.key == "number"


def test_number_of_another_group_leads_nowhere(call, agent, entitlement, other_group):
    factories.DialledNumberFactory(group=other_group, number="+18005550100", client=entitlement.client)
    assert call(subdomain="", did="+18005550100").stopped_at.key == "number"


@pytest.mark.usefixtures("agent", "entitlement")
def test_address_is_what_a_telephone_system_would_open(call, group):
    url = f"http://localhost:8000/sso/group/demoaws?group={group.pk}&did=%2B1800"
    assert call(did="+1800").url == url


# --- The other hand-offs ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("agent", "entitlement")
def test_hand_off_by_oidc_names_the_system_that_begins_the_sign_in(call, client_company):
    Client.objects.update(hand_off=HandOff.OIDC)
    factories.RelyingPartyFactory(client=client_company, initiate_login_uri="https://begin.crm.example/x")
    simulation = call()
    assert "begin.crm.example" in step(simulation, "hand_off").text
    assert (step(simulation, "hand_off").outcome, simulation.stopped_at) == ("ok", None)


@pytest.mark.usefixtures("agent", "entitlement", "relying_party")
def test_hand_off_by_signature_needs_no_credentials(call):
    Client.objects.update(hand_off=HandOff.SIGNED)
    RelyingPartySecret.objects.all().delete()
    assert step(call(), "hand_off").outcome == "ok"
    assert "signed" in step(call(), "hand_off").text


@pytest.mark.usefixtures("agent", "entitlement", "relying_party")
@pytest.mark.parametrize("way", [HandOff.OIDC, HandOff.SIGNED])
def test_hand_off_without_a_system_that_receives_agents_is_refused(call, way):
    Client.objects.update(hand_off=way)
    RelyingParty.objects.update(is_active=False)
    simulation = call()
    assert (simulation.stopped_at.key, simulation.claims) == ("hand_off", None)
    assert "operator" in simulation.stopped_at.note
