"""Malformed requests at every door: a clear "no" in the door's own words, never a 5xx, never a page of a framework."""

import html
import json
import re

import pytest

from tests.attacks.wire import FORM, JSON, Answer, send
from tests.attacks.world import World, fingerprint

pytestmark = pytest.mark.django_db

DEEP = 100_000
BODIES = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "half": b'{"username": ',
    "name twice": b'{"username": "a", "username": "b"}',
    "NaN": b'{"username": NaN}',
    "infinite": b'{"username": -Infinity}',
    "huge number": b'{"username": 1e999, "department_id": ' + b"9" * 5000 + b"}",
    "deep list": b"[" * DEEP,
    "deep object": b'{"a":' * DEEP,
    "not UTF-8": b'{"username": "\xff\xfe"}',
    "UTF-16": '{"username": "a"}'.encode("utf-16"),
    "NUL": b'{"username": "a\x00b", "token": "\\u0000"}',
    "lone surrogate": b'{"username": "\\ud800", "token": "\\udfff", "\\ud800": 1}',
    "overlong UTF-8": b'{"username": "\xc0\xaf"}',
    "percent": b"username=%&token=%zz&code=%ff&grant_type=%00",
    "form twice": b"username=a&username=b&token=1&token=2&grant_type=x&grant_type=y",
    "many fields": b"&".join(b"f%d=1" % n for n in range(5000)),
    "no boundary": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
}
KINDS = (
    *(JSON, FORM, "multipart/form-data", "multipart/form-data; boundary=x", "text/plain; charset=zlib"),
    *("application/json; charset=utf-16", "application/x-yaml", "nonsense", "", "a" * 5000),
)
# One value of each kind that is not what a field is for.
STRANGE: list[object] = [
    None,
    True,
    -1,
    2**70,
    1.5,
    [],
    [[]],
    {},
    {"a": {}},
    "",
    " ",
    "x" * 100_000,
    "\ud800",
    "\0",
]
FIELDS = (
    *("username", "full_name", "fullname", "email", "client", "clients", "departments", "department_id"),
    *("campaign_id", "call", "ends_at", "all_clients", "token", "code", "redirectUrl", "origin", "password"),
    *("refreshToken", "agents", "mode", "replaces", "appName"),
)


def is_its_own(answer: Answer) -> bool:
    """Whether the answer has the shape of software's doors, and nothing else in it."""
    if answer["Content-Type"].partition(";")[0] not in (JSON, "application/problem+json"):
        return answer.status in (200, 204) and not answer["Set-Cookie"]
    json.loads(answer.text)
    return "Traceback" not in answer.text and not answer["Set-Cookie"]


def assert_refused_well(world: World, asks: list[tuple[str, str, bytes, str]]) -> None:
    """Every one of these is answered below 500, in the door's own shape, and changes nothing."""
    before, wrong = fingerprint(), []
    for method, address, body, kind in asks:
        answer = send(method, address, body=body, kind=kind, headers=world.credentials(address))
        if answer.status >= 500 or not is_its_own(answer):
            wrong.append((method, address, body[:40], kind[:40], answer.status, answer.text[:80]))

    assert wrong == []
    assert fingerprint() == before


@pytest.mark.parametrize("kind", [JSON, FORM, "multipart/form-data; boundary=x"])
def test_body_that_is_none_is_refused_at_every_door_of_software(world, kind):
    doors = world.of_software()
    assert_refused_well(world, [("POST", door, body, kind) for door in doors for body in BODIES.values()])


def test_content_type_of_any_kind_is_answered_at_every_door_of_software(world):
    doors = world.of_software()
    assert_refused_well(world, [("POST", door, b'{"a": 1}', kind) for door in doors for kind in KINDS])


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_field_of_another_kind_is_refused_at_every_door_of_software(world, method):
    bodies = [json.dumps(dict.fromkeys(FIELDS, value)).encode() for value in STRANGE]
    assert_refused_well(
        world, [(method, door, body, JSON) for door in world.of_software() for body in bodies]
    )


def test_method_of_any_kind_is_answered_at_every_door_of_software(world):
    methods = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "post", "")
    doors = world.of_software()
    assert_refused_well(world, [(method, door, b"", JSON) for door in doors for method in methods])


# Each holds one value of a kind for every parameter that some page reads.
PARAMETERS = (
    *("group", "q", "to", "client_id", "token", "page", "after", "before", "cursor", "limit", "show", "from"),
    *(
        "since",
        "until",
        "day",
        "order",
        "status",
        "client",
        "did",
        "o",
        "p",
        "pk__exact",
        "next",
        "access_token",
    ),
)
VALUES = {
    "not UTF-8": "%ed%a0%80%ff",
    "huge number": "9" * 400,
    "negative": "-1",
    "SQL": "'%20OR%201=1;--%25%2500",
}
QUERIES = {kind: "&".join(f"{name}={value}" for name in PARAMETERS) for kind, value in VALUES.items()}
QUERIES |= {
    "everything twice": f"{QUERIES['negative']}&{QUERIES['SQL']}",
    "brackets and semicolons": "group[]=1&q[a]=b&;;=;&&=&?&" + "q=" + "x" * 20_000,
}
LISTS = (
    "changelist",
    "autocomplete",
    "jsi18n",
    "history",
)  # of the operators' pages: the rest reads no query


