"""One agent's page, and what is done to him there."""

import re

import pytest

from accounts import audit
from accounts.models import Attempt, Event
from groups.models import Agent, AgentFactor, AgentSession, Campaign
from tests import factories

pytestmark = pytest.mark.django_db
ACTS = ["suspend", "disable", "enable", "unlock", "end-sessions", "activation-code", "remove-factor"]
CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


@pytest.fixture
def address(agent):
    return f"/groups/{agent.group_id}/agents/{agent.subject}/"


@pytest.fixture
def see(owner, visit_as, address):
    browser = visit_as(owner)
    return lambda query="": browser.get(f"{address}{query}").content.decode()


@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_page_opens_for_its_people(request, role, visit_as, address):
    response = visit_as(request.getfixturevalue(role)).get(address)

    assert response.status_code == 200
    assert "Alice Ames" in response.content.decode()


def test_page_is_missing_for_a_stranger(stranger, visit_as, address):
    assert visit_as(stranger).get(address).status_code == 404


def test_agent_of_another_group_is_missing(owner, visit_as, group, other_group):
    foreign = factories.AgentFactory(group=other_group)

    assert visit_as(owner).get(f"/groups/{group.pk}/agents/{foreign.subject}/").status_code == 404


@pytest.mark.parametrize("subject", ["0" * 32, "x", "%00" + "0" * 31])
def test_unknown_agent_is_missing(owner, visit_as, group, subject):
    assert visit_as(owner).get(f"/groups/{group.pk}/agents/{subject}/").status_code in (400, 404)


def test_auditor_sees_no_buttons(auditor, visit_as, address, agent):
    factories.AgentSessionFactory(agent=agent)
    AgentFactor.objects.create(agent=agent, secret="sealed")

    page = visit_as(auditor).get(address).content.decode()

    assert 'method="post"' not in page.replace('action="/accounts/logout/"', "").split("<main")[1]
    assert not re.search(rf'href="{address}[a-z]', page)


def test_page_tells_of_a_lock_and_until_when(see, agent, lock):
    lock(agent)

    page = see()

    assert "Too many wrong passwords" in page
    assert "Locked until" in page
    assert "/unlock/" in page


def test_page_names_clients_and_campaigns(see, agent, entitlement):
    Agent.objects.update(all_clients=False)
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set(Campaign.objects.filter(number=2))
    Campaign.objects.filter(number=2).update(name="Retention")

    page = see()

    assert "Demo AWS" in page
    assert "Retention" in page
    assert "Only those listed" in page


def test_page_shows_sessions_of_now(see, agent):
    factories.AgentSessionFactory(agent=agent, address="203.0.113.7", agent_header="Chrome <b>")

    page = see()

    assert "203.0.113.7" in page
    assert "Chrome &lt;b&gt;" in page


# --- History -----------------------------------------------------------------------------------------------------


@pytest.fixture
def happened(agent, caller):
    def happened(action="agent.sign_in", **fields):
        told = {"caller": caller, "actor": f"agent:{agent.subject}", "group": agent.group, "agent": agent}
        return audit.record(action, **told | fields)

    return happened


def test_history_is_worded_with_a_link_to_the_reference(see, happened):
    happened("login.issue", client="demoaws", refused_for="client_unavailable")

    page = see()

    assert "Login for demoaws refused" in page
    assert "/refused/TEST-0000-0000/" in page


def test_history_tells_what_changed(see, happened):
    happened("agent.update", actor="administrator:ada@x.example", details={"full_name": ["Al", "<b>Alice"]})

    page = see()

    assert "full name: Al → &lt;b&gt;Alice" in page
    assert "ada@x.example" in page


def test_history_is_of_this_agent_in_this_group(see, happened, group, other_group):
    happened("agent.suspend", agent=factories.AgentFactory(group=group))
    happened("agent.disable", group=other_group)

    page = see()

    assert "Agent suspended" not in page
    assert "Agent disabled" not in page


def test_history_is_shown_in_pages(see, happened):
    for _ in range(60):
        happened()
    shown, query = 0, "?"
    while query:
        page = see(query)
        shown += page.count("Agent signed in")
        found = re.search(r'href="(\?after=[^"]*)"\s+rel="next"', page)
        query = found[1] if found else ""

    assert shown == 60


