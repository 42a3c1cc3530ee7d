"""The pop (wire.md, section 1), as telephone systems and browsers open it."""

import re
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.db.models import F
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import Event, Outcome
from groups import models as groups
from groups.targets import unseal
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, name_of
from tokens.models import Kind, LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

HOSTILE = "<script>alert(1)</script>\"'&amp;"


@pytest.fixture
def pop(signed_in, group):
    """Open a pop in Alice's browser."""

    def open_one(subdomain="demoaws", headers=None, **query):
        return signed_in.get(f"/sso/group/{subdomain}", {"group": group.pk} | query, headers=headers)

    return open_one


def text_of(response) -> str:
    """What a person reads on the page."""
    body = response.content.decode().partition("<body")[2]
    return " ".join(unescape(strip_tags(body)).split())


def directives(response) -> dict[str, list[str]]:
    """The page's content security policy."""
    policy = response.headers["Content-Security-Policy"]
    return {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}


def target_of(response):
    """Where the sign-in page would send the agent on to."""
    return unseal(parse_qs(urlsplit(response.headers["Location"]).query)["to"][0])


def nothing_minted() -> bool:
    return not LoginToken.objects.exists()


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


# --- Nobody signed in ------------------------------------------------------------------------------------------------


def test_pop_without_a_session_goes_to_the_sign_in_page(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk})

    assert response.status_code == 303
    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")
    assert nothing_minted()


def test_pop_without_a_session_carries_its_address_with_the_query(client, group):
    address = f"/sso/group/demoaws?group={group.pk}&did=%2B15550100&call_id=a%26b"

    response = client.get(address)

    assert target_of(response).path == address


def test_pop_without_a_session_tells_the_sign_in_page_two_digits_of_the_caller(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk, "cid": "+15550199"})

    assert target_of(response).caller_tail == "99"
    assert target_of(response).client == "demoaws"


def test_pop_without_a_session_carries_its_reference_and_when_it_was(client, group):
    response = client.get("/sso/group/demoaws", {"group": group.pk})

    target = target_of(response)
    assert target.reference == response.headers["X-Request-Id"]
    assert timezone.now() - datetime.fromisoformat(target.at) < timedelta(seconds=30)


@pytest.mark.usefixtures("agent")
def test_sign_in_on_the_way_to_a_pop_says_which(client, group):
    popped = client.get("/sso/group/demoaws", {"group": group.pk})
    target = target_of(popped)
    page = popped.headers["Location"]

    client.post(page, {"username": "alice", "password": "wrong"})
    client.post(page, {"username": "alice", "password": factories.PASSWORD})

    pop = {"reference": target.reference, "at": target.at, "client": "demoaws"}
    events = Event.objects.filter(action="agent.sign_in").order_by("pk")
    assert [(event.outcome, event.details["pop"]) for event in events] == [("refused", pop), ("ok", pop)]


@pytest.mark.usefixtures("agent")
def test_sign_in_on_the_way_to_no_pop_says_none(client, group):
    page = client.get("/sso/group", {"group": group.pk}).headers["Location"]

    client.post(page, {"username": "alice", "password": factories.PASSWORD})

    assert "pop" not in Event.objects.get(action="agent.sign_in").details


def test_choosing_a_password_on_the_way_to_a_pop_says_which(client, group, agent):
    groups.Agent.objects.filter(pk=agent.pk).update(must_choose_password=True)
    popped = client.get("/sso/group/demoaws", {"group": group.pk})
    proved = client.post(popped.headers["Location"], {"username": "alice", "password": factories.PASSWORD})

    new = {"new_password": "a brand new phrase 7", "repeated": "a brand new phrase 7"}
    client.post(proved.headers["Location"], new)

    event = Event.objects.get(action="agent.sign_in")
    assert event.details["pop"]["reference"] == target_of(popped).reference


