"""The four ways into a client's CRM (wire.md, section 1), from the pop and from the login that software asked for."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Event, Outcome
from groups import models as groups
from sso_portal.lib.refusals import Refused
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.reading import directives, words_of
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, age, name_of
from tests.tokens.dialects.oidc.parties import CHALLENGE, read_id_token
from tests.tokens.statements import Statements
from tokens.handing_off import address_of, receiver_of
from tokens.models import Handoff, Kind, LoginToken, RelyingParty, Use
from tokens.redeeming import redeem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

BEGINS_AT = "https://begin.crm.example/oidc/start?tenant=7"
ENDS_AT = "https://end.crm.example/oidc/callback"
CALL = {
    "did": "+15550100",
    "cid": "+15550199",
    "call_id": "c-7",
    "campaign_id": "2",
    "destination": "crm:home",
}


def hands_off(client_company, way: str) -> None:
    """Let the client receive its agents this way from now on."""
    groups.Client.objects.filter(pk=client_company.pk).update(hand_off=way)


@pytest.fixture
def by_oidc(client_company):
    """demoaws' CRM begins sign-ins."""
    hands_off(client_company, groups.HandOff.OIDC)
    party = factories.RelyingPartyFactory(client=client_company, initiate_login_uri=BEGINS_AT)
    factories.RegisteredAddressFactory(relying_party=party, address=ENDS_AT)
    return party


@pytest.fixture
def by_signature(client_company):
    """demoaws' CRM takes signed logins."""
    hands_off(client_company, groups.HandOff.SIGNED)
    return factories.RelyingPartyFactory(client=client_company)


@pytest.fixture
def pop(signed_in, group):
    """Open a pop in Alice's browser."""
    return lambda **query: signed_in.get("/sso/group/demoaws", {"group": group.pk} | query)


@pytest.fixture
def somebody():
    """A browser in which nobody is signed in."""
    return Client(HTTP_HOST=PORTAL)


def begun(response) -> dict[str, str]:
    """What the CRM is told when it is asked to begin a sign-in."""
    parts = urlsplit(response.headers["Location"])
    assert response.status_code == 303
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://begin.crm.example/oidc/start"
    return {name: value for name, [value] in parse_qs(parts.query).items()}


def login_in(response) -> dict:
    """The signed login in the hand-off page's form."""
    page = response.content.decode()
    assert response.status_code == 200
    assert re.findall(r'<input type="hidden" name="([^"]+)"', page) == ["id_token"]
    return read_id_token(re.search(r'name="id_token" value="([^"]+)"', page).group(1))


def authorization(party, hint: str) -> dict[str, str]:
    """What the CRM then asks the portal for."""
    return {
        "client_id": party.identifier,
        "redirect_uri": ENDS_AT,
        "response_type": "code",
        "scope": "openid call",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "login_hint": hint,
    }


# --- oidc ------------------------------------------------------------------------------------------------------------


def test_oidc_asks_the_crm_to_begin(pop, by_oidc):
    response = pop()

    asked = begun(response)
    assert asked == {
        "tenant": "7",
        "iss": "http://localhost:8000",
        "login_hint": asked["login_hint"],
        "target_link_uri": "https://demoaws.crm.example/login",
    }
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_oidc_leaves_a_launch_with_the_call(pop, by_oidc, session):
    hint = begun(pop(**CALL))["login_hint"]

    token = LoginToken.objects.get()
    assert (token.kind, token.digest, token.session) == (Kind.LAUNCH, digest_of(hint), session)
    assert {name: getattr(token, name) for name in CALL} == CALL


def test_oidc_is_written_down(pop, by_oidc):
    response = pop(**CALL)

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reference) == (
        "login.issue",
        Outcome.OK,
        response.headers["X-Request-Id"],
    )
    assert event.details["kind"] == "launch"


def test_oidc_passes_without_a_page_and_brings_the_call(pop, by_oidc, signed_in):
    hint = begun(pop(**CALL))["login_hint"]

    response = signed_in.get("/oauth/authorize", authorization(by_oidc, hint))

    code = parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]
    token = LoginToken.objects.get(digest=digest_of(code))
    assert {name: getattr(token, name) for name in CALL} == CALL


def test_oidc_in_two_tabs_never_swaps_the_calls(pop, by_oidc, signed_in):
    hints = {call_id: begun(pop(call_id=call_id))["login_hint"] for call_id in ("first", "second")}

    for call_id in ("second", "first"):
        response = signed_in.get("/oauth/authorize", authorization(by_oidc, hints[call_id]))
        code = parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]
        assert LoginToken.objects.get(digest=digest_of(code)).call_id == call_id


def test_oidc_hint_of_a_minute_ago_brings_no_call(pop, by_oidc, signed_in):
    hint = begun(pop(**CALL))["login_hint"]
    age(LoginToken.objects.get(), timedelta(seconds=61))

    signed_in.get("/oauth/authorize", authorization(by_oidc, hint))

    assert LoginToken.objects.get(kind=Kind.CODE).call_id == ""


