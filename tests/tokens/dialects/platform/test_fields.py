"""What a call-center platform sends: fields, bodies, addresses and methods."""

import json

import pytest

from tests.tokens.dialects.platform.asking import BY_HOST, BY_PATH, GOOD, assert_refused, nobody_new

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement", "platform_key", "rule")]


TOO_LONG_A_BODY = 1024 * 1024 + 1


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