def test_pop_after_signing_in_goes_straight_on(client, group, agent):
    page = client.get("/sso/group/demoaws", {"group": group.pk, "did": "7"}).headers["Location"]

    signed_in = client.post(page, {"username": "alice", "password": factories.PASSWORD})
    response = client.get(signed_in.headers["Location"])

    assert response.headers["Location"].startswith("https://demoaws.crm.example/login?token=")
    assert LoginToken.objects.get().did == "7"


def test_pop_with_a_cookie_of_nobody_goes_to_the_sign_in_page(client, group):
    client.cookies[settings.AGENT_COOKIE_NAME] = "as_forged"

    assert (
        client.get("/sso/group/demoaws", {"group": group.pk}).headers["Location"].startswith("/sso/sign-in")
    )


@pytest.mark.parametrize(
    "ended",
    [
        {"ended_at": timezone.now(), "end_reason": "signed_out"},
        {"idle_at": timezone.now() - timedelta(seconds=1)},
        {
            "ends_at": timezone.now() - timedelta(seconds=1),
            "started_at": timezone.now() - timedelta(hours=12),
        },
    ],
    ids=["ended", "idle", "past-its-longest"],
)
def test_pop_with_a_session_that_is_over_goes_to_the_sign_in_page(pop, session, ended):
    groups.AgentSession.objects.filter(pk=session.pk).update(**ended)

    response = pop()

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/sso/sign-in?")
    assert nothing_minted()


def test_pop_with_a_session_of_another_group_goes_to_the_asked_groups_sign_in_page(
    pop, other_group, client_company
):
    factories.EntitlementFactory(group=other_group, client=client_company)

    response = pop(group=other_group.pk)

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={other_group.pk}&to=")
    assert nothing_minted()


# --- POST ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def telephone_system() -> Client:
    """Software that knows no CSRF token."""
    return Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)


def test_pop_by_post_goes_to_the_same_address_by_get(telephone_system, group):
    response = telephone_system.post(f"/sso/group/demoaws?group={group.pk}", {"did": "+1", "cid": "2"})

    address = urlsplit(response.headers["Location"])
    assert (response.status_code, address.netloc, address.path) == (303, "", "/sso/group/demoaws")
    assert parse_qs(address.query) == {"group": [str(group.pk)], "did": ["+1"], "cid": ["2"]}


def test_pop_by_post_with_the_group_in_the_body_works(telephone_system, group):
    response = telephone_system.post("/sso/group/demoaws", {"group": group.pk})

    assert response.headers["Location"] == f"/sso/group/demoaws?group={group.pk}"


@pytest.mark.parametrize(
    ("query", "body"), [("did=1", "did=2"), ("did=1", "did=1"), ("", "did=1&did=2"), ("did=1&did=2", "")]
)
def test_pop_by_post_with_a_name_twice_is_refused(telephone_system, group, query, body):
    response = telephone_system.post(
        f"/sso/group/demoaws?group={group.pk}&{query}", body, content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code == 400
    assert "did" in text_of(response)


def test_pop_by_post_mints_nothing_even_when_signed_in(signed_in, group):
    signed_in.post("/sso/group/demoaws", {"group": group.pk})

    assert nothing_minted()
    assert not Event.objects.exists()


def test_pop_by_post_then_get_enters(signed_in, group):
    response = signed_in.post("/sso/group/demoaws/", {"group": group.pk, "did": "7"}, follow=False)

    assert signed_in.get(response.headers["Location"]).status_code == 303
    assert LoginToken.objects.get().did == "7"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_pop_by_another_method_is_refused(signed_in, group, method):
    response = getattr(signed_in, method)(f"/sso/group/demoaws?group={group.pk}")

    assert response.status_code == 405
    assert nothing_minted()


# --- No navigation ---------------------------------------------------------------------------------------------------

NO_NAVIGATION = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    *({"Sec-Fetch-Mode": mode} for mode in ("cors", "no-cors", "same-origin", "websocket")),
    *(
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest}
        for dest in ("empty", "image", "script", "style", "object", "embed", "frame", "worker")
    ),
    {"Sec-Fetch-Dest": "image"},
]


