"""A login for a call-center platform (wire.md, section 2)."""

from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import Event, Outcome
from groups import models as groups
from groups.models import EntitledCampaign
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.tokens.dialects.platform.asking import BY_HOST, BY_PATH, GOOD
from tokens.models import Kind, LoginToken
from tokens.redeeming import redeem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "platform_key", "rule")]


def token_in(response) -> str:
    return parse_qs(urlsplit(response.json()["url"]).query)["token"][0]


@pytest.mark.parametrize("address", [BY_HOST, BY_PATH], ids=["host", "path"])
def test_login_answers_all_six_fields(send, agent, address):
    response = send(**address)

    answer = response.json()
    url = answer.pop("url")
    assert response.status_code == 200
    assert answer == {"success": 1, "code": 200, "message": "OK", "status": "SUCCESS", "descriptor": "ok"}
    assert type(answer["success"]) is type(answer["code"]) is int
    assert url.startswith("https://demoaws.crm.example/login?token=")


@pytest.mark.parametrize(
    "address",
    [
        BY_HOST | {"path": "/api/sso/"},
        BY_PATH | {"path": "/api/sso/demoaws/"},
        BY_HOST | {"HTTP_HOST": "demoaws.localhost:8000"},
        BY_HOST | {"HTTP_HOST": "DemoAWS.localhost"},
        BY_HOST | {"HTTP_HOST": "demoaws.localhost."},
        BY_PATH | {"path": "/api/sso/DemoAWS"},
    ],
    ids=lambda address: address["HTTP_HOST"] + address["path"],
)
def test_login_at_another_spelling_of_the_address_works(send, agent, address):
    assert send(**address).json()["success"] == 1


def test_login_is_never_stored_sets_no_cookie_and_opens_to_no_origin(send, agent):
    response = send(HTTP_ORIGIN="https://evil.example")

    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON ; charset=UTF-8"],
)
def test_login_with_a_charset_in_the_content_type_works(send, agent, content_type):
    assert send(content_type=content_type).json()["success"] == 1


def test_login_whatever_accept_says_is_json(send, agent):
    assert send(HTTP_ACCEPT="text/html").headers["Content-Type"] == "application/json"


def test_login_with_spaces_around_the_key_works(send, agent):
    assert send(key=f"  {factories.PLATFORM_KEY} ").json()["success"] == 1


def test_login_with_unknown_fields_ignores_them(ask, agent):
    assert ask(url="https://evil.example", is_staff=True, nested={"a": [1]}).json()["success"] == 1


@pytest.mark.parametrize("number", ["1", 1, " 1 ", "01"])
def test_login_with_the_department_as_text_or_number_works(ask, agent, number):
    ask(department_id=number)

    assert LoginToken.objects.get().departments == [1]


@pytest.mark.parametrize(
    ("campaigns", "granted"), [("1", [1]), ("3,1", [1, 3]), (" 1 , 2 ", [1, 2]), ("2,2", [2]), (2, [2])]
)
def test_login_for_campaigns_is_for_those(ask, agent, campaigns, granted):
    ask(campaign_id=campaigns)

    assert LoginToken.objects.get().campaigns == granted


@pytest.mark.parametrize("fields", [{}, {"campaign_id": ""}, {"campaign_id": "  "}, {"campaign_id": None}])
def test_login_without_campaigns_is_for_all_of_the_entitlement(
    ask, agent, fields, entitlement, client_company, relying_party, caller
):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=2))

    redemption = redeem(token_in(ask(**fields)), relying_party=relying_party, caller=caller)

    assert redemption.grant.campaigns_of(redemption.token.campaigns) == [2]


def test_login_carries_the_numbers_of_the_call(ask, agent):
    ask(call_center_did="+15550100", customer_cid="+15550199")

    token = LoginToken.objects.get()
    assert (token.did, token.cid) == ("+15550100", "+15550199")


def test_login_works_once(send, agent, relying_party, caller):
    secret = token_in(send())

    redeem(secret, relying_party=relying_party, caller=caller)

    with pytest.raises(Exception, match="invalid_token"):
        redeem(secret, relying_party=relying_party, caller=caller)


def test_login_is_issued_for_the_key(send, agent, platform_key, group):
    response = send()

    token = LoginToken.objects.get()
    assert (token.digest, token.kind) == (digest_of(token_in(response)), Kind.HAND_OFF)
    assert (token.platform_key, token.session, token.agent) == (platform_key, None, agent)


def test_login_writes_one_event(send, agent, platform_key, group):
    response = send()

    event = Event.objects.get()
    assert (event.action, event.outcome, event.door) == ("login.issue", Outcome.OK, "platform")
    assert (event.actor, event.group_id, event.client) == (f"key:{platform_key.prefix}", group.pk, "demoaws")
    assert (event.address, event.reference) == ("127.0.0.1", response.headers["X-Request-Id"])


def test_login_notes_the_use_of_the_key(send, agent, platform_key):
    send()

    platform_key.refresh_from_db()
    assert platform_key.last_used_at is not None


def test_login_writes_neither_key_nor_token_nor_whole_numbers_into_events(ask):
    response = ask(username="newcomer", call_center_did="+15550100", customer_cid="+15550199")

    written = str(list(Event.objects.values()))
    assert factories.PLATFORM_KEY not in written
    assert token_in(response) not in written
    assert "5550100" not in written
    assert "5550199" not in written


def test_login_to_a_form_post_client_is_the_portals_entrance(send, agent):
    groups.Client.objects.update(hand_off=groups.HandOff.FORM_POST)

    url = send().json()["url"]

    assert url.startswith("http://localhost:8000/sso/enter?token=")
    assert LoginToken.objects.get().kind == Kind.ENTRANCE


def test_login_to_a_form_post_client_opens_in_a_browser_once(send, agent, client):
    groups.Client.objects.update(hand_off=groups.HandOff.FORM_POST)
    address = send().json()["url"].removeprefix("http://localhost:8000")

    assert [client.get(address).status_code for _ in range(2)] == [200, 400]


def test_login_is_for_the_client_of_the_host_name_whatever_the_body_says(send, group, agent):
    factories.EntitlementFactory(group=group, client__subdomain="acme")

    response = send(GOOD | {"client": "acme", "subdomain": "acme", "client_subdomain": "acme"})

    assert response.json()["url"].startswith("https://demoaws.crm.example/")
