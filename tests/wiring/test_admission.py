"""What no view should have to think of is refused before any: with a page, and an event that its reference finds."""

from io import BytesIO

import pytest

from accounts.models import Event
from sso_portal.lib.addresses import parse_networks
from sso_portal.lib.web import is_for_software
from sso_portal.wsgi import application, plain_content_type

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    ["/sso/group/demoaws%00?group=21", "/sso/group/demoaws?group=21&did=%00", "/sso/enter?token=%00", "/%00"],
)
def test_nul_anywhere_in_an_address_is_refused(client, address):
    response = client.get(address)

    assert response.status_code == 400
    event = Event.objects.get()
    assert (event.reason, event.reference) == ("unreadable", response.headers["X-Request-Id"])
    assert event.reference in response.content.decode()


def test_body_over_one_mebibyte_is_refused_unread(client):
    response = client.post("/sso/group/demoaws?group=21", "x" * (1024 * 1024 + 1), content_type="text/plain")

    assert response.status_code == 413


FORM = "application/x-www-form-urlencoded"
TAKE_FORMS = [
    "/sso/group/demoaws?group=21",
    "/sso/sign-in?group=21",
    "/sso/sign-out",
    "/oauth/authorize",
    "/oauth/logout",
    "/accounts/login/",
    "/includes/api.php",
]


@pytest.mark.parametrize(
    "address",
    [*TAKE_FORMS, "/oauth/token", "/client/demoaws", "/nowhere"],
)
def test_form_of_a_stranger_over_64_kib_is_refused_by_what_it_says(client, address):
    response = client.post(address, "a=1", content_type=FORM, CONTENT_LENGTH=64 * 1024 + 1)

    assert response.status_code == 413
    assert ("html" in response["Content-Type"]) is not is_for_software(address)


def test_form_of_the_console_may_be_longer(as_owner):
    response = as_owner.post("/groups/", "a=" + "1" * 64 * 1024, content_type=FORM)

    assert response.status_code == 405


@pytest.mark.parametrize("address", ["/groups/", "/groups/21/agents/import/", "/backoffice/"])
def test_long_form_of_a_stranger_is_not_read(client, address):
    body = BytesIO(b"a=" + b"1" * 64 * 1024)

    response = client.generic("POST", address, body.getvalue(), content_type=FORM, **{"wsgi.input": body})

    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={address}"
    assert body.tell() == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405), ("OPTIONS", 405)])
def test_health_is_asked_for_and_nothing_else(client, path, method, status):
    assert client.generic(method, path).status_code == status


@pytest.mark.parametrize("body", ["&".join(f"a{n}=1" for n in range(1500)), "x" * 1024 * 1024])
def test_strangers_leave_no_traceback_in_the_log(client, caplog, body):
    response = client.post("/sso/group/demoaws?group=21", body, content_type=FORM)

    assert response.status_code in (400, 413)
    assert not [record for record in caplog.records if record.exc_info]


def test_caller_whose_address_cannot_be_read_is_refused(client, settings):
    settings.TRUSTED_PROXIES = parse_networks(["127.0.0.1"])

    response = client.get("/accounts/login/", headers={"X-Forwarded-For": "unknown"})

    assert response.status_code == 400
    assert Event.objects.get().reason == "no_address"


CONTENT_TYPES = [
    "text/plain; charset=hex",
    "text/plain; charset =zlib",
    "text/plain; charset*=utf-8''zlib",
    "text/plain; x*=bogus''%41",
    'text/plain; a="; charset=utf-8"; charset=zlib',
    "multipart/form-data; boundary*=bogus''x",
    "nonsense",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_charset_that_a_content_type_names_is_not_looked_up(client, content_type):
    answer = {}

    def start_response(status, headers):
        answer["status"] = status

    environ = client._base_environ(CONTENT_TYPE=content_type, PATH_INFO="/healthz")
    list(application(environ, start_response))

    assert answer["status"] == "200 OK"


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("", ""),
        ("application/json; charset=utf-8", "application/json"),
        ("multipart/form-data; boundary=ab", 'multipart/form-data; boundary="ab"'),
        ('multipart/form-data; charset=x; boundary="a b"', 'multipart/form-data; boundary="a b"'),
        ("text plain", "application/octet-stream"),
    ],
)
def test_content_type_is_reduced_to_what_is_needed(said, plain):
    assert plain_content_type(said) == plain


@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("address", TAKE_FORMS)
def test_part_of_a_form_in_an_unknown_charset_counts_as_absent(client, address):
    """At every door that takes multipart/form-data, by the handler that a server runs."""

    def status_with(header: str) -> str:
        path, _, query = address.partition("?")
        body = f"--x\r\n{header}\r\n\r\n1\r\n--x--\r\n".encode()
        environ = client._base_environ(PATH_INFO=path, QUERY_STRING=query, REQUEST_METHOD="POST")
        environ |= {"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(len(body))}
        said: list[str] = []
        list(
            application(environ | {"wsgi.input": BytesIO(body)}, lambda status, _headers: said.append(status))
        )
        return said[0]

    usual = status_with("X-Nothing: here")
    named = [
        f"{name}*={charset}''%41%ff"
        for name in ("name", "filename")
        for charset in ("bogus", "hex", "undefined")
    ]

    assert usual[0] in "34"
    assert {status_with(f'Content-Disposition: form-data; name="a"; {one}') for one in named} == {usual}


def test_strangers_refusals_are_recorded_up_to_a_limit(client, limit_a_minute):
    limit_a_minute("recorded refusals", 3)

    for _ in range(5):
        client.get("/sso/group?group=x")

    assert Event.objects.count() == 3
