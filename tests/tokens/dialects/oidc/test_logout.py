"""Log-out that a relying party begins: whom it asks, where it leads, and what it never does."""

import time
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import Event
from groups.models import AgentSession
from tests import factories
from tokens import signing_keys
from tokens.models import Use

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]

BACK = "https://demoaws.crm.example/bye"


@pytest.fixture
def party(relying_party):
    """demoaws' CRM, which registered where its agents go after a log-out."""
    factories.RegisteredAddressFactory(relying_party=relying_party, use=Use.LOGGED_OUT, address=BACK)
    return relying_party


@pytest.fixture
def hint(party, agent, session):
    """The ID token that the CRM has of Alice; what a test does not say is usual."""

    def sign(**changed) -> str:
        usual = {
            "iss": settings.PORTAL_URL,
            "aud": party.identifier,
            "sub": agent.subject,
            "sid": session.sid,
        }
        return signing_keys.sign(usual | {"exp": int(time.time()) + 900} | changed)

    return sign


@pytest.fixture
def ask(signed_in):
    """Ask for a log-out in Alice's browser."""
    return lambda **query: signed_in.get("/oauth/logout", query)


def is_over(session) -> bool:
    return AgentSession.objects.get(pk=session.pk).is_over()


# --- Asked ------------------------------------------------------------------------------------------------------------


def test_agent_is_asked_by_name(ask, hint, session):
    page = ask(id_token_hint=hint(), post_logout_redirect_uri=BACK)

    body = page.content.decode()
    assert page.status_code == 200
    assert "Alice Ames" in body
    assert "Sign out and go back to Demo AWS" in body
    assert f'href="{BACK}"' in body
    assert not is_over(session)


def test_page_lets_its_form_end_at_the_registered_address_alone(ask, hint):
    policy = ask(id_token_hint=hint(), post_logout_redirect_uri=BACK).headers["Content-Security-Policy"]

    assert "form-action 'self' https://demoaws.crm.example" in policy


def test_agent_is_told_when_somebody_else_signed_out(ask, hint, group):
    other = factories.AgentFactory(group=group)

    page = ask(id_token_hint=hint(sub=other.subject), post_logout_redirect_uri=BACK).content.decode()

    assert "Demo AWS signed out somebody else" in page
    assert "Alice Ames" in page


@pytest.mark.parametrize("query", [{}, {"ui_locales": "es", "logout_hint": "alice", "nonsense": "1"}])
def test_without_a_relying_party_the_agent_is_asked_too_and_may_stay(ask, query, group):
    page = ask(**query)

    assert page.status_code == 200
    assert f'href="/sso/group?group={group.pk}"' in page.content.decode()


# --- Signed out -------------------------------------------------------------------------------------------------------


@pytest.fixture
def press(signed_in, alices_secret):
    """Press the button of the page, as a browser does that checks nothing away."""
    strict = Browser(HTTP_HOST="localhost:8000", enforce_csrf_checks=True)
    strict.cookies[settings.AGENT_COOKIE_NAME] = alices_secret

    def press_button(**query):
        address = f"/oauth/logout?{urlencode(query)}"
        page = strict.get(address).content.decode()
        token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        return strict.post(address, {"csrfmiddlewaretoken": token})

    return press_button


def test_button_ends_the_session_and_leads_back_with_the_state(press, hint, session):
    answer = press(id_token_hint=hint(), post_logout_redirect_uri=BACK, state="a b&c")

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{BACK}?state=a+b%26c"
    assert answer.cookies[settings.AGENT_COOKIE_NAME].value == ""
    assert is_over(session)
    assert Event.objects.get(action="agent.sign_out").actor == f"agent:{session.agent.subject}"


def test_button_ends_a_session_past_its_longest(press, refresh, given, session):
    long_ago = timezone.now() - timedelta(hours=13)
    AgentSession.objects.update(started_at=long_ago, ends_at=long_ago + timedelta(hours=12))

    press()

    assert is_over(session)
    assert refresh(given["refresh_token"]).status_code == 400


def test_state_is_added_to_an_address_with_a_query(press, party):
    address = f"{BACK}?from=portal"
    factories.RegisteredAddressFactory(relying_party=party, use=Use.LOGGED_OUT, address=address)

    answer = press(client_id=party.identifier, post_logout_redirect_uri=address, state="1")

    assert answer.headers["Location"] == f"{address}&state=1"


def test_without_an_address_the_portal_says_goodbye(press, hint, session):
    answer = press(id_token_hint=hint())

    assert answer.status_code == 200
    assert "You are signed out" in answer.content.decode()
    assert is_over(session)


def test_nobody_to_sign_out_is_sent_on_at_once(client, hint):
    answer = client.get(
        "/oauth/logout", {"id_token_hint": hint(), "post_logout_redirect_uri": BACK, "state": "s"}
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BACK}?state=s")


