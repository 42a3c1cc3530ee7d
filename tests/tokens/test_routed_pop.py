"""The pop routed by dialled number (wire.md, section 1): one address for the whole call center."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Event, Outcome
from groups import models as groups
from groups.targets import unseal
from tests import factories
from tests.conftest import PORTAL
from tests.reading import words_of
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, name_of
from tests.tokens.loads import FRAMED, NO_NAVIGATION
from tests.tokens.pop.popping import nothing_minted, target_of
from tests.tokens.statements import Statements
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

NUMBER = "+18005550101"


@pytest.fixture
def number(group, client_company, entitlement):
    """+1 800 555 0101 leads to demoaws, campaign 2."""
    campaign = client_company.campaigns.get(number=2)
    return factories.DialledNumberFactory(
        group=group, number=NUMBER, client=client_company, campaign=campaign
    )


@pytest.fixture
def pop(signed_in, group, number):
    """Open a routed pop in Alice's browser."""

    def open_one(did=NUMBER, headers=None, **query):
        return signed_in.get("/sso/group", {"group": group.pk, "did": did} | query, headers=headers)

    return open_one


def lead(group, number: str, subdomain: str):
    """Let another number of the group lead to another client of it."""
    company = groups.Client.objects.filter(subdomain=subdomain).first() or factories.ClientFactory(
        subdomain=subdomain
    )
    groups.Entitlement.objects.get_or_create(group=group, client=company)
    return factories.DialledNumberFactory(group=group, number=number, client=company)


def entered(response) -> str:
    """Whose CRM it went to."""
    return urlsplit(response.headers.get("Location", "")).netloc.partition(".")[0]


# --- Where it leads --------------------------------------------------------------------------------------------------


def test_routed_pop_goes_to_the_client_of_the_number(pop):
    response = pop()

    assert response.status_code == 303
    assert response.headers["Location"].startswith("https://demoaws.crm.example/login?token=")


def test_routed_pop_tells_the_call_as_it_came(pop):
    pop(did="1-800-555-0101", cid="+15550199", call_id="c7")

    token = LoginToken.objects.get()
    assert (token.did, token.cid, token.call_id) == ("1-800-555-0101", "+15550199", "c7")


def test_routed_pop_tells_the_numbers_campaign(pop):
    pop()

    assert LoginToken.objects.get().campaign_id == "2"


@pytest.mark.parametrize(("given", "told"), [("3", "3"), ("@Call.Campaign@", "2"), ("", "2")])
def test_routed_pop_with_a_campaign_of_its_own_keeps_it(pop, given, told):
    pop(campaign_id=given)

    assert LoginToken.objects.get().campaign_id == told


def test_routed_pop_by_a_number_without_a_campaign_tells_none(pop, group):
    lead(group, "+18005550102", "demoaws")

    pop(did="+18005550102")

    assert LoginToken.objects.get().campaign_id == ""


def test_routed_pop_writes_the_same_event_as_any_pop(pop, agent, group, session):
    pop(cid="{ani}")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.client) == ("login.issue", Outcome.OK, "demoaws")
    assert (event.agent, event.group_id) == (agent.subject, group.pk)
    assert event.details["call"] == {"did": "0101"}
    assert event.details["placeholders"] == ["cid"]
    assert event.details["session"] == session.sid


@pytest.mark.parametrize(
    "did",
    [
        "+1 (800) 555-0101",
        "18005550101",
        " 18005550101",  # what an unencoded + becomes
        "8005550101",
        "800-555-0101",
        "1-800-555-0101",
        "0018005550101",
        "01118005550101",
        "sip:+18005550101@voice.example",
        "tel:+1-800-555-0101",
    ],
)
def test_routed_pop_knows_a_number_however_it_is_written(pop, did):
    assert entered(pop(did=did)) == "demoaws"


@pytest.mark.parametrize(
    "did", ["+442071838750", "442071838750", "02071838750", "+44 (0)20 7183 8750", "2071838750"]
)
def test_routed_pop_knows_a_number_as_it_is_dialled_in_its_country(pop, group, did):
    lead(group, "+442071838750", "london")

    assert entered(pop(did=did)) == "london"


def test_routed_pop_takes_the_number_in_full_before_one_without_its_country(pop, group):
    lead(group, "+448005550101", "london")

    assert [entered(pop(did=did)) for did in ("18005550101", "+448005550101")] == ["demoaws", "london"]