def test_queries_are_few(
    owner, visit_as, address, agent, group, entitlement, happened, django_assert_max_num_queries
):
    for n in range(30):
        happened(actor=f"administrator:{n}@x.example")
        factories.AgentSessionFactory(agent=agent)
        factories.EntitlementFactory(group=group)
    browser = visit_as(owner)
    browser.get(address)

    with django_assert_max_num_queries(15):
        browser.get(address)


# --- Acts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def do(manager, visit_as, address):
    browser = visit_as(manager)
    return lambda act, **fields: browser.post(f"{address}{act}/", fields)


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [
        ("active", "suspend", "suspended"),
        ("active", "disable", "disabled"),
        ("suspended", "enable", "active"),
    ],
)
def test_act_sets_the_status(do, address, manager, before, act, after):
    Agent.objects.update(status=before)

    response = do(act)

    assert (response.status_code, response["Location"]) == (303, address)
    assert Agent.objects.get().status == after
    assert Event.objects.get(action=f"agent.{act}").actor == f"administrator:{manager.email}"


@pytest.mark.parametrize("act", ["suspend", "disable", "end-sessions"])
def test_act_ends_the_sessions(do, agent, act):
    factories.AgentSessionFactory(agent=agent)

    do(act)

    assert not AgentSession.objects.filter(ended_at=None).exists()


def test_unlock(do, agent, lock):
    lock(agent)

    do("unlock")

    assert not Attempt.objects.locked().exists()


def test_activation_code_is_shown_once_and_works(do, see, group, attempt):
    page = do("activation-code").content.decode()

    code = CODE.search(page)[0]
    assert f"http://localhost:8000/sso/group?group={group.pk}" in page
    assert code not in see()
    assert attempt(code).pending
    assert code not in str(list(Event.objects.values()))


def test_remove_factor(do, agent):
    AgentFactor.objects.create(agent=agent, secret="sealed")

    do("remove-factor")

    assert not AgentFactor.objects.exists()
    assert Event.objects.filter(action="agent.remove_factor").exists()


@pytest.mark.parametrize("act", ["activation-code", "remove-factor"])
def test_act_that_lets_somebody_in_anew_needs_a_fresh_second_factor(manager, visit_as, address, agent, act):
    factories.AgentPasskeyFactory(agent=agent)

    response = visit_as(manager, ago=301).post(f"{address}{act}/")

    assert response["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Event.objects.exists()


def test_page_tells_of_passkeys_and_when_they_were_used(see, agent):
    factories.AgentPasskeyFactory(agent=agent, name="Blue key")

    assert "Blue key" in see()
    assert "not used yet" in see()


def test_one_session_is_ended(do, agent):
    kept, ended = factories.AgentSessionFactory.create_batch(2, agent=agent)

    assert do("end-session", session=ended.sid).status_code == 303

    assert AgentSession.objects.get(ended_at=None) == kept


def test_session_of_another_agent_goes_on(do, group):
    session = factories.AgentSessionFactory(agent=factories.AgentFactory(group=group))

    do("end-session", session=session.sid)

    session.refresh_from_db()
    assert session.ended_at is None


@pytest.mark.parametrize("act", ACTS)
def test_get_asks_and_changes_nothing(manager, visit_as, address, act):
    response = visit_as(manager).get(f"{address}{act}/")

    assert response.status_code == 200
    assert "Alice Ames (alice)" in response.content.decode()
    assert not Event.objects.exists()


@pytest.mark.parametrize("act", [*ACTS, "end-session"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_auditor_may_not_act(auditor, visit_as, address, act, method):
    assert getattr(visit_as(auditor), method)(f"{address}{act}/").status_code == 403
    assert Agent.objects.get().status == "active"


@pytest.mark.parametrize("act", [*ACTS, "end-session"])
def test_stranger_finds_nothing_to_act_on(stranger, visit_as, address, act):
    assert visit_as(stranger).post(f"{address}{act}/").status_code == 404


def test_agent_of_another_group_is_not_acted_on(owner, visit_as, group, other_group):
    foreign = factories.AgentFactory(group=other_group)

    response = visit_as(owner).post(f"/groups/{group.pk}/agents/{foreign.subject}/disable/")

    assert response.status_code == 404
    assert Agent.objects.get().status == "active"


def test_unknown_act_is_missing(do):
    assert do("promote").status_code == 404
