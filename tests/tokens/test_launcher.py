"""The launcher: a signed-in agent's clients, at the group's own address."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event
from groups import models as groups
from groups.targets import unseal
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.circumstances import CLOSED_CLIENTS, name_of
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


@pytest.fixture
def launcher(signed_in, group):
    """Open the launcher in Alice's browser."""
    return lambda **query: signed_in.get("/sso/group", {"group": group.pk} | query)


def offered(response) -> list[str]:
    """The addresses of the clients on the page, in order."""
    return re.findall(r'class="door"\s+href="([^"]+)"', response.content.decode())


def pop_of(subdomain: str, group) -> str:
    return f"/sso/group/{subdomain}?group={group.pk}"


def test_launcher_offers_the_pop_of_a_client(launcher, group):
    response = launcher()

    assert response.status_code == 200
    assert offered(response) == [pop_of("demoaws", group)]


def test_launcher_shows_who_is_signed_in_and_where(launcher):
    page = launcher().content.decode()

    assert "Alice Ames" in page
    assert "Northwind" in page
    assert 'href="/sso/sign-out"' in page


def test_launcher_offers_the_groups_clients_only(launcher, group, other_group):
    factories.ClientFactory(subdomain="acme")
    factories.EntitlementFactory(group=other_group, client__subdomain="theirs")

    assert offered(launcher()) == [pop_of("demoaws", group)]


@pytest.mark.parametrize("stop", CLOSED_CLIENTS, ids=name_of)
def test_launcher_does_not_offer_a_client_that_may_not_be_entered(launcher, agent, entitlement, stop):
    stop.act(agent, entitlement)

    response = launcher()

    assert (response.status_code, offered(response)) == (200, [])


def test_launcher_offers_the_listed_client_to_an_agent_with_a_list(launcher, agent, group, entitlement):
    factories.EntitlementFactory(group=group)
    groups.Agent.objects.filter(pk=agent.pk).update(all_clients=False)
    groups.AgentEntitlement.objects.create(agent=agent, entitlement=entitlement)

    assert offered(launcher()) == [pop_of("demoaws", group)]


def test_launcher_offers_the_last_entered_first_then_by_name(launcher, agent, session, group, client_company):
    for subdomain, name in (("zeta", "Zeta"), ("beta", "Beta"), ("alpha", "Alpha")):
        factories.EntitlementFactory(group=group, client__subdomain=subdomain, client__name=name)
    zeta = groups.Client.objects.get(subdomain="zeta")
    earlier = factories.LoginTokenFactory(agent=agent, session=session, client=client_company)
    minutes = timedelta(minutes=5)
    LoginToken.objects.filter(pk=earlier.pk).update(issued_at=F("issued_at") - minutes)
    factories.LoginTokenFactory(agent=agent, session=session, client=zeta)

    order = ["zeta", "demoaws", "alpha", "beta"]
    assert offered(launcher()) == [pop_of(subdomain, group) for subdomain in order]


@pytest.fixture
def nine_more_clients(group):
    """Enough clients for a search field."""
    for letter in "abcdefghi":
        factories.EntitlementFactory(
            group=group, client__subdomain=f"x{letter}", client__name=f"Firm {letter}"
        )


@pytest.mark.usefixtures("nine_more_clients")
def test_launcher_with_many_clients_searches_with_the_field_that_it_shows(launcher, group):
    (field,) = re.findall(r"<input[^>]*type=\"search\"[^>]*>", launcher().content.decode())
    name = re.search(r'name="([^"]+)"', field).group(1)

    assert offered(launcher(**{name: "FIRM C"})) == [pop_of("xc", group)]


@pytest.mark.usefixtures("nine_more_clients")
def test_launcher_search_that_finds_nothing_says_so(launcher):
    response = launcher(q="no such firm")

    assert offered(response) == []
    assert "No client with that name" in response.content.decode()


def test_launcher_escapes_hostile_names(launcher):
    hostile = "<script>alert(1)</script>"
    groups.Client.objects.update(name=hostile)
    groups.Agent.objects.update(full_name=hostile)
    groups.Group.objects.update(name=hostile)

    page = launcher(q="<script>").content.decode()

    assert "<script>alert" not in page
    assert "<script>" not in page