@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=lambda headers: ",".join(headers.values()))
def test_pop_that_is_no_navigation_answers_nothing(pop, headers):
    response = pop(headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert nothing_minted()
    assert not Event.objects.exists()


def test_pop_by_head_answers_nothing(signed_in, group):
    response = signed_in.head("/sso/group/demoaws", {"group": group.pk})

    assert response.status_code == 204
    assert "Location" not in response.headers
    assert nothing_minted()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Dest": "document"},
    ],
)
def test_pop_that_is_a_navigation_enters(pop, headers):
    assert "?token=" in pop(headers=headers).headers["Location"]


# --- In a frame ------------------------------------------------------------------------------------------------------

FRAMED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


def test_framed_pop_offers_the_same_address_in_a_tab(pop, group):
    response = pop(headers=FRAMED, did="+15550100")

    (link,) = re.findall(r"<a class=\"button[^>]*>", response.content.decode())
    assert response.status_code == 200
    assert f'href="/sso/group/demoaws?group={group.pk}&amp;did=%2B15550100"' in link
    assert 'target="_blank"' in link


def test_framed_pop_may_be_framed_by_any_site(pop):
    response = pop(headers=FRAMED)

    assert "X-Frame-Options" not in response.headers
    assert directives(response)["frame-ancestors"] == ["http:", "https:"]


def test_framed_pop_mints_nothing(pop):
    pop(headers=FRAMED)

    assert nothing_minted()


def test_framed_pop_looks_alike_for_every_client(pop):
    known, unknown = text_of(pop(headers=FRAMED)), text_of(pop("nosuch", headers=FRAMED))

    assert known.replace("demoaws", "") == unknown.replace("nosuch", "")


def test_framed_pop_that_cannot_be_read_is_refused(pop):
    assert pop(headers=FRAMED, did="\x00").status_code == 400


def test_framed_pop_escapes_its_address(signed_in, group):
    response = signed_in.get(f'/sso/group/demoaws?group={group.pk}&x="><script>', headers=FRAMED)

    assert b'"><script>' not in response.content


def test_pop_outside_a_frame_may_not_be_framed(pop):
    assert directives(pop("nosuch"))["frame-ancestors"] == ["'none'"]


# --- What cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "",
        "group=",
        "group=21&group=21",
        "group=21&group=22",
        "group=abc",
        "group=-1",
        "group=%2B21",
        "group=21.0",
        "group=0x15",
        "group=1e3",
        "group=21,22",
        "group=%2021",
        "group=21%20",
        "group=1234567890",
        "group=%EF%BC%92%EF%BC%91",  # full-width digits
        "group=%D9%A2%D9%A1",  # Arabic digits
        "group=%00",
        "group[]=21",
    ],
)
def test_pop_whose_group_cannot_be_read_is_refused(signed_in, query):
    response = signed_in.get(f"/sso/group/demoaws?{query}")

    assert response.status_code == 400
    assert nothing_minted()


def test_pop_for_an_unknown_group_is_a_page_that_says_so(pop):
    response = pop(group=999_999_999)

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_pop_for_an_inactive_group_looks_like_an_unknown_one(pop, group):
    unknown = pop(group=999_999_999)
    groups.Group.objects.filter(pk=group.pk).update(is_active=False)

    inactive = pop()

    assert inactive.status_code == 404
    assert without_reference(inactive) == without_reference(unknown)


