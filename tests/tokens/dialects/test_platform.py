"""The SSO API of the call-center platform (wire.md, section 2), over HTTP."""

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Event, Outcome, Tally
from groups import models as groups
from groups.models import Agent, AgentStatus, EntitledCampaign, ProvisionedBy
from sso_portal.lib.secrets import digest_of
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.circumstances import CLOSED_CLIENTS, STOPPED_AGENTS, STOPPED_GROUPS, name_of
from tokens.models import AddressRule, Kind, LoginToken, PlatformKey
from tokens.redeeming import redeem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "platform_key", "rule")]

BY_HOST = {"path": "/api/sso", "HTTP_HOST": "demoaws.localhost"}
BY_PATH = {"path": "/api/sso/demoaws", "HTTP_HOST": PORTAL}
GOOD = {"username": "alice", "fullname": "Alice Ames", "department_id": "1"}
FIELDS = {"success", "code", "url", "message", "status", "descriptor"}
TOO_LONG_A_BODY = 1024 * 1024 + 1


@pytest.fixture
def platform_key(group) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group)


@pytest.fixture
def rule(group) -> AddressRule:
    """The test client's address is on the group's list."""
    return factories.AddressRuleFactory(group=group)


@pytest.fixture
def send():
    """Send one request with the right key, where the test says nothing else. No answer may be a 5xx."""

    def send_one(
        body=None, *, method="post", key=factories.PLATFORM_KEY, content_type="application/json", **extra
    ):
        extra = BY_HOST | extra
        if key is not None:
            extra["HTTP_PLATFORM_KEY"] = key
        data = body if isinstance(body, bytes) else json.dumps(GOOD if body is None else body).encode()
        return Client().generic(method.upper(), extra.pop("path"), data, content_type, **extra)

    return send_one


@pytest.fixture
def ask(send):
    """Send the good request with these fields changed."""
    return lambda **fields: send(GOOD | fields)


def assert_refused(response, status: int, descriptor: str, *, naming: str = "") -> None:
    """All six fields, of the refusal."""
    answer = response.json()
    assert response.status_code == status, answer
    assert response.headers["Content-Type"] == "application/json"
    assert set(answer) == FIELDS
    assert (answer["success"], answer["code"], answer["url"]) == (0, status, "")
    assert type(answer["success"]) is type(answer["code"]) is int
    assert (answer["status"], answer["descriptor"]) == ("FAILURE", descriptor)
    assert answer["message"]
    assert naming in answer["message"]


def token_in(response) -> str:
    return parse_qs(urlsplit(response.json()["url"]).query)["token"][0]


def nobody_new() -> bool:
    """Neither a token nor an agent beyond Alice came of it."""
    return not LoginToken.objects.exists() and set(Agent.objects.values_list("username", flat=True)) <= {
        "alice"
    }


# --- A login ---------------------------------------------------------------------------------------------------------


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


# --- Fields ----------------------------------------------------------------------------------------------------------

MISSING = object()


@pytest.mark.parametrize("name", ["username", "fullname", "department_id"])
@pytest.mark.parametrize("value", [MISSING, "", "   ", None], ids=["absent", "empty", "blank", "null"])
def test_login_without_a_required_field_is_refused_by_name(send, name, value):
    body = {key: kept for key, kept in (GOOD | {name: value}).items() if kept is not MISSING}

    assert_refused(send(body), 400, "missing_field", naming=name)
    assert nobody_new()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("username", "a" * 151),
        ("username", "al\x00ice"),
        ("username", "al\nice"),
        ("username", "al\u202eice"),
        ("username", "al\u00adice"),  # a soft hyphen, invisible
        ("username", "al\u200bice"),
        ("username", "\ud800"),
        ("username", "\ufdfa" * 150),  # one character that normalization makes eighteen of
        ("username", 7),
        ("username", ["alice"]),
        ("username", {"a": 1}),
        ("username", True),
        ("fullname", "A" * 201),
        ("fullname", "A\x00"),
        ("fullname", "A\x1bB"),
        ("fullname", "\u2067A"),
        ("fullname", 7),
        ("fullname", ["Alice"]),
        ("department_id", "one"),
        ("department_id", "-1"),
        ("department_id", -1),
        ("department_id", 1.0),
        ("department_id", "1.0"),
        ("department_id", True),
        ("department_id", [1]),
        ("department_id", "1,2"),
        ("department_id", "１"),
        ("department_id", 2**31),
        ("department_id", 10**40),
        ("department_id", "9" * 40),
        ("campaign_id", "x"),
        ("campaign_id", "1,,2"),
        ("campaign_id", "1;2"),
        ("campaign_id", "1,-2"),
        ("campaign_id", [1, 2]),
        ("campaign_id", {"1": 1}),
        ("campaign_id", False),
        ("campaign_id", 1.5),
        ("campaign_id", str(2**31)),
        ("campaign_id", "1," * 5000 + "1"),
        ("email", "no address"),
        ("email", "a@b@c"),
        ("email", "a" * 250 + "@b.example"),
        ("email", "a\x00@b.example"),
        ("email", 7),
        ("call_center_did", "1" * 65),
        ("call_center_did", "1\x00"),
        ("call_center_did", 15550100),
        ("customer_cid", "1" * 65),
        ("customer_cid", "\u202e1"),
        ("customer_cid", ["1"]),
    ],
)
def test_login_with_a_field_that_cannot_be_meant_is_refused_by_name(ask, name, value):
    assert_refused(ask(**{name: value}), 400, "invalid_field", naming=name)
    assert nobody_new()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("username", "a" * 150),
        ("username", "Łukasz O'Neil 日本"),
        ("username", "ß" * 150),
        ("fullname", "A" * 200),
        ("fullname", "<script>alert(1)</script>"),
        ("email", "a@b.example"),
        ("call_center_did", "1" * 64),
        ("customer_cid", "sip:bob@pbx"),
    ],
)
def test_login_with_an_unusual_but_right_field_works(ask, name, value):
    assert ask(**{name: value}).json()["success"] == 1