def test_launcher_mints_and_records_nothing(launcher):
    launcher()

    assert not LoginToken.objects.exists()
    assert not Event.objects.exists()


def test_launcher_asks_as_much_for_ten_clients_as_for_one(launcher, group, django_assert_num_queries):
    launcher()
    with CaptureQueriesContext(connection) as one:
        launcher()
    factories.EntitlementFactory.create_batch(9, group=group)

    with django_assert_num_queries(len(one)):
        launcher()


def test_launcher_is_not_stored(launcher):
    assert launcher().headers["Cache-Control"] == "no-store"


def test_launcher_tolerates_a_trailing_slash(signed_in, group):
    assert signed_in.get("/sso/group/", {"group": group.pk}).status_code == 200


def test_launcher_notes_the_session_after_a_minute(launcher, session):
    groups.AgentSession.objects.update(last_seen_at=timezone.now() - timedelta(seconds=61))

    launcher()

    session.refresh_from_db()
    assert timezone.now() - session.last_seen_at < timedelta(seconds=30)


# --- Whom it asks to sign in -----------------------------------------------------------------------------------------


def test_launcher_without_a_session_goes_to_the_groups_sign_in_page(client, group):
    response = client.get("/sso/group", {"group": group.pk})

    target = unseal(parse_qs(urlsplit(response.headers["Location"]).query)["to"][0])
    assert response.status_code == 303
    assert response.headers["Location"].startswith(f"/sso/sign-in?group={group.pk}&")
    assert target.path == f"/sso/group?group={group.pk}"


def test_launcher_with_a_session_of_another_group_asks_to_sign_in_there(launcher, other_group):
    response = launcher(group=other_group.pk)

    assert response.headers["Location"].startswith(f"/sso/sign-in?group={other_group.pk}&")


@pytest.mark.parametrize(
    "over",
    [{"idle_at": timezone.now()}, {"ended_at": timezone.now(), "end_reason": "stopped"}],
    ids=["idle", "ended"],
)
def test_launcher_with_a_session_that_is_over_asks_to_sign_in(launcher, over):
    groups.AgentSession.objects.update(**over)

    assert launcher().headers["Location"].startswith("/sso/sign-in?")


@pytest.mark.parametrize("status", ["suspended", "disabled"])
def test_launcher_of_an_agent_who_was_stopped_offers_nothing(launcher, status):
    groups.Agent.objects.update(status=status)

    assert offered(launcher()) == []


def test_launcher_without_a_group_asks_which(client):
    response = client.get("/sso/group")

    assert response.status_code == 200
    assert 'name="group"' in response.content.decode()


@pytest.mark.parametrize("value", ["", "abc", "1234567890", "-1", "٢١"])
def test_launcher_whose_group_cannot_be_read_is_refused(client, value):
    assert client.get("/sso/group", {"group": value}).status_code == 400


def test_launcher_with_the_group_twice_is_refused(client):
    assert client.get("/sso/group?group=1&group=1").status_code == 400


def test_launcher_of_an_unknown_or_inactive_group_is_not_found(launcher, group):
    unknown = launcher(group=999_999_999)
    groups.Group.objects.update(is_active=False)

    assert (unknown.status_code, launcher().status_code) == (404, 404)


# --- Other methods ---------------------------------------------------------------------------------------------------


def test_launcher_by_post_goes_to_the_same_address_by_get(group):
    telephone_system = Client(HTTP_HOST=PORTAL, enforce_csrf_checks=True)

    response = telephone_system.post(f"/sso/group?group={group.pk}", {"x": "1"})

    assert (response.status_code, response.headers["Location"]) == (303, f"/sso/group?group={group.pk}&x=1")


def test_launcher_by_another_method_is_refused(signed_in, group):
    assert signed_in.delete(f"/sso/group?group={group.pk}").status_code == 405


def test_launcher_knows_no_administrators_cookie(client, group):
    client.cookies[settings.SESSION_COOKIE_NAME] = "anything"

    assert client.get("/sso/group", {"group": group.pk}).headers["Location"].startswith("/sso/sign-in?")