def test_pop_for_an_inactive_group_without_a_session_is_not_found(client, group):
    groups.Group.objects.filter(pk=group.pk).update(is_active=False)

    assert client.get("/sso/group/demoaws", {"group": group.pk}).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("did", "1" * 65),
        ("cid", "1" * 65),
        ("call_id", "1" * 129),
        ("campaign_id", "1" * 65),
        ("destination", "a" * 65),
        ("did", "1\x002"),
        ("did", "1\n2"),
        ("did", "1\x7f2"),
        ("did", "1\x852"),
        ("call_id", "1\u20282"),
        ("cid", "\u202e1"),
        ("call_id", "\u2066x"),
        ("campaign_id", "1\u200f"),
        ("destination", "https://evil.example/"),
        ("destination", "//evil.example"),
        ("destination", "a b"),
        ("destination", "<b>"),
    ],
)
def test_pop_with_a_value_that_cannot_be_meant_is_refused(pop, name, value):
    response = pop(**{name: value})

    assert response.status_code == 400
    assert nothing_minted()


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id"])
def test_pop_with_the_longest_value_works(pop, name):
    longest = 128 if name == "call_id" else 64

    assert pop(**{name: "1" * longest}).status_code == 303


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id", "destination"])
def test_pop_with_a_name_twice_is_refused_by_name(pop, name):
    response = pop(**{name: ["1", "2"]})

    assert response.status_code == 400
    assert name in text_of(response)


def test_pop_that_cannot_be_read_is_recorded(pop):
    response = pop(did="\x01")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "malformed")
    assert event.reference == response.headers["X-Request-Id"]


# --- Placeholders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["@Call.ANI@", "{{Contact.Phone}}", "{{ Contact.Phone }}", "{ani}", "{Call ANI}", "%ani%", "%CALL_ID%"],
)
def test_pop_with_a_placeholder_takes_it_as_absent_and_records_it(pop, value):
    pop(cid=value, did="+15550100")

    token, event = LoginToken.objects.get(), Event.objects.get()
    assert (token.cid, token.did) == ("", "+15550100")
    assert event.details["placeholders"] == ["cid"]
    assert "cid" not in event.details["call"]


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id", "destination"])
def test_pop_with_a_placeholder_in_any_value_enters(pop, name):
    response = pop(**{name: "@Call.Field@"})

    assert response.status_code == 303
    assert getattr(LoginToken.objects.get(), name) == ""


@pytest.mark.parametrize("raw", ["%ani%", "%caller%", "%dnis%", "%campaign%", "%CALL_ID%"])
def test_pop_with_a_percent_placeholder_that_nobody_encoded_takes_it_as_absent(signed_in, group, raw):
    """`%ca…` happens to read as an encoded byte."""
    signed_in.get(f"/sso/group/demoaws?group={group.pk}&cid={raw}")

    assert LoginToken.objects.get().cid == ""


@pytest.mark.parametrize("value", ["+15550100", "50%", "a@b.example", "sip:alice@pbx", "100 % sure", "O{"])
def test_pop_with_an_ordinary_value_keeps_it(pop, value):
    pop(call_id=value)

    assert LoginToken.objects.get().call_id == value
    assert "placeholders" not in Event.objects.get().details


# --- Refusals --------------------------------------------------------------------------------------------------------


def without_reference(response) -> str:
    return text_of(response).replace(response.headers["X-Request-Id"], "")


def test_pop_to_an_unknown_client_looks_like_one_without_entitlement(pop):
    factories.ClientFactory(subdomain="acme", name="Acme Industries")

    foreign, unknown = pop("acme"), pop("nosuch")

    assert (foreign.status_code, unknown.status_code) == (403, 403)
    assert without_reference(foreign).replace("acme", "·") == without_reference(unknown).replace(
        "nosuch", "·"
    )


def test_pop_to_a_client_without_entitlement_does_not_tell_its_name(pop):
    factories.ClientFactory(subdomain="acme", name="Acme Industries")

    assert "Acme Industries" not in text_of(pop("acme"))


def test_pop_to_an_unknown_and_a_foreign_client_is_recorded_alike(pop):
    factories.ClientFactory(subdomain="acme")

    pop("acme")
    pop("nosuch")

    foreign, unknown = Event.objects.order_by("pk")
    assert (foreign.reason, foreign.details) == (unknown.reason, unknown.details)
    assert (foreign.client, unknown.client) == ("acme", "nosuch")


