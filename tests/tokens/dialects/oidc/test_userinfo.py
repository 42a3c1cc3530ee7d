"""The userinfo endpoint (wire.md, section 6; OpenID Connect Core, 5.3; RFC 6750)."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.utils import timezone

from groups.models import Agent, AgentSession, EndReason
from tests import factories
from tests.tokens.circumstances import STOPS, name_of
from tests.tokens.dialects.oidc.parties import FORM, assert_oauth_error
from tests.tokens.statements import Statements
from tokens import families
from tokens.issuing import CallContext
from tokens.models import AccessToken, RelyingParty, TokenFamily, Use

pytestmark = pytest.mark.django_db
PATH = "/oauth/userinfo"
ORIGIN = "https://demoaws.crm.example"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def access(given) -> str:
    return given["access_token"]


def assert_challenged(response, status: int, error: str) -> None:
    """RFC 6750, section 3."""
    assert_oauth_error(response, status, error)
    assert response.headers["WWW-Authenticate"].startswith(f'Bearer realm="portal", error="{error}"')


# --- Told ------------------------------------------------------------------------------------------------------------


def test_userinfo_tells_what_the_scopes_allow(client, exchange, make_code, agent, group):
    call = CallContext("+15550100", "+15550199", "c-7", "2", "crm:home")
    access = exchange(make_code(call=call)).json()["access_token"]

    response = client.get(PATH, headers=bearer(access))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "sub": agent.subject,
        "preferred_username": "alice",
        "name": "Alice Ames",
        "group": {"id": group.pk, "code": "northwind", "name": "Northwind"},
        "departments": [1],
        "campaigns": "all",
        "call": {"did": "+15550100", "cid": "+15550199", "call_id": "c-7", "campaign_id": "2"},
        "destination": "crm:home",
    }


def test_userinfo_with_openid_alone_tells_the_subject_alone(client, exchange, make_code, agent):
    access = exchange(make_code(scope="openid")).json()["access_token"]

    assert client.get(PATH, headers=bearer(access)).json() == {"sub": agent.subject}


def test_userinfo_tells_who_he_is_now(client, access):
    Agent.objects.update(email="alice@mail.example", full_name="Alice Newname")

    told = client.get(PATH, headers=bearer(access)).json()

    assert (told["email"], told["name"]) == ("alice@mail.example", "Alice Newname")


def test_userinfo_with_a_narrowed_token_tells_less(client, refresh, given):
    narrowed = refresh(given["refresh_token"], scope="openid email").json()["access_token"]

    assert client.get(PATH, headers=bearer(narrowed)).json().keys() == {"sub"}
    assert "name" in client.get(PATH, headers=bearer(given["access_token"])).json()


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", " Bearer "])
def test_userinfo_with_another_spelling_of_the_scheme_works(client, access, scheme):
    assert client.get(PATH, headers={"Authorization": f"{scheme}{access} "}).status_code == 200


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_userinfo_by_post_with_the_token_in_the_header_works(client, access, path):
    assert client.post(path, headers=bearer(access)).status_code == 200


def test_userinfo_by_post_with_the_token_in_the_form_works(client, access):
    assert client.post(PATH, urlencode({"access_token": access}), FORM).status_code == 200


def test_userinfo_by_post_reads_no_other_body(client, access):
    assert client.post(PATH, b"{", "application/json", headers=bearer(access)).status_code == 200


# --- Refused ---------------------------------------------------------------------------------------------------------


def test_userinfo_without_a_token_is_challenged_and_told_no_error(client):
    response = client.get(PATH)

    assert_oauth_error(response, 401, "invalid_token")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="portal"'


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "at_x"])
def test_userinfo_with_a_header_that_says_nothing_is_challenged(client, header):
    response = client.get(PATH, headers={"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="portal"'


@pytest.mark.parametrize("secret", ["at_nothing", "x" * 5000, "at_\x00", "at_\xff", "a b", '"'])
def test_userinfo_with_what_is_no_token_is_refused(client, secret):
    assert_challenged(client.get(PATH, headers=bearer(secret)), 401, "invalid_token")


@pytest.mark.parametrize("which", ["refresh_token", "id_token"])
def test_userinfo_with_another_token_is_refused(client, given, which):
    assert_challenged(client.get(PATH, headers=bearer(given[which])), 401, "invalid_token")


def test_userinfo_with_the_token_in_the_address_is_refused(client, access):
    assert_challenged(client.get(PATH, {"access_token": access}), 400, "invalid_request")
    again = client.get(f"{PATH}?access_token={access}", headers=bearer(access))
    assert_challenged(again, 400, "invalid_request")


def test_userinfo_with_two_tokens_is_refused(client, access):
    response = client.post(PATH, urlencode({"access_token": access}), FORM, headers=bearer(access))

    assert_challenged(response, 400, "invalid_request")


def test_userinfo_with_the_token_twice_in_the_form_is_refused(client, access):
    body = f"access_token={access}&access_token={access}"

    assert_challenged(client.post(PATH, body, FORM), 400, "invalid_request")


def test_userinfo_without_openid_is_refused(client, exchange, make_code):
    access = exchange(make_code(scope="profile")).json()["access_token"]

    response = client.get(PATH, headers=bearer(access))

    assert_challenged(response, 403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"].endswith('scope="openid"')


def test_userinfo_after_a_quarter_of_an_hour_is_refused(client, access):
    AccessToken.objects.update(expires_at=timezone.now())

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


def test_userinfo_after_the_end_of_the_family_is_refused(client, access):
    TokenFamily.objects.update(ends_at=timezone.now())

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


def test_userinfo_for_an_inactive_party_is_refused(client, access):
    RelyingParty.objects.update(is_active=False)

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


def test_userinfo_with_a_token_of_the_message_bus_is_refused(client, session):
    with transaction.atomic():
        family = families.start_for_bus(session, lasts=timedelta(hours=1))
        given = families.give(family, refresh=False)

    assert_challenged(client.get(PATH, headers=bearer(given.access)), 401, "invalid_token")


@pytest.mark.parametrize("stop", STOPS, ids=name_of)
def test_userinfo_for_who_may_not_enter_any_more_is_refused(client, access, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


def test_userinfo_for_a_session_that_ended_is_refused(client, access):
    AgentSession.objects.all().end(EndReason.SIGNED_OUT)

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


def test_userinfo_for_who_moved_to_another_group_is_refused(client, access, other_group, client_company):
    factories.EntitlementFactory(group=other_group, client=client_company)
    Agent.objects.update(group=other_group)

    assert_challenged(client.get(PATH, headers=bearer(access)), 401, "invalid_token")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head", "options"])
def test_other_methods_are_refused(client, access, method):
    response = getattr(client, method)(PATH, headers=bearer(access))

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST"


# --- Scripts of other origins, queries -------------------------------------------------------------------------------


def test_script_of_a_registered_origin_may_read(client, access, relying_party):
    relying_party.addresses.create(use=Use.ORIGIN, address=ORIGIN)

    for headers in (bearer(access), bearer("at_x"), {}):
        response = client.get(PATH, headers=headers | {"Origin": ORIGIN})
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


def test_script_of_another_partys_origin_reads_nothing(client, access, other_party):
    other_party.addresses.create(use=Use.ORIGIN, address=ORIGIN)

    response = client.get(PATH, headers=bearer(access) | {"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in response.headers


def test_userinfo_is_one_select(client, access):
    with Statements(connection) as statements:
        client.get(PATH, headers=bearer(access))

    assert statements.in_order == ["SELECT"]
