"""The integration page, the simulated call, the notice: who may see them, and what they say."""

import html
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from tests import factories
from tokens.models import LoginToken
from tokens.pop import PLACEHOLDER
from tokens.recent_pops import LOOKED_AT, unreplaced_in
from tokens.telephone_systems import SYSTEMS, pop_url

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script>&"'


@pytest.fixture
def read(group, owner, visit_as):
    """The page's text, as the owner reads it."""

    def read_one(tail: str = "", *, headers: dict[str, str] | None = None, **query) -> str:
        browser = visit_as(owner)
        response = browser.get(f"/groups/{group.pk}/integration/{tail}", query, headers=headers)
        assert response.status_code == 200
        return html.unescape(response.content.decode())

    return read_one


@pytest.fixture
def asked(group, agent):
    """A login that was asked for, as the audit log has it."""

    def ask(**changed) -> Event:
        usual = {
            "reference": "K7QF-3M2P-X8TA",
            "door": "agents",
            "actor": f"agent:{agent.subject}",
            "action": "login.issue",
            "outcome": "ok",
            "group_id": group.pk,
            "client": "demoaws",
            "agent": agent.subject,
        }
        return Event.objects.create(**usual | changed)

    return ask


# --- Who may see it --------------------------------------------------------------------------------------------------

ADDRESSES = ["", "recent/", "notice/", "simulate/"]


@pytest.mark.parametrize("tail", ADDRESSES)
@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_every_role_may_see_it(group, visit_as, request, tail, role):
    browser = visit_as(request.getfixturevalue(role))
    response = browser.get(f"/groups/{group.pk}/integration/{tail}", headers={"HX-Request": "true"})
    assert response.status_code == 200


@pytest.mark.parametrize("tail", ADDRESSES)
def test_foreign_group_is_missing(group, stranger, visit_as, tail):
    assert visit_as(stranger).get(f"/groups/{group.pk}/integration/{tail}").status_code == 404


def test_foreign_client_is_missing(group, owner, visit_as, client_company):
    response = visit_as(owner).get(f"/groups/{group.pk}/integration/", {"client": "demoaws"})
    assert response.status_code == 404


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("entitlement")
@pytest.mark.parametrize(
    ("system", "values"),
    [
        (
            "five9",
            "&did=@Call.DNIS@&cid=@Call.ANI@&call_id=@Call.call_id@&campaign_id=@Call.campaign_id@",
        ),
        (
            "genesys",
            "&did={{did}}&cid={{Scripter.Customer Formatted Number}}&call_id={{Scripter.Interaction ID}}",
        ),
        (
            "talkdesk",
            "&did={{talkdesk_phone_number}}&cid={{contact_phone_number}}&call_id={{call_id}}",
        ),
        ("cxone", "&did={DNIS}&cid={ANI}&call_id={ContactID}"),
        (
            "connect",
            "&did=$.SystemEndpoint.Address&cid=$.CustomerEndpoint.Address&call_id=$.ContactId",
        ),
        ("generic", "&did={did}&cid={cid}&call_id={call_id}&campaign_id={campaign_id}"),
    ],
)
def test_each_system_gets_its_own_placeholders_unencoded(read, group, system, values):
    said = read()
    address = f"http://localhost:8000/sso/group/demoaws?group={group.pk}{values}"
    assert f'id="pop-{system}" translate="no">{address}</pre>' in said


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.key)
def test_unreplaced_placeholders_of_each_system_are_recognised(system):
    assert all(PLACEHOLDER.fullmatch(placeholder) for placeholder in system.placeholders.values())


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.key)
def test_each_address_works_as_it_is(signed_in, entitlement, group, system):
    """Pasted as shown, and nothing replaced: the agent still arrives."""
    url = pop_url(system, group_id=group.pk, subdomain="demoaws")
    response = signed_in.get(url.removeprefix("http://localhost:8000"))
    token = LoginToken.objects.get()
    assert response.status_code == 303
    assert (token.did, token.cid, token.call_id) == ("", "", "")


@pytest.mark.usefixtures("entitlement")
def test_address_routed_by_the_number_names_no_client(read, group):
    assert f"http://localhost:8000/sso/group?group={group.pk}&did=@Call.DNIS@&cid" in read(client="")


@pytest.mark.usefixtures("entitlement")
def test_routing_without_any_number_is_warned_of(read):
    assert "No dialled numbers are assigned yet" in read(client="")


def test_routing_with_a_number_is_not_warned_of(read, group, entitlement):
    factories.DialledNumberFactory(group=group, client=entitlement.client)
    assert "No dialled numbers" not in read(client="")