def test_nobody_to_sign_out_and_nowhere_to_go(client):
    answer = client.get("/oauth/logout")

    assert answer.status_code == 200
    assert "You are signed out" in answer.content.decode()


@pytest.mark.parametrize("slash", ["", "/"])
def test_hint_may_have_expired(client, hint, slash):
    answer = client.get(
        f"/oauth/logout{slash}",
        {"id_token_hint": hint(exp=int(time.time()) - 9000), "post_logout_redirect_uri": BACK},
    )

    assert answer.headers["Location"] == BACK


# --- A relying party's own POST ---------------------------------------------------------------------------------------


def test_post_of_a_relying_party_ends_nothing(signed_in, hint, session):
    answer = signed_in.post("/oauth/logout", {"id_token_hint": hint(), "post_logout_redirect_uri": BACK})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/oauth/logout?")
    assert not is_over(session)
    assert "Sign out and go back" in signed_in.get(answer.headers["Location"]).content.decode()


@pytest.mark.parametrize("token", ["", "x" * 64])
def test_post_with_a_token_that_is_not_ours_ends_nothing(alices_secret, session, token):
    strict = Browser(HTTP_HOST="localhost:8000", enforce_csrf_checks=True)
    strict.cookies[settings.AGENT_COOKIE_NAME] = alices_secret

    assert strict.post("/oauth/logout", {"csrfmiddlewaretoken": token}).status_code == 403
    assert not is_over(session)


# --- Refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        f"{BACK}/",
        f"{BACK}?x=1",
        "https://demoaws.crm.example/bye/../evil",
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "https://DEMOAWS.crm.example/bye",
    ],
)
def test_address_that_is_not_registered_is_refused(ask, hint, session, address):
    answer = ask(id_token_hint=hint(), post_logout_redirect_uri=address)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert not is_over(session)
    assert Event.objects.get(reason="unknown_address").client == "demoaws"


def test_address_for_another_use_is_refused(client, party):
    factories.RegisteredAddressFactory(relying_party=party, address="https://demoaws.crm.example/callback")

    answer = client.get(
        "/oauth/logout",
        {"client_id": party.identifier, "post_logout_redirect_uri": "https://demoaws.crm.example/callback"},
    )

    assert answer.status_code == 400


def test_address_of_another_party_is_refused(client, party):
    other = factories.RelyingPartyFactory(secret="")

    answer = client.get("/oauth/logout", {"client_id": other.identifier, "post_logout_redirect_uri": BACK})

    assert answer.status_code == 400


def test_address_without_a_party_is_refused(client, party):
    assert client.get("/oauth/logout", {"post_logout_redirect_uri": BACK}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"client_id": "rp_unknown"},
        {"client_id": "x" * 65},
        {"client_id": "a\u202eb"},
        {"id_token_hint": "nonsense"},
        {"id_token_hint": "a.b.c"},
        {"id_token_hint": "é"},
        {"id_token_hint": "x" * 8193},
        {"state": "s" * 1025},
        {"state": "a\nb"},
    ],
)
def test_what_cannot_be_meant_is_refused(ask, session, query):
    assert ask(**query).status_code == 400
    assert not is_over(session)


@pytest.mark.parametrize("name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_name_that_is_given_twice_is_refused(client, name, method):
    assert getattr(client, method)(f"/oauth/logout?{name}=a&{name}=b").status_code in (303, 400)
    assert client.get(f"/oauth/logout?{name}=a&{name}=b").status_code == 400


def test_hint_of_another_party_is_refused(ask, hint, party):
    other = factories.RelyingPartyFactory(secret="")

    assert ask(id_token_hint=hint(), client_id=other.identifier).status_code == 400


def test_hint_that_was_changed_is_refused(ask, hint):
    head, claims, signature = hint().split(".")

    assert ask(id_token_hint=f"{head}.{claims[:-4]}AAAA.{signature}").status_code == 400


@pytest.mark.parametrize("typ", ["logout+jwt", "at+jwt"])
def test_hint_of_another_kind_is_refused(ask, party, typ):
    hint = signing_keys.sign({"aud": party.identifier}, typ=typ)

    assert ask(id_token_hint=hint).status_code == 400


def test_party_that_is_switched_off_is_refused(ask, hint, party):
    type(party).objects.update(is_active=False)

    assert ask(id_token_hint=hint(), post_logout_redirect_uri=BACK).status_code == 400


def test_discovery_names_it(client):
    told = client.get("/.well-known/openid-configuration").json()

    assert told["end_session_endpoint"] == f"{settings.PORTAL_URL}/oauth/logout"
    assert told["backchannel_logout_supported"] is told["backchannel_logout_session_supported"] is True


def test_queries_are_few(ask, hint, django_assert_max_num_queries):
    query = {"id_token_hint": hint(), "post_logout_redirect_uri": BACK}

    with django_assert_max_num_queries(6):
        ask(**query)