# --- Bodies ----------------------------------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    """The good body with a value so deep that the whole is this many levels."""
    return json.dumps(GOOD)[:-1].encode() + b', "x": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def padded(length: int) -> bytes:
    """The good body made this long, in bytes."""
    start = json.dumps(GOOD)[:-1].encode() + b', "x": "'
    return start + b"x" * (length - len(start) - 2) + b'"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'["username"]',
        b'"text"',
        b"7",
        json.dumps(GOOD)[:-1].encode() + b', "x": NaN}',
        json.dumps(GOOD)[:-1].encode() + b', "x": Infinity}',
        json.dumps(GOOD)[:-1].encode() + b', "x": -Infinity}',
        json.dumps(GOOD)[:-1].encode() + b', "username": "bob"}',
        json.dumps(GOOD)[:-1].encode() + b', "x": {"a": 1, "a": 2}}',
        json.dumps(GOOD)[:-1].encode() + b', "x": "\xff"}',
        json.dumps(GOOD).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        json.dumps(GOOD).encode() + b"x",
        b"username=alice&fullname=Alice&department_id=1",
        nested(21),
        nested(100_000),
        json.dumps(GOOD)[:-1].encode() + b', "x": ' + b"9" * 5000 + b"}",
    ],
    ids=range(21),
)
def test_login_whose_body_is_no_strict_json_object_is_refused(send, body):
    assert_refused(send(body), 400, "invalid_json")
    assert nobody_new()


def test_login_with_twenty_levels_works(send, agent):
    assert send(nested(20)).json()["success"] == 1


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "x"],
)
def test_login_with_another_content_type_is_refused(send, content_type):
    assert_refused(send(content_type=content_type), 415, "unsupported_media_type")
    assert nobody_new()


def test_login_of_more_than_one_mebibyte_is_refused(send):
    assert_refused(send(padded(TOO_LONG_A_BODY)), 413, "too_large")


def test_login_of_one_mebibyte_works(send, agent):
    assert send(padded(TOO_LONG_A_BODY - 1)).json()["success"] == 1


# --- Addresses and methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head", "trace", "propfind"])
@pytest.mark.parametrize("address", [BY_HOST, BY_PATH], ids=["host", "path"])
def test_login_by_another_method_is_refused(send, method, address):
    response = send(method=method, **address)

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert response.headers["Content-Type"] == "application/json"
    assert nobody_new()
    if method != "head":
        assert_refused(response, 405, "method_not_allowed")


@pytest.mark.parametrize("method", ["get", "post", "options"])
@pytest.mark.parametrize(
    "address",
    [
        BY_HOST | {"path": "/api/sso/more"},
        BY_HOST | {"path": "/api/sso/demoaws"},
        BY_HOST | {"path": "/api/other"},
        BY_HOST | {"path": "/api"},
        BY_PATH | {"path": "/api/sso"},
        BY_PATH | {"path": "/api/sso/"},
        BY_PATH | {"path": "/api/sso/demoaws/more"},
        BY_PATH | {"path": "/api/sso/a_b"},
        BY_PATH | {"path": "/api/sso/a%00b"},
    ],
    ids=lambda address: address["HTTP_HOST"].split(".")[0] + address["path"],
)
def test_address_below_the_path_that_is_none_is_not_found(send, method, address):
    assert_refused(send(method=method, **address), 404, "not_found")