def test_routed_pop_by_what_two_countries_dial_alike_is_refused(pop, group):
    lead(group, "+448005550101", "london")

    assert pop(did="8005550101").status_code == 404


def test_routed_pop_by_what_two_countries_dial_alike_enters_where_both_lead(pop, group, number):
    groups.DialledNumber.objects.update(campaign=None)
    lead(group, "+448005550101", "demoaws")

    assert entered(pop(did="8005550101")) == "demoaws"


def test_routed_pop_does_not_take_another_countrys_prefix_for_a_number(pop, group):
    """0 is what Britain dials before a number, not what North America does."""
    lead(group, "+12071838750", "maine")

    assert pop(did="02071838750").status_code == 404


# --- Numbers that lead nowhere ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("did", ["+18005559999", "5001", "anonymous", "+", "1" * 64, "%27", "٣", "+0"])
def test_routed_pop_by_an_unknown_number_is_refused(pop, did):
    response = pop(did=did)

    assert response.status_code == 404
    assert nothing_minted()


def test_routed_pop_by_an_unknown_number_says_why(pop):
    page = words_of(pop(did="+18005559999"))

    assert "No client is assigned to the number …9999." in page
    assert "Alice Ames" in page


def test_routed_pop_by_an_unknown_number_offers_the_launcher(pop, group):
    page = unescape(pop(did="+18005559999").content.decode())

    assert f'href="/sso/group?group={group.pk}"' in page


def test_routed_pop_by_an_unknown_number_is_recorded(pop, agent, group):
    response = pop(did="+18005559999", cid="@ANI@")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "unknown_number")
    assert (event.agent, event.group_id, event.client) == (agent.subject, group.pk, "")
    assert event.details["call"] == {"did": "9999"}
    assert event.details["placeholders"] == ["cid"]
    assert event.reference == response.headers["X-Request-Id"]


def test_routed_pop_by_another_groups_number_looks_like_an_unknown_one(pop, other_group, client_company):
    factories.DialledNumberFactory(group=other_group, number="+18005550199", client=client_company)

    assert pop(did="+18005550199").status_code == 404


def test_routed_pop_with_a_hostile_number_shows_none_of_it(pop):
    response = pop(did="<script>alert(1)</script>")

    assert response.status_code == 404
    assert "<script>alert" not in response.content.decode()


# --- The same refusals as any pop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", STOPPED_AGENTS + CLOSED_CLIENTS, ids=name_of)
def test_routed_pop_of_somebody_who_may_not_enter_is_refused(pop, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = pop()

    event = Event.objects.get()
    assert response.status_code == 403
    assert (event.reason, event.details["detail"], event.client) == (stop.code, stop.why, "demoaws")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cid", "1\n2"),
        ("did", "1" * 65),
        ("did", ["1", "2"]),
        ("destination", "//evil"),
        ("group", "x"),
        ("group", ""),
    ],
)
def test_routed_pop_with_a_value_that_cannot_be_meant_is_refused(pop, name, value):
    assert pop(**{name: value}).status_code == 400


def test_routed_pop_without_a_group_is_refused(signed_in):
    assert signed_in.get("/sso/group", {"did": NUMBER}).status_code == 400


def test_routed_pop_of_an_unknown_or_inactive_group_is_not_found(pop, group):
    unknown = pop(group=999_999_999)
    groups.Group.objects.update(is_active=False)

    assert (unknown.status_code, pop().status_code) == (404, 404)


@pytest.mark.usefixtures("number")
def test_routed_pop_sixty_one_in_a_minute_is_asked_to_wait(pop, agent, session, client_company):
    made = {"agent": agent, "client": client_company, "session": session}
    LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(60, **made))

    assert pop().status_code == 429


# --- Nobody signed in ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("number")
def test_routed_pop_without_a_session_goes_to_the_sign_in_page(client, group):
    address = f"/sso/group?group={group.pk}&did=%2B18005550101&cid=42"

    target = target_of(client.get(address))

    assert (target.path, target.client, target.caller_tail) == (address, "demoaws", "42")


@pytest.mark.usefixtures("number")
def test_routed_pop_without_a_session_says_who_waits(client, group):
    response = client.get("/sso/group", {"group": group.pk, "did": "8005550101"}, follow=True)

    assert "Next: Demo AWS" in words_of(response)