def test_oidc_hint_is_worth_nothing_to_redeem(pop, by_oidc, caller):
    hint = begun(pop())["login_hint"]

    with pytest.raises(Refused, match="invalid_token"):
        redeem(hint, relying_party=by_oidc, caller=caller)


def test_oidc_sign_in_form_may_pass_every_origin_of_the_way(somebody, by_oidc, group):
    factories.RegisteredAddressFactory(
        relying_party=by_oidc, use=Use.LOGGED_OUT, address="https://bye.crm.example/"
    )
    response = somebody.get("/sso/group/demoaws", {"group": group.pk})

    page = somebody.get(response.headers["Location"])

    assert set(directives(page)["form-action"]) == {
        "'self'",
        "https://demoaws.crm.example",
        "https://begin.crm.example",
        "https://end.crm.example",
    }


def test_oidc_sign_in_as_somebody_else_may_pass_every_origin_too(pop, by_oidc, signed_in, agent):
    groups.Agent.objects.filter(pk=agent.pk).update(all_clients=False)
    page = pop().content.decode()
    way_on = re.search(r'href="(/sso/sign-in[^"]+)"', page).group(1).replace("&amp;", "&")

    allowed = directives(signed_in.get(way_on))["form-action"]

    assert {"https://begin.crm.example", "https://end.crm.example"} <= set(allowed)


def test_stranger_learns_no_origins_of_a_client_of_other_groups(somebody, by_oidc, other_group):
    response = somebody.get("/sso/group/demoaws", {"group": other_group.pk})

    page = somebody.get(response.headers["Location"])

    assert directives(page)["form-action"] == ["'self'"]


@pytest.mark.usefixtures("step_by_step")  # which is found out by one statement where there are functions
@pytest.mark.django_db(transaction=True)
def test_oidc_costs_one_select_more_than_a_redirect(pop, by_oidc):
    with Statements(connection) as sent:
        pop()

    assert sent.by_kind == {"SELECT": 2, "INSERT": 2}


# --- signed ----------------------------------------------------------------------------------------------------------


def test_signed_posts_all_that_there_is_to_say(pop, by_signature, session, agent, group):
    claims = login_in(pop(**CALL)).claims

    assert (claims["iss"], claims["aud"]) == ("http://localhost:8000", by_signature.identifier)
    assert (claims["sub"], claims["preferred_username"]) == (agent.subject, "alice")
    assert claims["group"] == {"id": group.pk, "code": "northwind", "name": "Northwind"}
    assert (claims["departments"], claims["campaigns"]) == ([1], "all")
    assert claims["call"] == {name: CALL[name] for name in ("did", "cid", "call_id", "campaign_id")}
    assert (claims["destination"], claims["sid"], claims["amr"]) == ("crm:home", session.sid, session.methods)


def test_signed_is_worth_a_minute_and_has_an_id(pop, by_signature):
    claims = login_in(pop()).claims

    assert claims["exp"] - claims["iat"] == 60
    assert claims["jti"] == LoginToken.objects.get().trace


def test_signed_twice_has_two_ids(pop, by_signature):
    assert login_in(pop()).claims["jti"] != login_in(pop()).claims["jti"]


def test_signed_is_no_id_token_of_a_sign_in(pop, by_signature):
    assert login_in(pop()).header["typ"] == "login+jwt"


def test_signed_goes_to_the_login_address_and_no_further(pop, by_signature):
    response = pop()

    assert 'action="https://demoaws.crm.example/login"' in response.content.decode()
    assert set(directives(response)["form-action"]) == {"'self'", "https://demoaws.crm.example"}
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"


def test_signed_leaves_a_token_that_nobody_can_redeem(pop, by_signature, caller):
    response = pop()

    token = LoginToken.objects.get()
    assert (token.kind, token.redeemed_at) == (Kind.SIGNED, None)
    assert "lt_" not in response.content.decode()
    assert Event.objects.get().details["kind"] == "signed"


def test_signed_remembers_whom_to_tell_of_the_log_out(pop, by_signature, session):
    RelyingParty.objects.update(backchannel_logout_uri="https://demoaws.crm.example/logged-out")

    pop()

    assert Handoff.objects.get().session == session


@pytest.mark.usefixtures("step_by_step")
@pytest.mark.django_db(transaction=True)
def test_signed_costs_two_selects_more_than_a_redirect_and_one_for_the_key(pop, by_signature):
    pop()  # makes the first key

    with Statements(connection) as sent:
        pop()

    assert sent.by_kind == {"SELECT": 4, "INSERT": 2}


# --- Which system of the client --------------------------------------------------------------------------------------


def test_receiver_is_the_one_that_is_marked(client_company, by_oidc):
    marked = factories.RelyingPartyFactory(
        client=client_company,
        receives_agents=True,
        initiate_login_uri="https://other.crm.example/start",
        secret="",
    )
    client_company.refresh_from_db()

    assert receiver_of(client_company) == marked