def test_refusal_sets_no_cookie_and_is_never_stored(send):
    response = send(key=None)

    assert not response.cookies
    assert response.headers["Cache-Control"] == "no-store"
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


# --- Who may call ----------------------------------------------------------------------------------------------------


def _revoke() -> None:
    PlatformKey.objects.update(revoked_at=timezone.now())


def _expire() -> None:
    PlatformKey.objects.update(expires_at=timezone.now())


def _empty_the_list() -> None:
    AddressRule.objects.all().delete()


def _list_another() -> None:
    AddressRule.objects.update(network="203.0.113.0/24")


UNAUTHORIZED = {
    "missing": (lambda: None, {"key": None}),
    "empty": (lambda: None, {"key": ""}),
    "wrong": (lambda: None, {"key": "pk_wrong"}),
    "prefix-only": (lambda: None, {"key": factories.PLATFORM_KEY[:11]}),
    "other-case": (lambda: None, {"key": factories.PLATFORM_KEY.upper()}),
    "latin-1": (lambda: None, {"key": "pk_\xe9\xff"}),
    "revoked": (_revoke, {}),
    "expired": (_expire, {}),
    "empty-list": (_empty_the_list, {}),
    "empty-list-wrong-key": (_empty_the_list, {"key": "pk_wrong"}),
    "foreign-address": (_list_another, {}),
    "foreign-address-wrong-key": (_list_another, {"key": "pk_wrong"}),
    "another-peer": (lambda: None, {"REMOTE_ADDR": "127.0.0.2"}),
    "mapped-other-peer": (lambda: None, {"REMOTE_ADDR": "::ffff:127.0.0.2"}),
    "no-peer": (lambda: None, {"REMOTE_ADDR": ""}),
}


@pytest.mark.parametrize("name", UNAUTHORIZED)
def test_login_by_somebody_who_may_not_call_is_refused(send, name):
    prepare, changed = UNAUTHORIZED[name]
    prepare()

    assert_refused(send(**changed), 401, "unauthorized")
    assert nobody_new()


def test_login_by_somebody_who_may_not_call_gets_one_answer(send):
    bodies = set()
    for prepare, changed in UNAUTHORIZED.values():
        prepare()
        bodies.add(send(**changed).content)

    assert len(bodies) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_login_from_an_address_on_the_list_works(send, agent, address):
    assert send(REMOTE_ADDR=address).json()["success"] == 1


def test_login_from_a_network_on_the_list_works(send, agent, rule):
    AddressRule.objects.update(network="2001:db8::/32")

    assert send(REMOTE_ADDR="2001:DB8:0:0::7").json()["success"] == 1


@pytest.mark.parametrize(
    "header", ["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_CLIENT_IP"]
)
def test_login_with_a_forged_address_is_refused(send, header):
    assert_refused(send(REMOTE_ADDR="203.0.113.9", **{header: "127.0.0.1"}), 401, "unauthorized")
    assert Event.objects.get().address == "203.0.113.9"


def test_login_with_a_forged_foreign_address_works_all_the_same(send, agent):
    assert send(HTTP_X_FORWARDED_FOR="203.0.113.9").json()["success"] == 1
    assert Event.objects.get().address == "127.0.0.1"


def test_login_with_the_key_of_another_groups_list_is_refused(send, other_group):
    factories.PlatformKeyFactory(group=other_group, secret="pk_of-southgate")

    assert_refused(send(key="pk_of-southgate"), 401, "unauthorized")


@pytest.mark.parametrize("where", ["query", "body", "basic"])
def test_login_with_the_key_anywhere_but_in_its_header_is_refused(send, where):
    changed = {
        "query": {"path": f"/api/sso?Platform-Key={factories.PLATFORM_KEY}"},
        "body": {"body": GOOD | {"Platform-Key": factories.PLATFORM_KEY}},
        "basic": {"HTTP_AUTHORIZATION": f"Bearer {factories.PLATFORM_KEY}"},
    }[where]

    assert_refused(send(key=None, **changed), 401, "unauthorized")


def test_login_refused_for_its_key_is_recorded_without_the_key(send):
    send(key="pk_wrong-but-secret")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "unauthorized")
    assert "pk_wrong-but-secret" not in str(vars(event))