def test_chosen_client_is_that_of_all_addresses(read, group, entitlement):
    factories.EntitlementFactory(
        group=group, client=factories.ClientFactory(subdomain="other", name="A first")
    )
    said = read(client="demoaws", system="cxone", sample="node")
    assert "/sso/group/other" not in said
    assert "http://demoaws.localhost:8000/api/sso" in said
    assert "http://localhost:8000/api/sso/demoaws" in said
    assert said.count("checked") == 2


@pytest.mark.usefixtures("entitlement")
def test_htmx_gets_what_depends_on_the_client_alone(group, owner, visit_as):
    response = visit_as(owner).get(
        f"/groups/{group.pk}/integration/", {"client": "demoaws"}, headers={"HX-Request": "true"}
    )
    assert b"<html" not in response.content
    assert b"@Call.DNIS@" in response.content


def test_group_without_clients_still_has_its_addresses(read, group):
    said = read()
    assert f"/sso/group?group={group.pk}&did=" in said
    assert "SSO API for" not in said


def test_direct_address_is_on_the_page_and_on_the_notice(read, group):
    address = f"http://localhost:8000/sso/group?group={group.pk}"
    assert f'value="{address}"' in read()
    assert f">{address}</p>" in read("notice/")


@pytest.mark.usefixtures("entitlement")
def test_unknown_system_and_sample_are_the_first(read):
    assert read(system="pbx", sample="cobol").count("checked") == 2


# --- The SSO API -----------------------------------------------------------------------------------------------------


def test_departments_and_campaigns_are_those_of_the_entitlement(read, entitlement):
    entitlement.campaigns.set(entitlement.client.campaigns.filter(number__in=[2, 3]))
    factories.CampaignFactory(client=entitlement.client, number=9, is_active=False)
    said = read()
    assert '"campaign_id": "2,3"' in said
    assert "<strong>2</strong>" in said
    assert "<strong>1</strong> Spring" not in said
    assert "<strong>9</strong>" not in said


def test_keys_are_shown_by_their_beginning(read, group, entitlement):
    factories.PlatformKeyFactory(group=group)
    factories.PlatformKeyFactory(group=group, secret="pk_revoked-one", revoked_at=timezone.now())
    said = read()
    assert "pk_the-plat…" in said
    assert factories.PLATFORM_KEY not in said
    assert "pk_revoked" not in said


@pytest.mark.usefixtures("entitlement")
def test_empty_address_list_is_told(read, group):
    assert "The list is empty: every call is refused." in read()
    factories.AddressRuleFactory(group=group)
    assert "The list is empty" not in read()


def test_sample_takes_an_agent_who_may_enter(read, group, entitlement):
    factories.AgentFactory(group=group, username="adam", full_name="A", all_clients=False)
    factories.AgentFactory(group=group, username="anna", full_name="B", status="disabled")
    factories.AgentFactory(group=group, username="berta", full_name="C")
    assert '"username": "berta"' in read()


# --- What arrives ----------------------------------------------------------------------------------------------------


def test_real_pop_shows_up(read, signed_in, entitlement, group):
    signed_in.get("/sso/group/demoaws", {"group": group.pk, "cid": "@Call.ANI@"})
    reference = Event.objects.get(action="login.issue").reference
    said = read()
    assert f'href="/refused/{reference}/"' in said
    assert "<strong>cid</strong> came as a placeholder in 1 of the last 1 pops." in said


def test_routed_pop_without_its_number_shows_up(read, signed_in, entitlement, group):
    signed_in.get("/sso/group", {"group": group.pk, "did": "@Call.DNIS@"})
    assert "<strong>did</strong> came as a placeholder in 1 of the last 1 pops." in read()


def test_recent_are_the_newest_five_with_their_agents(read, asked):
    for number in range(7):
        asked(reference=f"REF-{number}", at=timezone.now() - timedelta(minutes=number))
    said = read("recent/", headers={"HX-Request": "true", "X-Live": "1"})
    assert [f"REF-{number}" in said for number in range(7)] == [True] * 5 + [False] * 2
    assert said.count("alice") == 5


def test_recent_without_htmx_leads_to_the_page(group, owner, visit_as):
    response = visit_as(owner).get(f"/groups/{group.pk}/integration/recent/")
    assert (response.status_code, response.headers["Location"]) == (303, f"/groups/{group.pk}/integration/")