def test_receiver_is_the_only_one_that_can_begin_a_sign_in(client_company, by_oidc):
    factories.RelyingPartyFactory(client=client_company, secret="")
    client_company.refresh_from_db()

    assert receiver_of(client_company) == by_oidc


@pytest.mark.parametrize(
    "act",
    [
        lambda party: RelyingParty.objects.update(is_active=False),
        lambda party: RelyingParty.objects.update(initiate_login_uri=""),
        lambda party: factories.RelyingPartyFactory(
            client=party.client, initiate_login_uri=BEGINS_AT, secret=""
        ),
        lambda party: factories.RelyingPartyFactory(client=party.client, receives_agents=True, secret=""),
    ],
    ids=["switched-off", "no-address", "two-of-them", "marked-one-without-address"],
)
def test_client_without_a_receiver_refuses_and_says_what_is_missing(pop, by_oidc, agent, act):
    act(by_oidc)

    response = pop()

    event = Event.objects.get()
    assert (response.status_code, LoginToken.objects.exists()) == (403, False)
    assert "not set up to receive agents" in words_of(response)
    assert (event.action, event.reason, event.client) == ("login.issue", "client_unavailable", "demoaws")
    assert (event.agent, event.group_id) == (agent.subject, agent.group_id)
    assert event.details["detail"] == "no relying party receives agents"


def test_signed_without_a_system_to_sign_for_is_refused(pop, client_company):
    hands_off(client_company, groups.HandOff.SIGNED)

    assert pop().status_code == 403


@pytest.mark.parametrize("stop", STOPPED_AGENTS + CLOSED_CLIENTS, ids=name_of)
@pytest.mark.parametrize("way", ["by_oidc", "by_signature"])
def test_agent_who_may_not_enter_is_refused_for_that(request, pop, agent, entitlement, stop, way):
    request.getfixturevalue(way)
    stop.act(agent, entitlement)

    assert pop().status_code == 403
    assert Event.objects.get().details["detail"] == stop.why
    assert not LoginToken.objects.exists()


# --- Logins that software asked for ----------------------------------------------------------------------------------


@pytest.fixture
def ask(group):
    """Ask for Bob's login over the SSO API of the group's platform."""
    factories.PlatformKeyFactory(group=group, secret=factories.PLATFORM_KEY)
    factories.AddressRuleFactory(group=group, network="127.0.0.1/32")

    def send():
        body = {"username": "bob", "fullname": "Bob", "department_id": 1, "campaign_id": "2"}
        return Client(HTTP_HOST=PORTAL).post(
            "/api/sso/demoaws",
            body,
            content_type="application/json",
            headers={"Platform-Key": factories.PLATFORM_KEY},
        )

    return send


def open_in(browser, url: str):
    return browser.get(url.removeprefix("http://localhost:8000"))


@pytest.mark.parametrize("way", ["by_oidc", "by_signature"])
def test_software_gets_the_address_of_the_entrance(request, ask, way):
    request.getfixturevalue(way)

    assert ask().json()["url"].startswith("http://localhost:8000/sso/enter?token=lt_")


def test_software_hears_that_nobody_receives_agents(ask, client_company):
    hands_off(client_company, groups.HandOff.SIGNED)

    answer = ask()

    assert (answer.status_code, answer.json()["descriptor"]) == (403, "client_unavailable")
    assert not groups.Agent.objects.filter(username="bob").exists()


def test_entrance_hands_off_signed_and_narrowed(ask, by_signature, somebody):
    claims = login_in(open_in(somebody, ask().json()["url"])).claims

    assert (claims["preferred_username"], claims["departments"], claims["campaigns"]) == ("bob", [1], [2])
    assert "sid" not in claims
    assert "auth_time" not in claims


def test_entrance_launches_and_the_agent_signs_in(ask, by_oidc, somebody, group):
    asked = begun(open_in(somebody, ask().json()["url"]))

    response = somebody.get("/oauth/authorize", authorization(by_oidc, asked["login_hint"]))

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")
    assert not somebody.cookies.get("agent_session")


def test_entrance_of_an_agent_who_is_signed_in_brings_departments_and_campaigns(
    by_oidc, issue_to_alice, signed_in
):
    entrance = issue_to_alice(kind=Kind.ENTRANCE, departments=[1], campaigns=[2])
    asked = begun(open_in(signed_in, address_of(entrance.client, secret=entrance.secret)))

    signed_in.get("/oauth/authorize", authorization(by_oidc, asked["login_hint"]))

    code = LoginToken.objects.get(kind=Kind.CODE)
    assert (code.departments, code.campaigns) == ([1], [2])


@pytest.mark.parametrize("way", ["by_oidc", "by_signature"])
def test_entrance_opens_once(request, ask, somebody, way):
    request.getfixturevalue(way)
    url = ask().json()["url"]
    open_in(somebody, url)

    assert open_in(somebody, url).status_code == 400