@pytest.mark.parametrize("end", [_revoke, _expire])
def test_login_with_a_key_that_has_ended_is_recorded_for_its_group(send, platform_key, end):
    end()
    send()

    event = Event.objects.get()
    assert (event.group_id, event.object, event.actor) == (
        platform_key.group_id,
        platform_key.named,
        "anonymous",
    )
    assert event.details["detail"] == "key ended"


def test_login_with_a_key_that_never_was_is_recorded_for_nobody(send):
    send(key="pk_wrong")

    event = Event.objects.get()
    assert (event.group_id, event.object) == (None, "")


def test_login_after_sixty_refused_credentials_in_a_minute_is_asked_to_wait(send, agent):
    minute = timezone.now().replace(second=0, microsecond=0)
    for later in (0, 1):  # whichever minute it is when the request comes
        Tally.objects.create(
            limit="refused credentials", who="127.0.0.1", minute=minute + timedelta(minutes=later), times=60
        )

    response = send(key="pk_wrong")

    assert_refused(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_login_with_wrong_keys_is_counted_by_address(send):
    send(key="pk_wrong")
    send(key="pk_wrong", REMOTE_ADDR="127.0.0.2")
    send(key="pk_wrong")

    counted = dict(Tally.objects.filter(limit="refused credentials").values_list("who", "times"))
    assert counted.keys() == {"127.0.0.1", "127.0.0.2"}


# --- The limit of a key ----------------------------------------------------------------------------------------------


@pytest.fixture
def mint(agent, platform_key, client_company):
    """Logins by this key, issued a moment ago."""

    def mint_some(number: int) -> None:
        made = {"agent": agent, "client": client_company, "platform_key": platform_key}
        LoginToken.objects.bulk_create(factories.LoginTokenFactory.build_batch(number, **made))

    return mint_some


def test_login_601_in_a_minute_is_asked_to_wait(send, mint):
    mint(600)

    response = send()

    assert_refused(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert LoginToken.objects.count() == 600


def test_login_600_in_a_minute_works(send, mint):
    mint(599)

    assert send().json()["success"] == 1


def test_login_by_another_key_of_the_group_is_not_asked_to_wait(send, mint, group):
    mint(600)
    factories.PlatformKeyFactory(group=group, secret="pk_second")

    assert send(key="pk_second").json()["success"] == 1


def test_login_without_rate_limits_is_never_asked_to_wait(send, mint, settings):
    settings.RATE_LIMITS = False
    mint(600)

    assert send().json()["success"] == 1


# --- Who may enter what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", STOPPED_AGENTS + STOPPED_GROUPS + CLOSED_CLIENTS, ids=name_of)
def test_login_of_somebody_who_may_not_enter_is_refused(send, agent, entitlement, stop):
    stop.act(agent, entitlement)

    assert_refused(send(), 403, stop.code)
    event = Event.objects.get()
    assert (event.reason, event.details.get("detail", event.reason)) == (stop.code, stop.why)
    assert (event.agent, event.client) == (agent.subject, "demoaws")
    assert nobody_new()


def test_login_to_an_unknown_and_a_foreign_client_gets_one_answer(send):
    factories.ClientFactory(subdomain="acme")

    foreign, unknown = (
        send(**BY_PATH | {"path": "/api/sso/acme"}),
        send(**BY_PATH | {"path": "/api/sso/nosuch"}),
    )

    assert_refused(foreign, 403, "client_unavailable")
    assert foreign.content == unknown.content


@pytest.mark.parametrize("host", ["nosuch.localhost", "a.demoaws.localhost"])
def test_login_at_a_host_name_of_no_client_is_refused(send, host):
    assert_refused(send(HTTP_HOST=host), 403, "client_unavailable")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "demoaws.localhost.evil.example"])
def test_login_at_a_host_name_that_is_not_ours_is_refused(send, host):
    assert send(HTTP_HOST=host).status_code == 421


def test_login_as_a_department_of_another_client_is_refused(ask):
    factories.DepartmentFactory(number=7)

    assert_refused(ask(department_id=7), 400, "unknown_department", naming="department_id")
    assert nobody_new()


@pytest.mark.parametrize("department", [0, 99, 2**31 - 1])
def test_login_as_an_unknown_department_is_refused(ask, department):
    assert_refused(ask(department_id=department), 400, "unknown_department", naming=str(department))


def test_login_for_a_campaign_of_another_client_is_refused(ask):
    factories.CampaignFactory(number=70)

    assert_refused(ask(campaign_id="1,70"), 400, "unknown_campaign", naming="70")
    assert nobody_new()


