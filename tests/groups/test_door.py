"""The group's door over HTTP: the sign-in page, and the way straight on to where the agent was going."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.core import signing
from django.db.models.functions import Now
from django.test import Client

from accounts.models import Event
from groups.models import Agent, AgentSession, EndReason
from groups.standing import give_activation_code, set_status
from groups.targets import Target, seal
from tests import factories
from tests.conftest import PORTAL
from tests.factories import PASSWORD
from tests.groups.conftest import WRONG_PASSWORD

pytestmark = pytest.mark.django_db
POP = "/sso/group/demoaws?group={}&cid=%2B15550199"
CHOSEN = "seven purple lanterns"


@pytest.fixture
def target(group) -> str:
    """Where the telephone system wanted to go."""
    return POP.format(group.pk)


@pytest.fixture
def to(target) -> str:
    """The target as the sign-in page carries it."""
    return "&to=" + quote(seal(Target(target, "demoaws", "99")))


@pytest.fixture
def sign_in_page(client, group):
    return lambda query="", browser=client: browser.get(f"/sso/sign-in?group={group.pk}{query}")


@pytest.fixture
def session(agent, client, post_sign_in) -> AgentSession:
    """Alice is signed in, in this browser."""
    post_sign_in()
    return AgentSession.objects.get()


def go_idle() -> None:
    AgentSession.objects.update(idle_at=Now())


def action_of(response) -> str:
    """Where the form of this page is sent."""
    (action,) = re.findall(r'<form class="form" method="post" action="([^"]*)"', response.content.decode())
    return action.replace("&amp;", "&")


# --- The page ----------------------------------------------------------------------------------------------------


def test_sign_in_page_opens_for_anybody(sign_in_page):
    response = sign_in_page()

    assert response.status_code == 200
    assert b"Northwind" in response.content


def test_sign_in_page_tolerates_a_slash(client, group):
    assert client.get(f"/sso/sign-in/?group={group.pk}").status_code == 200


def test_sign_in_page_without_a_group_asks_which(client):
    response = client.get("/sso/sign-in")

    assert response.status_code == 200
    assert b'name="group"' in response.content


@pytest.mark.parametrize(
    "query",
    [
        "group=21&group=21",
        "group=x",
        "group=",
        "group=-1",
        "group=1.0",
        "group=٣",
        "group=1234567890",
        "group=+1",
    ],
)
@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_group_that_is_no_number_given_once_is_400(client, path, query):
    response = client.get(f"{path}?{query}")

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_unknown_group_is_404(client, path):
    assert client.get(f"{path}?group=999999999").status_code == 404


@pytest.mark.parametrize("path", ["/sso/sign-in", "/sso/group", "/sso/password"])
def test_inactive_group_is_404(client, group, path):
    type(group).objects.update(is_active=False)

    assert client.get(f"{path}?group={group.pk}").status_code == 404


def test_page_says_who_waits(sign_in_page, to, entitlement):
    response = sign_in_page(to).content.decode()

    assert "Next: Demo AWS" in response
    assert "…99" in response


def test_page_tells_a_stranger_nothing_of_a_client_without_entitlement(sign_in_page, to, client_company):
    response = sign_in_page(to).content.decode()

    assert "Demo AWS" not in response
    assert "…99" not in response


def form_action_of(response) -> str:
    (directive,) = [d for d in response["Content-Security-Policy"].split(";") if "form-action" in d]
    return directive.strip()


def test_form_may_end_at_the_waiting_client_and_its_further_origins(sign_in_page, to, entitlement):
    type(entitlement.client).objects.update(further_origins="https://app.example")

    assert (
        form_action_of(sign_in_page(to))
        == "form-action 'self' https://app.example https://demoaws.crm.example"
    )


def test_form_may_end_here_only_when_the_client_is_not_the_groups(sign_in_page, to, client_company):
    assert form_action_of(sign_in_page(to)) == "form-action 'self'"


def test_form_may_end_here_only_when_nobody_waits(sign_in_page):
    assert form_action_of(sign_in_page()) == "form-action 'self'"


# --- Signing in --------------------------------------------------------------------------------------------------


def test_sign_in_goes_straight_to_the_target(agent, post_sign_in, target, to):
    response = post_sign_in(query=to)

    assert (response.status_code, response["Location"]) == (303, target)


def test_sign_in_without_a_target_goes_to_the_launcher(agent, post_sign_in, group):
    response = post_sign_in()

    assert (response.status_code, response["Location"]) == (303, f"/sso/group?group={group.pk}")


@pytest.mark.parametrize(
    "forge",
    [
        lambda: "",
        lambda: "https://evil.example/",
        lambda: "//evil.example",
        lambda: "/sso/group/demoaws?group=1",
        lambda: signing.dumps({"path": "https://evil.example/"}, salt="another"),
        lambda: signing.dumps({"path": "https://evil.example/"}, key="another", salt="agent.target"),
        lambda: signing.dumps({"url": "https://evil.example/"}, salt="agent.target"),
    ],
)
def test_forged_target_leads_to_the_launcher(agent, post_sign_in, group, forge):
    response = post_sign_in(query=f"&to={quote(forge())}")

    assert response["Location"] == f"/sso/group?group={group.pk}"


@pytest.mark.parametrize("name", ["next", "url", "redirect_uri", "target"])
def test_sign_in_is_not_steered_by_other_names(agent, post_sign_in, group, name):
    response = post_sign_in(query=f"&{name}=https://evil.example/")

    assert response["Location"] == f"/sso/group?group={group.pk}"


def test_wrong_password_shows_the_form_again_with_the_target(
    agent, post_sign_in, to, entitlement, client, target
):
    response = post_sign_in(WRONG_PASSWORD, query=to)

    assert response.status_code == 200
    assert b"do not match" in response.content
    again = client.post(action_of(response), {"username": "alice", "password": PASSWORD})
    assert again["Location"] == target


def test_wrong_password_keeps_the_name_and_not_the_password(agent, post_sign_in):
    response = post_sign_in(WRONG_PASSWORD).content.decode()

    assert 'value="alice"' in response
    assert WRONG_PASSWORD not in response


def test_wrong_password_is_recorded_with_its_private_reason(agent, post_sign_in):
    response = post_sign_in(WRONG_PASSWORD)

    event = Event.objects.get(action="agent.sign_in")
    assert (event.outcome, event.reason, event.details["why"]) == ("refused", "wrong_credentials", "wrong")
    assert event.reference == response["X-Request-Id"]


def test_lock_out_is_recorded_with_its_private_reason(agent, post_sign_in, lock):
    lock(agent)

    post_sign_in()

    assert Event.objects.get(action="agent.sign_in").details["why"] == "locked"


def test_events_never_hold_the_password(agent, post_sign_in):
    post_sign_in(WRONG_PASSWORD)

    assert not Event.objects.filter(details__icontains=WRONG_PASSWORD).exists()


@pytest.mark.parametrize(
    "fields", [{}, {"username": "alice"}, {"password": PASSWORD}, {"username": "\x00", "password": "x"}]
)
def test_form_that_is_not_filled_in_is_shown_again(agent, client, group, fields):
    assert client.post(f"/sso/sign-in?group={group.pk}", fields).status_code == 200
    assert not AgentSession.objects.exists()


def test_too_many_tries_from_an_address_are_429(agent, post_sign_in, limit_a_minute):
    limit_a_minute("sign-in address", 0)

    response = post_sign_in()

    assert response.status_code == 429
    assert response["Retry-After"] == "60"


# --- The form's own protection -----------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Client:
    """A browser that is asked for a CSRF token."""
    return Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)


def test_stale_form_is_shown_again_with_the_target(agent, strict, post_sign_in, to, entitlement, target):
    response = post_sign_in(query=to, browser=strict)

    assert response.status_code == 403
    assert "Next: Demo AWS" in response.content.decode()
    token = strict.cookies["csrf"].value
    fields = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert strict.post(action_of(response), fields)["Location"] == target


def test_stale_form_signs_nobody_in(agent, strict, post_sign_in):
    post_sign_in(browser=strict)

    assert not AgentSession.objects.exists()


def test_stale_form_keeps_the_name(agent, strict, post_sign_in):
    assert b'value="alice"' in post_sign_in(browser=strict).content


def test_stale_form_of_an_unknown_group_is_404(strict):
    response = strict.post("/sso/sign-in?group=999999999", {"username": "alice", "password": PASSWORD})

    assert response.status_code == 404


def test_stale_sign_out_says_what_to_do_and_ends_nothing(agent, session, client):
    strict = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)
    strict.cookies["agent"] = client.cookies["agent"].value

    response = strict.post("/sso/sign-out")

    assert response.status_code == 403
    assert b"reload it" in response.content
    assert AgentSession.objects.live().exists()


# --- The cookie --------------------------------------------------------------------------------------------------


def test_agents_cookie_is_kept_to_this_host_and_from_scripts(agent, post_sign_in):
    cookie = post_sign_in().cookies["agent"]

    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["max-age"]) == ("Lax", "/", "", "")


@pytest.mark.parametrize("name", ["csrf", "agent_pending"])
def test_other_cookies_of_the_door_are_kept_likewise(group, client, caller, name):
    agent = factories.AgentFactory(group=group, username="alice", password="")
    code = give_activation_code(agent, by="test", caller=caller)
    client.post(f"/sso/sign-in?group={group.pk}", {"username": "alice", "password": code}, follow=True)

    cookie = client.cookies[name]
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")


def test_cookie_planted_before_signing_in_is_worthless(agent, client, post_sign_in):
    client.cookies["agent"] = "as_planted"

    post_sign_in()

    assert client.cookies["agent"].value != "as_planted"


def test_cookie_from_before_signing_in_again_is_worthless(agent, session, client, post_sign_in, group):
    thief = Client(HTTP_HOST=PORTAL)
    thief.cookies["agent"] = client.cookies["agent"].value

    post_sign_in()

    assert thief.get(f"/sso/group?group={group.pk}").status_code == 303


def test_door_sets_no_administrators_cookie(agent, post_sign_in, client):
    post_sign_in()

    assert "administrator" not in client.cookies


# --- Who is signed in already ------------------------------------------------------------------------------------


def test_signed_in_agent_goes_straight_on(session, sign_in_page, target, to):
    response = sign_in_page(to)

    assert (response.status_code, response["Location"]) == (303, target)


def test_switch_asks_even_a_signed_in_agent(session, sign_in_page):
    response = sign_in_page("&switch=1")

    assert response.status_code == 200
    assert b'name="username"' in response.content


def test_switch_to_another_agent_replaces_the_session(session, group, post_sign_in):
    factories.AgentFactory(group=group, username="bob")

    post_sign_in(username="bob", query="&switch=1")

    assert AgentSession.objects.live().get().agent.username == "bob"
    session.refresh_from_db()
    assert session.end_reason == "switched"


def test_signing_in_to_another_group_replaces_the_session(session, other_group, client):
    factories.AgentFactory(group=other_group, username="alice")

    client.post(f"/sso/sign-in?group={other_group.pk}", {"username": "alice", "password": PASSWORD})

    assert AgentSession.objects.live().get().agent.group == other_group


def test_session_of_another_group_is_asked_for_name_and_password(session, other_group, client):
    response = client.get(f"/sso/sign-in?group={other_group.pk}")

    assert response.status_code == 200
    assert b"Alice" not in response.content


def test_second_tab_signs_in_after_the_first(agent, client, post_sign_in, target, to):
    post_sign_in()

    response = post_sign_in(query=to)

    assert response["Location"] == target
    assert AgentSession.objects.live().count() == 1


def test_each_tab_goes_on_to_its_own_target(agent, post_sign_in, group):
    tabs = [f"/sso/group/demoaws?group={group.pk}&call_id={number}" for number in (1, 2)]

    went = [post_sign_in(query="&to=" + quote(seal(Target(tab))))["Location"] for tab in tabs]

    assert went == tabs


def test_idle_session_is_asked_for_the_password_only(session, sign_in_page):
    go_idle()

    response = sign_in_page().content.decode()

    assert '<input type="hidden" name="username" value="alice"' in response
    assert "Welcome back, Alice Ames" in response


def test_idle_session_is_unlocked_by_the_password(session, client, sign_in_page, target, to):
    go_idle()

    response = client.post(action_of(sign_in_page(to)), {"username": "alice", "password": PASSWORD})

    assert response["Location"] == target
    session.refresh_from_db()
    assert session.end_reason == "renewed"


def test_idle_session_stays_locked_after_a_wrong_password(session, post_sign_in):
    go_idle()

    response = post_sign_in(WRONG_PASSWORD)

    assert b"Welcome back" in response.content
    assert not AgentSession.objects.live().exists()


def test_idle_session_may_be_left_to_somebody_else(session, sign_in_page):
    go_idle()

    response = sign_in_page("&switch=1").content.decode()

    assert "Alice" not in response
    assert 'type="text" name="username"' in response


def test_disabling_ends_the_session_at_the_next_request(session, agent, client, group, caller):
    set_status(agent, "disabled", by="test", caller=caller)

    assert client.get(f"/sso/group?group={group.pk}").status_code == 303


def test_disabled_row_alone_keeps_a_running_session_out(session, client, sign_in_page):
    Agent.objects.update(status="disabled")

    assert sign_in_page().status_code == 200


def test_session_that_was_ended_is_not_welcomed_back(session, sign_in_page):
    AgentSession.objects.end(EndReason.ENDED)

    assert b"Alice" not in sign_in_page().content


# --- Choosing a password -----------------------------------------------------------------------------------------


@pytest.fixture
def newcomer(group, client, caller, to):
    """Alice has typed her activation code; the answer that she got."""
    agent = factories.AgentFactory(group=group, username="alice", full_name="Alice Ames", password="")
    code = give_activation_code(agent, by="test", caller=caller)
    return client.post(f"/sso/sign-in?group={group.pk}{to}", {"username": "alice", "password": code})


def choose(client, address, password=CHOSEN, repeated=None):
    return client.post(address, {"new_password": password, "repeated": repeated or password})


def test_activation_code_leads_to_the_choice(newcomer, client):
    assert newcomer.status_code == 303
    assert client.get(newcomer["Location"]).status_code == 200


def test_choice_goes_straight_to_the_target(newcomer, client, target):
    response = choose(client, newcomer["Location"])

    assert (response.status_code, response["Location"]) == (303, target)
    assert AgentSession.objects.live().exists()


def test_choice_drops_the_proof(newcomer, client):
    response = choose(client, newcomer["Location"])

    assert response.cookies["agent_pending"].value == ""


@pytest.mark.parametrize(
    ("password", "repeated", "says"),
    [
        ("short", None, "too short"),
        (CHOSEN, "seven purple lantern", "differ"),
        ("password1234", None, "too common"),
        ("Alice Northwind", None, "built on a name"),
    ],
)
def test_choice_that_does_not_do_is_asked_again_with_the_target(
    newcomer, client, target, password, repeated, says
):
    response = choose(client, newcomer["Location"], password, repeated)

    assert says in response.content.decode()
    assert choose(client, action_of(response))["Location"] == target


def test_choice_of_the_present_password_is_asked_again(agent, client, post_sign_in):
    Agent.objects.update(must_choose_password=True)

    response = choose(client, post_sign_in()["Location"], PASSWORD)

    assert "password you have now" in response.content.decode()


def test_choice_without_a_proof_leads_to_the_sign_in_page(client, group, to):
    response = client.get(f"/sso/password?group={group.pk}{to}")

    assert response.status_code == 303
    assert response["Location"].startswith(f"/sso/sign-in?group={group.pk}&to=")


def test_choice_with_a_spent_proof_leads_to_the_sign_in_page(newcomer, client):
    proof = client.cookies["agent_pending"].value
    choose(client, newcomer["Location"])
    client.cookies["agent_pending"] = proof

    assert choose(client, newcomer["Location"])["Location"].startswith("/sso/sign-in?")


def test_proof_is_no_session(newcomer, client, group):
    assert client.get(f"/sso/group?group={group.pk}").status_code == 303


# --- Signing out -------------------------------------------------------------------------------------------------


def test_sign_out_page_shows_a_button_and_ends_nothing(session, client):
    response = client.get("/sso/sign-out")

    assert b'<form class="form" method="post">' in response.content
    assert AgentSession.objects.live().exists()


def test_sign_out_ends_the_session(session, client):
    response = client.post("/sso/sign-out")

    session.refresh_from_db()
    assert session.end_reason == "signed_out"
    assert response.cookies["agent"].value == ""


def test_sign_out_ends_a_session_past_its_longest(session, client):
    AgentSession.objects.update(started_at=Now() - timedelta(hours=13), ends_at=Now() - timedelta(seconds=1))

    client.post("/sso/sign-out")

    session.refresh_from_db()
    assert session.end_reason == "signed_out"


def test_sign_out_with_the_cookie_of_before_ends_what_renewed_it(session, client, post_sign_in):
    secret = client.cookies["agent"].value
    post_sign_in()
    client.cookies["agent"] = secret

    client.post("/sso/sign-out")

    assert not AgentSession.objects.filter(ended_at=None).exists()


def test_sign_out_is_recorded_once(session, client):
    secret = client.cookies["agent"].value
    client.post("/sso/sign-out")
    client.cookies["agent"] = secret
    client.post("/sso/sign-out")

    assert Event.objects.filter(action="agent.sign_out").count() == 1


def test_sign_out_of_nobody_is_a_page(client):
    assert client.post("/sso/sign-out").status_code == 200


# --- Two doors ---------------------------------------------------------------------------------------------------


def test_agents_cookie_opens_nothing_at_the_main_door(session, client):
    client.cookies["administrator"] = client.cookies["agent"].value

    response = client.get("/groups/")

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_administrators_cookie_opens_nothing_at_the_agents_door(owner, visit_as, group):
    browser = visit_as(owner)
    browser.cookies["agent"] = browser.cookies["administrator"].value

    response = browser.get(f"/sso/group?group={group.pk}")

    assert response.status_code == 303
    assert response["Location"].startswith("/sso/sign-in")


def test_agents_password_opens_nothing_at_the_main_door(agent, client):
    Agent.objects.update(email="alice@portal.example")

    for login in ("alice", "alice@portal.example"):
        client.post("/accounts/login/", {"login": login, "password": PASSWORD})

    assert client.get("/groups/").status_code == 302


def test_administrators_password_opens_nothing_at_the_agents_door(owner, post_sign_in):
    assert post_sign_in(username=owner.email).status_code == 200
    assert not AgentSession.objects.exists()
