"""`GET /bus/sso` (wire.md, section 5): a code for the host, by way of the portal's own sign-in page."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from accounts.models import Event, Outcome
from groups.models import Agent, AgentSession, Group
from groups.targets import unseal
from tests import factories
from tests.tokens.dialects.bus.conftest import HOST, REDIRECT
from tokens.models import BusCode

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("host")]


@pytest.fixture
def start(client, group):
    """Go to the address; whatever the test does not say is usual."""

    def send(redirect=REDIRECT, *, browser=client, headers=None, method="get", **query):
        asked = {"group": group.pk, "redirectUrl": redirect} | query
        return getattr(browser, method)("/bus/sso", asked, headers=headers or {})

    return send


def query_of(response) -> dict[str, list[str]]:
    return parse_qs(urlsplit(response["Location"]).query)


def test_signed_in_agent_comes_back_with_a_code(start, signed_in, agent, group):
    response = start(browser=signed_in, state="a b/ü&c=d")

    assert response.status_code == 303
    assert response["Location"].startswith(f"{REDIRECT}?code=bc_")
    assert query_of(response)["state"] == ["a b/ü&c=d"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    code = BusCode.objects.get()
    assert (code.agent, code.group, code.redirect_url) == (agent, group, REDIRECT)
    assert code.expires_at - code.issued_at == pytest.approx(timedelta(seconds=60), abs=timedelta(seconds=1))


def test_state_is_left_out_where_there_was_none(start, signed_in):
    assert query_of(start(browser=signed_in)).keys() == {"code"}


def test_query_of_the_address_is_kept(start, signed_in, group):
    factories.BusAddressFactory(group=group, use="redirect", address=f"{HOST}/in?a=1&b=2")

    response = start(f"{HOST}/in?a=1&b=2", browser=signed_in)

    assert response["Location"].startswith(f"{HOST}/in?a=1&b=2&code=bc_")


def test_code_is_written_down_without_its_secret(start, signed_in, agent):
    code = query_of(start(browser=signed_in))["code"][0]

    event = Event.objects.get(action="bus.issue_code")
    assert (event.outcome, event.agent, event.object) == (
        Outcome.OK, agent.subject, f"token:{BusCode.objects.get().trace}",
    )  # fmt: skip
    assert code not in str(event.details)


def test_agent_who_is_not_signed_in_signs_in_first(start, group):
    response = start(state="x")

    target = unseal(query_of(response)["to"][0])
    assert urlsplit(response["Location"]).path == "/sso/sign-in"
    assert target.path.startswith(f"/bus/sso?group={group.pk}&redirectUrl=")
    assert target.origins == [HOST]
    assert not BusCode.objects.exists()


def test_sign_in_leads_straight_on_to_the_host(start, client, agent):
    page = start()["Location"]
    assert HOST in client.get(page)["Content-Security-Policy"]

    signed_in = client.post(page, {"username": "alice", "password": factories.PASSWORD})
    back = client.get(signed_in["Location"])

    assert back["Location"].startswith(f"{REDIRECT}?code=bc_")


def test_idle_session_signs_in_first(start, signed_in):
    AgentSession.objects.update(idle_at=timezone.now() - timedelta(seconds=1))

    assert "/sso/sign-in" in start(browser=signed_in)["Location"]


def test_session_of_another_group_signs_in_first(start, signed_in, other_group):
    factories.BusAddressFactory(group=other_group, use="redirect", address=REDIRECT)

    response = start(browser=signed_in, group=other_group.pk)

    assert f"group={other_group.pk}" in response["Location"]
    assert not BusCode.objects.exists()


@pytest.mark.parametrize(
    "redirect",
    [
        "",
        f"{REDIRECT}/",
        f"{REDIRECT}?x=1",
        REDIRECT.upper(),
        HOST,
        "https://evil.example/signed-in",
        "//host.example/signed-in",
        "javascript:alert(1)",
        f"{REDIRECT}#x",
        f" {REDIRECT}",
    ],
)
def test_address_that_is_not_registered_gets_nothing(start, signed_in, redirect):
    response = start(redirect, browser=signed_in)

    assert response.status_code == 400
    assert "Location" not in response
    assert not BusCode.objects.exists()
    assert Event.objects.get().reason == "address_not_registered"


def test_address_of_another_group_gets_nothing(start, signed_in, other_group):
    factories.BusAddressFactory(group=other_group, use="redirect", address=f"{HOST}/theirs")

    assert start(f"{HOST}/theirs", browser=signed_in).status_code == 400


def test_origin_is_no_address_for_codes(start, signed_in):
    assert start(HOST, browser=signed_in).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"group": ""}, 400),
        ({"group": "x"}, 400),
        ({"group": 999999}, 404),
        ({"group": [1, 1]}, 400),
        ({"state": ["a", "b"]}, 400),
        ({"redirectUrl": [REDIRECT, REDIRECT]}, 400),
        ({"state": "x" * 1025}, 400),
        ({"state": "a\u202eb"}, 400),
    ],
    ids=str,
)
def test_address_that_cannot_be_read_is_refused(start, signed_in, query, status):
    response = start(browser=signed_in, **query)

    assert response.status_code == status
    assert not BusCode.objects.exists()


def test_address_without_a_group_is_missing(client):
    assert client.get("/bus/sso", {"redirectUrl": REDIRECT}).status_code == 404


def test_inactive_group_gives_no_code(start, signed_in):
    Group.objects.update(is_active=False)

    assert start(browser=signed_in).status_code == 404


def test_agent_whose_end_has_come_gets_no_code(start, signed_in):
    Agent.objects.update(ends_at=timezone.now() - timedelta(days=1))

    assert start(browser=signed_in).status_code == 403
    assert not BusCode.objects.exists()


@pytest.mark.parametrize(
    "headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Mode": "cors"}], ids=str
)
def test_load_that_is_no_navigation_gives_no_code(start, signed_in, headers):
    assert start(browser=signed_in, headers=headers).status_code == 204
    assert not BusCode.objects.exists()


def test_head_gives_no_code(start, signed_in):
    assert start(browser=signed_in, method="head").status_code == 204
    assert not BusCode.objects.exists()


def test_asking_again_and_again_is_stopped(start, signed_in, limit_a_minute):
    limit_a_minute("bus", 2)

    answers = [start(browser=signed_in) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert answers[-1]["Retry-After"] == "60"