@pytest.mark.parametrize("stop", STOPPED_AGENTS + CLOSED_CLIENTS, ids=name_of)
def test_pop_of_somebody_who_may_not_enter_is_refused(pop, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = pop()

    event = Event.objects.get()
    assert response.status_code == 403
    assert (event.outcome, event.reason, event.details["detail"]) == (Outcome.REFUSED, stop.code, stop.why)
    assert nothing_minted()


def test_refused_pop_shows_who_where_and_a_reference_that_the_log_knows(pop, client_company):
    groups.Client.objects.update(is_paused=True)

    response = pop()

    reference = re.search(r'ticket__number"[^>]*>([^<]+)<', response.content.decode()).group(1).strip()
    page = text_of(response)
    assert Event.objects.get().reference == reference == response.headers["X-Request-Id"]
    assert all(name in page for name in ("Alice Ames", "Northwind", "Demo AWS"))


def test_refused_pop_names_agent_group_and_client_in_the_event(pop, agent, group):
    groups.Client.objects.update(is_paused=True)

    pop()

    event = Event.objects.get()
    assert (event.agent, event.group_id, event.client) == (agent.subject, group.pk, "demoaws")
    assert event.actor == f"agent:{agent.subject}"


def test_refused_pop_offers_to_sign_in_as_somebody_else_with_the_call_kept(pop, group):
    groups.Client.objects.update(is_paused=True)

    response = pop(did="7")

    (link,) = re.findall(r'href="(/sso/sign-in[^"]+)"', response.content.decode())
    target = unseal(parse_qs(urlsplit(unescape(link)).query)["to"][0])
    assert target.path == f"/sso/group/demoaws?group={group.pk}&did=7"


def test_refused_pop_is_never_stored(pop):
    assert pop("nosuch").headers["Cache-Control"] == "no-store"


def test_refused_pop_escapes_hostile_names(pop, agent):
    groups.Client.objects.update(is_paused=True, name=HOSTILE)
    groups.Group.objects.update(name=HOSTILE)
    groups.Agent.objects.update(full_name=HOSTILE)

    response = pop()

    assert response.status_code == 403
    assert "<script>alert" not in response.content.decode()
    assert text_of(response).count("alert(1)") >= 3


@pytest.mark.parametrize("subdomain", ["%3Cscript%3E", "a_b", "demoaws.evil", "x" * 64, "д"])
def test_pop_to_what_is_no_subdomain_is_not_found(pop, subdomain):
    response = pop(subdomain)

    assert response.status_code == 404
    assert "<script>" not in response.content.decode().partition("<body")[2].replace("<script type", "")


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


# --- Form post -------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_form_post(client_company):
    """demoaws receives its agents by form post."""
    groups.Client.objects.filter(pk=client_company.pk).update(
        hand_off=groups.HandOff.FORM_POST, further_origins="https://sso.crm.example"
    )


@pytest.mark.usefixtures("by_form_post")
def test_form_post_hands_the_token_to_the_login_address(pop):
    page = pop().content.decode()

    secret = re.search(r'<input type="hidden" name="token" value="([^"]+)">', page).group(1)
    assert LoginToken.objects.get().digest == digest_of(secret)
    assert re.search(r'<form[^>]*method="post"[^>]*action="https://demoaws.crm.example/login"', page)
    assert '<button class="button' in page


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_may_post_to_the_clients_origins(pop):
    allowed = directives(pop())["form-action"]

    assert set(allowed) == {"'self'", "https://demoaws.crm.example", "https://sso.crm.example"}


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_is_never_stored_and_tells_its_origin_alone(pop):
    response = pop()

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin"


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_has_no_inline_script(pop):
    page = pop().content.decode()

    assert re.findall(r"<script[^>]*>", page) == re.findall(r"<script[^>]*src=\"/static/[^>]*>", page)
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style", page)


@pytest.mark.usefixtures("by_form_post")
def test_form_post_page_escapes_a_hostile_name(pop):
    groups.Client.objects.update(name=HOSTILE)

    page = pop().content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_redirect_leaves_the_policy_as_it_is(pop):
    assert directives(pop("nosuch"))["form-action"] == ["'self'"]


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