def _reads_queries(name: str, address: str, who: str) -> bool:
    if who == "operator":
        return address.startswith("/backoffice/") and name.endswith(LISTS)
    return not address.startswith("/backoffice/") and (who == "owner" or not address.startswith("/groups/"))


@pytest.mark.parametrize("who", ["nobody", "agent", "owner", "operator"])
def test_query_of_any_kind_is_answered_at_every_page(world, who):
    before, wrong = fingerprint(), []
    for name, address in world.pages():
        for query in QUERIES.values() if _reads_queries(name, address, who) else ():
            answer = send("GET", f"{address}?{query}", headers=world.cookie(who))
            if answer.status >= 500 or "Traceback" in answer.text:
                wrong.append((address, query[:40], answer.status))

    assert wrong == []
    assert fingerprint() == before


def _bent(address: str) -> list[str]:
    """The same address as somebody writes it who looks for a way around."""
    inside = address.lstrip("/")
    return [
        *(f"/{address}", f"/./{inside}", f"/x/../{inside}", f"/%2e%2e/{inside}", f"/%252e%252e/{inside}"),
        *(f"/..%2f{inside}", f"/static/..%2f{inside}", f"/static/../{inside}", f"{address}%20", f"{address}%0a"),
        *(f"{address};a=b", f"{address}..;/", address.replace("/", "%2f"), address.replace("/", "\\"), f"{address}%00"),
        *(address.upper(), f"/\ufeff{inside}"),
    ]  # fmt: skip


def test_address_that_is_bent_leads_nowhere_else(world):
    """Each page of the group, in seventeen spellings, asked for by nobody: at most a sign-in page is answered."""
    wrong = []
    for _name, address in world.pages():
        if address.startswith((f"/groups/{world.group.pk}/agents", "/backoffice/groups/agent")):
            for spelling in _bent(address):
                answer = send("GET", spelling)
                if answer.status not in (302, 400, 404, 405):
                    wrong.append((spelling, answer.status))

    assert wrong == []


HOSTILE_LISTS = [
    "accounts/event/?id__in=9223372036854775808",
    "accounts/event/?at__gte=0001-01-01T00:00:00%2B14:00",
    "accounts/event/?at__gte=2026-02-31T99:00:00%2B99:00",
    "accounts/event/?at__lt=9999-12-31T23:59:59-14:00",
    "accounts/event/?at__year=99999",
    "groups/agent/?group__id__exact=9223372036854775808",
    "groups/agent/?group__id__exact=999999999999999999",
]
HOSTILE_FORMS = [
    "groups/agent/add/?group=9223372036854775808",
    "groups/agent/add/?ends_at=0001-01-01",
    "groups/agententitlement/add/?agent=99999999999999999999",
]


@pytest.mark.parametrize("address", HOSTILE_LISTS)
def test_lookup_that_no_filter_offers_is_refused_in_the_back_office(world, address):
    answer = send("GET", f"/backoffice/{address}", headers=world.cookie("operator"))

    assert answer.status in (200, 302, 400)


@pytest.mark.parametrize("address", HOSTILE_FORMS)
def test_form_of_the_back_office_takes_no_values_from_its_address(world, address):
    assert send("GET", f"/backoffice/{address}", headers=world.cookie("operator")).status < 500


OFFERED = ["accounts/event/", "accounts/administrator/", "groups/agent/", "groups/client/",
           "tokens/tokenfamily/", "tokens/handoff/", "tokens/platformkey/", "tokens/busaddress/"]  # fmt: skip


@pytest.mark.parametrize("address", OFFERED)
def test_every_filter_of_the_back_office_is_answered(world, address):
    page = send("GET", f"/backoffice/{address}", headers=world.cookie("operator"))
    offered = set(re.findall(r'href="(\?[^"]+)"', page.text))

    assert offered
    for query in offered:
        found = send("GET", f"/backoffice/{address}{html.unescape(query)}", headers=world.cookie("operator"))
        assert found.status == 200, query


@pytest.mark.parametrize("length", ["-1", "1e3", "999999999999", "+5", "\xb2", "9" * 5000])
def test_length_that_is_none_is_refused_at_every_door_of_software(world, length):
    """Where no body is read, none can be wrong."""
    wrong = []
    for address in world.of_software():
        headers = world.credentials(address)
        answer = send("POST", address, body=b"{}", kind=JSON, headers=headers, CONTENT_LENGTH=length)
        wrong += [(address, answer.status)] if answer.status >= 500 else []

    assert wrong == []


COOKIES = (
    *(
        "agent=\xff",
        "agent=" + "x" * 60_000,
        "agent=a; agent=b; administrator=\x01",
        "=;=;;; ;agent",
        'agent="\\777"',
    ),
    *("csrf=\ud800; client=\x00; language=../../x; theme=<x>", "; ".join(f"c{n}=1" for n in range(3000))),
)


def test_cookie_of_any_kind_is_answered_at_every_page_that_reads_one(world):
    wrong = []
    for name, address in world.pages():
        for cookie in COOKIES if not address.startswith("/backoffice/") or name == "index" else ():
            answer = send("GET", address, headers={"Cookie": cookie})
            wrong += [(address, cookie[:30], answer.status)] if answer.status >= 500 else []

    assert wrong == []