def test_login_for_a_campaign_outside_the_entitlement_is_refused(ask, entitlement, client_company):
    EntitledCampaign.objects.create(entitlement=entitlement, campaign=client_company.campaigns.get(number=2))

    assert_refused(ask(campaign_id="1"), 400, "unknown_campaign", naming="campaign_id")


# --- Agents made on the fly ------------------------------------------------------------------------------------------


def test_login_of_somebody_new_makes_an_agent_without_a_password(ask, group):
    ask(username=" Newcomer ", fullname="New Comer", email="new@comer.example")

    made = Agent.objects.get(username="Newcomer")
    assert (made.group, made.full_name, made.email) == (group, "New Comer", "new@comer.example")
    assert (made.provisioned_by, made.status, made.password) == (ProvisionedBy.API, AgentStatus.ACTIVE, "")


def test_login_of_somebody_new_is_recorded(ask, group, platform_key):
    ask(username="newcomer")

    event = Event.objects.get(action="agent.provision")
    assert (event.actor, event.group_id) == (f"key:{platform_key.prefix}", group.pk)
    assert event.agent == Agent.objects.get(username="newcomer").subject


@pytest.mark.parametrize("password", ["", " ", factories.PASSWORD])
def test_agent_made_on_the_fly_cannot_sign_in(ask, group, client, password):
    ask(username="newcomer")

    response = client.post(f"/sso/sign-in?group={group.pk}", {"username": "newcomer", "password": password})

    assert response.status_code == 200
    assert not groups.AgentSession.objects.exists()


@pytest.mark.parametrize("username", ["newcomer", "NEWCOMER", " Newcomer ", "ｎewcomer"])
def test_login_of_a_name_in_another_spelling_is_the_same_agent(ask, username):
    ask(username="newcomer")

    ask(username=username)

    assert Agent.objects.count() == 1


def test_login_brings_an_agent_that_the_api_made_up_to_date(ask):
    ask(username="newcomer", email="old@mail.example")

    ask(username="newcomer", fullname="New Name", email="new@mail.example")

    made = Agent.objects.get(username="newcomer")
    assert (made.full_name, made.email) == ("New Name", "new@mail.example")
    assert Event.objects.filter(action="agent.update").count() == 1


def test_login_without_an_email_keeps_the_old_one(ask):
    ask(username="newcomer", email="old@mail.example")

    ask(username="newcomer")

    assert Agent.objects.get(username="newcomer").email == "old@mail.example"


def test_login_that_changes_nothing_records_no_update(ask):
    ask(username="newcomer")
    ask(username="newcomer")

    assert not Event.objects.filter(action="agent.update").exists()


def test_login_does_not_change_an_agent_whom_an_administrator_made(ask, agent):
    ask(username="ALICE", fullname="Mallory", email="mallory@evil.example")

    agent.refresh_from_db()
    assert (agent.username, agent.full_name, agent.email) == ("alice", "Alice Ames", "")


def test_login_of_a_name_that_another_group_has_is_another_agent(ask, group, other_group):
    theirs = factories.AgentFactory(group=other_group, username="zoe", full_name="Zoe Theirs")

    ask(username="zoe", fullname="Zoe Ours")

    theirs.refresh_from_db()
    ours = Agent.objects.get(group=group, username="zoe")
    assert theirs.full_name == "Zoe Theirs"
    assert LoginToken.objects.get().agent == ours
    assert ours.subject != theirs.subject


def test_login_with_an_email_that_somebody_has_works(ask, agent):
    Agent.objects.update(email="shared@mail.example")

    assert ask(username="newcomer", email="shared@mail.example").json()["success"] == 1


@pytest.mark.parametrize("fields", [{"department_id": 99}, {"campaign_id": "99"}, {"email": "x"}], ids=str)
def test_refused_login_makes_nobody(ask, fields):
    ask(username="newcomer", **fields)

    assert not Agent.objects.filter(username="newcomer").exists()
    assert not Event.objects.filter(action="agent.provision").exists()


@pytest.mark.parametrize("stop", STOPPED_GROUPS + CLOSED_CLIENTS[:3], ids=name_of)
def test_login_refused_for_its_client_makes_nobody(ask, agent, entitlement, stop):
    stop.act(agent, entitlement)

    ask(username="newcomer")

    assert not Agent.objects.filter(username="newcomer").exists()


def test_refused_login_changes_nobody(ask):
    ask(username="newcomer")
    Agent.objects.update(status=AgentStatus.DISABLED)

    ask(username="newcomer", fullname="Another Name")

    assert Agent.objects.get().full_name == "Alice Ames"