@pytest.mark.usefixtures("number", "agent")
def test_routed_pop_after_signing_in_goes_straight_on(client, group):
    page = client.get("/sso/group", {"group": group.pk, "did": NUMBER}).headers["Location"]

    signed_in = client.post(page, {"username": "alice", "password": factories.PASSWORD})

    assert entered(client.get(signed_in.headers["Location"])) == "demoaws"


def test_routed_pop_by_an_unknown_number_without_a_session_asks_to_sign_in_first(client, group):
    response = client.get("/sso/group", {"group": group.pk, "did": "+18005559999"})

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")
    assert target_of(response).client == ""


def test_routed_pop_that_was_refused_keeps_the_call_for_another_agent(pop):
    groups.Client.objects.update(is_paused=True)

    (link,) = re.findall(r'href="(/sso/sign-in[^"]+)"', pop().content.decode())

    target = unseal(parse_qs(urlsplit(unescape(link)).query)["to"][0])
    assert "did=%2B18005550101" in target.path


# --- Methods, prefetches, frames -------------------------------------------------------------------------------------


def test_routed_pop_by_post_goes_to_the_same_address_by_get(group):
    telephone_system = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)

    response = telephone_system.post(f"/sso/group?group={group.pk}", {"did": NUMBER})

    assert (response.status_code, response.headers["Location"]) == (
        303,
        f"/sso/group?group={group.pk}&did=%2B18005550101",
    )


def test_routed_pop_by_post_with_the_number_twice_is_refused(client, group):
    assert client.post(f"/sso/group?group={group.pk}&did=1", {"did": "2"}).status_code == 400


@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=lambda headers: ",".join(headers.values()))
def test_routed_pop_that_is_no_navigation_answers_nothing(pop, headers):
    assert pop(headers=headers).status_code == 204
    assert nothing_minted()


def test_routed_pop_by_head_answers_nothing(signed_in, group, number):
    assert signed_in.head("/sso/group", {"group": group.pk, "did": NUMBER}).status_code == 204
    assert nothing_minted()


def test_framed_routed_pop_offers_the_same_address_in_a_tab(pop, group):
    response = pop(headers=FRAMED)

    assert f'href="/sso/group?group={group.pk}&amp;did=%2B18005550101"' in response.content.decode()
    assert "X-Frame-Options" not in response.headers
    assert nothing_minted()


def test_routed_pop_by_another_method_is_refused(signed_in, group):
    assert signed_in.delete(f"/sso/group?group={group.pk}&did={NUMBER}").status_code == 405


# --- The launcher is still there -------------------------------------------------------------------------------------


@pytest.mark.parametrize("did", ["", " ", "@Call.DNIS@", "{{dnis}}", "%dnis%"])
def test_address_without_a_number_is_the_launcher(pop, did):
    response = pop(did=did)

    assert response.status_code == 200
    assert "Your clients" in words_of(response)
    assert nothing_minted()


def test_address_whose_number_was_not_filled_in_is_recorded_for_the_administrators(pop, agent, group):
    pop(did="@Call.DNIS@", cid="{ani}", call_id="7")

    event = Event.objects.get()
    assert (event.action, event.reason, event.group_id) == ("login.issue", "no_number", group.pk)
    assert (event.agent, event.details["placeholders"]) == (agent.subject, ["did", "cid"])


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Dest": "image"}], ids=str)
def test_address_whose_number_was_not_filled_in_is_recorded_for_navigations_only(pop, headers):
    pop(did="@Call.DNIS@", headers=headers)

    assert not Event.objects.exists()


# --- What it asks of the database ------------------------------------------------------------------------------------


@pytest.mark.parametrize("did", [NUMBER, "8005550101"])
def test_routed_pop_with_a_live_session_is_one_select_and_two_inserts(pop, did):
    with Statements(connection) as statements:
        pop(did=did)

    assert statements.by_kind == {"SELECT": 1, "INSERT": 2}


def test_routed_pop_without_a_session_asks_for_the_group_the_number_and_the_origins_on_the_way(
    client, group, number
):
    with Statements(connection) as statements:
        client.get("/sso/group", {"group": group.pk, "did": NUMBER})

    assert statements.by_kind == {"SELECT": 3}