def test_what_another_group_was_asked_for_is_not_shown(read, asked, other_group):
    asked(group_id=other_group.pk, reference="SECRET", details={"placeholders": ["did"]})
    assert "SECRET" not in read()


def test_placeholders_are_counted_among_pops_of_seven_days(read, asked):
    for details in ({"placeholders": ["did", "call_id"]}, {"placeholders": ["call_id"]}, {}):
        asked(details=details)
    asked(door="platform")
    asked(details={"placeholders": ["cid"]}, at=timezone.now() - timedelta(days=8))
    said = read()
    assert "<strong>call_id</strong> came as a placeholder in 2 of the last 3 pops." in said
    assert "<strong>did</strong> came as a placeholder in 1 of the last 3 pops." in said
    assert "<strong>cid</strong>" not in said


def test_group_without_pops_is_told_so(read):
    assert "No pop in the last seven days." in read()


def test_only_the_newest_are_looked_at(group, asked):
    Event.objects.bulk_create(
        [
            Event(
                at=timezone.now() - timedelta(seconds=number),
                reference="R",
                door="agents",
                actor="x",
                action="login.issue",
                outcome="ok",
                group_id=group.pk,
                details={"placeholders": ["did"]},
            )
            for number in range(LOOKED_AT + 5)
        ]
    )
    lint = unreplaced_in(group)
    assert (lint.pops, lint.found[0].times) == (LOOKED_AT, LOOKED_AT)


# --- Simulate a call -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("agent", "entitlement", "relying_party")
def test_simulated_call_shows_its_steps_and_claims(read, group):
    said = read("simulate/", agent="alice", client="demoaws", did="18005550100", cid="12125550142")
    assert "The agent would be let in" in said
    assert f"/sso/group/demoaws?group={group.pk}&did=18005550100&cid=12125550142" in said
    assert '"fullname": "Alice Ames"' in said
    assert not LoginToken.objects.exists()


@pytest.mark.usefixtures("entitlement")
def test_simulated_call_says_where_it_ends(read):
    assert "It would end at: Agent" in read("simulate/", agent="nobody", client="demoaws")


def test_empty_form_asks_for_a_call(read, entitlement):
    said = read("simulate/")
    assert "Each step of a pop, without a call" in said
    assert "This field is required" not in said


@pytest.mark.usefixtures("entitlement")
@pytest.mark.parametrize(
    "query",
    [
        {"agent": ""},
        {"agent": "a" * 5000},
        {"agent": "al\u202eice"},
        {"agent": "alice", "client": "../../x"},
        {"agent": "alice", "did": "1" * 5000},
    ],
)
def test_call_that_cannot_be_meant_is_refused_beside_its_field(read, query):
    said = read("simulate/", **query)
    assert 'aria-invalid="true"' in said
    assert "Each step of a pop" in said


def test_client_that_the_group_may_not_enter_can_be_asked_about(read, agent, entitlement):
    factories.ClientFactory(subdomain="acme")
    said = read("simulate/", agent="alice", client="acme")
    assert "It would end at: Entitlement" in said


# --- Hostile names, and what it costs ---------------------------------------------------------------------------------


def test_hostile_names_are_shown_as_text(group, owner, visit_as, entitlement):
    group.name = entitlement.client.name = HOSTILE
    group.save()
    entitlement.client.save()
    factories.AgentFactory(group=group, username=HOSTILE, full_name=HOSTILE)
    browser = visit_as(owner)
    for tail in ("", "notice/", "simulate/?client=demoaws&agent=%3Cscript%3Ealert(1)%3C/script%3E%26%22"):
        said = browser.get(f"/groups/{group.pk}/integration/{tail}").content
        assert b"<script>alert" not in said
        assert b"&lt;script&gt;alert" in said


def test_page_asks_little_of_the_database(group, owner, visit_as, asked, django_assert_max_num_queries):
    for number in range(20):
        company = factories.ClientFactory(name=f"C{number:02}")
        factories.EntitlementFactory(group=group, client=company)
        factories.CampaignFactory.create_batch(3, client=company)
        asked(client=company.subdomain, details={"placeholders": ["did"]})
    browser = visit_as(owner)
    with django_assert_max_num_queries(15):
        browser.get(f"/groups/{group.pk}/integration/")


@pytest.mark.usefixtures("entitlement", "relying_party", "agent")
def test_simulation_asks_little_of_the_database(group, owner, visit_as, django_assert_max_num_queries):
    browser = visit_as(owner)
    with django_assert_max_num_queries(15):
        browser.get(f"/groups/{group.pk}/integration/simulate/", {"agent": "alice", "client": "demoaws"})
