"""CreateSsoToken (wire.md, section 4), over HTTP: every message once, and what comes of a success."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from accounts.models import Event, Outcome, Tally
from sso_portal.lib.secrets import digest_of
from sso_portal.lib.web import LONGEST_FORM
from tests import factories
from tests.conftest import PORTAL
from tokens.models import ApiCredential, CredentialAddress, PersonToken, PersonUse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("credential")]

PATH = "/includes/api.php"
FORM = "application/x-www-form-urlencoded"
WHO = {"identifier": "billing-under-test", "secret": factories.CREDENTIAL_SECRET}


@pytest.fixture
def credential(client_company) -> ApiCredential:
    """The credential of demoaws' billing system, for this machine."""
    row = factories.ApiCredentialFactory(clients=[client_company])
    factories.CredentialAddressFactory(credential=row)
    return row


@pytest.fixture
def foreign():
    """Somebody of a client that the credential may not act for."""
    return factories.ClientPersonFactory()


@pytest.fixture
def ask(client_company, person):
    """Ask for Petra, with these fields changed (None: absent). No answer may be a 5xx, or anything but JSON."""
    usual = WHO | {"action": "CreateSsoToken", "client_id": client_company.pk, "user_id": person.pk}

    def ask_once(*, path=PATH, query="", address="127.0.0.1", **changed):
        fields = {name: value for name, value in (usual | changed).items() if value is not None}
        return Client(HTTP_HOST=PORTAL).post(f"{path}{query}", fields, REMOTE_ADDR=address)

    return ask_once


@pytest.fixture
def send():
    """Send a body as it is."""

    def send_one(body=b"", *, method="POST", content_type=FORM, **headers):
        return Client(HTTP_HOST=PORTAL).generic(method, PATH, body, content_type, **headers)

    return send_one


def assert_error(response, status: int, message: str) -> None:
    assert response.headers["Content-Type"] == "application/json"
    assert (response.status_code, response.json()) == (status, {"result": "error", "message": message})
    assert not PersonToken.objects.exists()


def assert_success(response) -> str:
    answer = response.json()
    assert (response.status_code, answer["result"]) == (200, "success"), answer
    assert set(answer) == {"result", "access_token", "redirect_url"}
    return str(answer["access_token"])


# --- A login ---------------------------------------------------------------------------------------------------------


def test_success_answers_a_token_and_its_address(ask):
    secret = assert_success(response := ask())

    assert re.fullmatch("[0-9a-f]{40}", secret)
    address = f"{settings.PORTAL_URL}/oauth/singlesignon.php?access_token={secret}"
    assert response.json()["redirect_url"] == address
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


def test_success_stores_the_digest_alone(ask, person, credential, client_company):
    secret = assert_success(ask())

    token = PersonToken.objects.get()
    assert (token.digest, token.use, token.redeemed_at) == (digest_of(secret), PersonUse.ENTRANCE, None)
    assert (token.person, token.client, token.credential) == (person, client_company, credential)
    assert timedelta(seconds=58) < token.expires_at - timezone.now() <= timedelta(seconds=61)


def test_success_is_written_down_without_the_secret(ask, person, credential):
    secret = assert_success(ask(destination="clientarea:invoices"))

    event = Event.objects.get()
    assert (event.action, event.outcome, event.client) == ("person.create_token", Outcome.OK, "demoaws")
    assert (event.actor, event.object) == (credential.named, f"token:{digest_of(secret)[:12]}")
    assert event.details == {"person": person.pk, "destination": "clientarea:invoices"}
    assert secret not in str(event.__dict__)


def test_success_notes_the_use_of_the_credential(ask, credential):
    ask()

    credential.refresh_from_db()
    assert credential.last_used_at is not None


def test_success_as_a_urlencoded_form(send, person):
    body = f"identifier={WHO['identifier']}&secret={WHO['secret']}&action=CreateSsoToken&user_id={person.pk}"

    assert_success(send(body.encode(), content_type=f"{FORM}; charset=UTF-8"))


@pytest.mark.parametrize("action", ["createssotoken", "CREATESSOTOKEN", " CreateSsoToken "])
def test_action_in_any_case_is_the_same(ask, action):
    assert_success(ask(action=action))


@pytest.mark.parametrize("in_body", [None, ""])
def test_action_may_be_in_the_query(ask, in_body):
    assert_success(ask(action=in_body, query="?action=createSSOtoken"))


def test_credentials_may_be_called_username_and_password(ask):
    changed = {"identifier": None, "secret": "", "username": WHO["identifier"], "password": WHO["secret"]}

    assert_success(ask(**changed))


@pytest.mark.parametrize("responsetype", ["json", "xml", "nvp", ""])
def test_answer_is_json_whatever_is_asked(ask, responsetype):
    assert ask(responsetype=responsetype).headers["Content-Type"] == "application/json"


def test_trailing_slash_is_tolerated(ask):
    assert_success(ask(path=f"{PATH}/"))


def test_client_alone_means_its_owner(ask, client_company):
    owner = factories.ClientPersonFactory(client=client_company, is_owner=True)

    assert_success(ask(user_id=""))

    assert PersonToken.objects.get().person == owner


def test_user_alone_is_enough(ask, person):
    assert_success(ask(client_id=None))

    assert PersonToken.objects.get().person == person


def test_name_given_twice_means_the_last(send, person):
    body = (
        f"identifier=x&identifier={WHO['identifier']}&secret={WHO['secret']}&action=a&action=CreateSsoToken"
    )

    assert_success(send(f"{body}&user_id=0&user_id={person.pk}&x[]=1&x[]=2".encode()))


def test_destination_is_kept_with_its_numbers_filled_in(ask, client_company):
    name = "clientarea:product_details"
    factories.DestinationFactory(client=client_company, name=name, path="services/{service_id}")

    assert_success(ask(destination=name, service_id="417"))

    token = PersonToken.objects.get()
    assert (token.destination, token.path) == (name, "services/417")


def test_custom_destination_is_kept(ask):
    assert_success(ask(destination="sso:custom_redirect", sso_redirect_path="a/b?c=1"))

    assert PersonToken.objects.get().path == "a/b?c=1"


# --- Argument errors: HTTP 200 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "0", "1" * 19, "１", "1 or 1"])
def test_client_id_that_is_no_client_is_refused(ask, number):
    assert_error(ask(client_id=number), 200, "Invalid client_id")


def test_client_of_another_credential_is_refused(ask, foreign):
    assert_error(ask(client_id=foreign.client_id, user_id=foreign.pk), 200, "Invalid client_id")


@pytest.mark.parametrize("number", ["x", "-1", "0", "1" * 19])
def test_user_id_that_is_nobody_is_refused(ask, number):
    assert_error(ask(user_id=number), 200, "Invalid user_id")


def test_person_of_another_credential_is_as_unknown_as_nobody(ask, foreign):
    assert_error(ask(client_id="", user_id=foreign.pk), 200, "Invalid user_id")


def test_person_of_another_client_is_refused(ask, foreign):
    assert_error(ask(user_id=foreign.pk), 200, "Invalid user_id for client")


def test_nobody_named_is_refused(ask):
    assert_error(ask(client_id="", user_id=" "), 200, "A valid client_id or user_id is required")


def test_unknown_destination_is_refused(ask):
    assert_error(ask(destination="clientarea:nothing"), 200, "Invalid destination")


@pytest.mark.parametrize(
    "path", ["", "//evil.example", "https://evil.example", "../x", "%2e%2e/x", "\\x", "/"]
)
def test_path_out_of_the_crm_is_refused(ask, path):
    said = "Token could not be provisioned: sso_redirect_path is no path within the client's system."

    assert_error(ask(destination="sso:custom_redirect", sso_redirect_path=path), 200, said)


def test_missing_number_of_a_destination_is_refused(ask, client_company):
    factories.DestinationFactory(client=client_company, path="services/{service_id}")
    said = "Token could not be provisioned: service_id must be a number for this destination."

    assert_error(ask(destination="clientarea:invoices"), 200, said)


def test_client_without_an_owner_is_refused(ask):
    assert_error(ask(user_id=None), 200, "Token could not be provisioned: The client has no owner.")


def test_person_who_is_stopped_is_refused(ask, person):
    type(person).objects.update(is_active=False)
    said = "Token could not be provisioned: This person's access has been stopped."

    assert_error(ask(), 200, said)


@pytest.mark.parametrize("fields", [{"is_paused": True}, {"is_active": False}])
def test_client_that_is_stopped_is_refused(ask, client_company, fields):
    type(client_company).objects.update(**fields)

    assert_error(ask(), 200, f"SSO authentication blocked for client {client_company.pk}")


def test_argument_error_is_written_down(ask, credential, person):
    ask(client_id="999")

    event = Event.objects.get()
    assert (event.action, event.reason, event.actor) == (
        "person.create_token",
        "unknown_client",
        credential.named,
    )
    assert event.details == {"status": 200, "client_id": "999", "user_id": str(person.pk)}


# --- Who calls: HTTP 403 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [{"identifier": None}, {"secret": ""}, {"identifier": "", "secret": ""}, {"identifier": "unknown", "secret": None}],
)  # fmt: skip
def test_missing_credentials_are_refused(ask, changed):
    assert_error(ask(**changed), 403, "Authentication Failed")


@pytest.mark.parametrize(
    "secret", ["wrong", factories.CREDENTIAL_SECRET[:-1], factories.CREDENTIAL_SECRET.upper()]
)
def test_wrong_secret_is_refused(ask, secret):
    assert_error(ask(secret=secret), 403, "Authentication Failed")


@pytest.mark.parametrize("identifier", ["unknown", "BILLING-UNDER-TEST", "x" * 500, "billing-under-test%"])
def test_unknown_identifier_is_refused(ask, identifier):
    assert_error(ask(identifier=identifier), 403, "Invalid or missing credentials")


def test_secret_in_the_place_of_the_identifier_is_not_written_down(ask):
    ask(identifier=WHO["secret"])

    assert WHO["secret"] not in str(vars(Event.objects.get()))


@pytest.mark.parametrize("ended", ["revoked_at", "expires_at"])
def test_ended_credential_is_unknown(ask, ended):
    ApiCredential.objects.update(**{ended: timezone.now() - timedelta(seconds=1)})

    assert_error(ask(), 403, "Invalid or missing credentials")


@pytest.mark.parametrize("secret", [WHO["secret"], "wrong"])
def test_foreign_address_is_refused_before_the_secret_is_looked_at(ask, secret):
    assert_error(ask(secret=secret, address="127.0.0.2"), 403, "Invalid IP 127.0.0.2")


def test_empty_address_list_admits_nobody(ask):
    CredentialAddress.objects.all().delete()

    assert_error(ask(), 403, "Invalid IP 127.0.0.1")


def test_foreign_address_is_written_down(ask, credential):
    ask(address="203.0.113.9")

    event = Event.objects.get()
    assert (event.actor, event.address, event.outcome) == (credential.named, "203.0.113.9", Outcome.REFUSED)
    assert event.details["detail"] == "address not on the list"


@pytest.mark.parametrize("name", ["identifier", "secret", "username", "password", "accesskey"])
def test_credentials_in_the_query_are_refused(ask, name):
    assert_error(ask(query=f"?{name}=x"), 403, "Authentication Failed")


def test_credentials_in_the_query_are_refused_behind_an_empty_one(ask):
    assert_error(ask(query="?secret=x&secret="), 403, "Authentication Failed")


def test_empty_credentials_in_the_query_are_absent(ask):
    assert_success(ask(query="?secret="))


def test_unknown_identifier_and_wrong_secret_are_looked_up_alike(ask):
    asked = []
    for changed in ({"identifier": "unknown"}, {"secret": "wrong"}):
        with CaptureQueriesContext(connection) as captured:
            ask(**changed)
        tables = [re.findall('FROM "(tokens_[a-z]+)"', query["sql"]) for query in captured.captured_queries]
        asked.append([found for found in tables if found])

    assert asked[0] == asked[1] == [["tokens_apicredential"], ["tokens_credentialaddress"]]


def test_other_actions_are_not_allowed(ask):
    said = 'Invalid Permissions: API action "getclientsdetails" is not allowed'

    assert_error(ask(action="GetClientsDetails"), 403, said)


def test_empty_action_is_refused(ask):
    assert_error(ask(action=" "), 400, "Empty action request")


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_limit_is_of_the_identifier(ask, limit_a_minute):
    limit_a_minute("create_sso_token", 2)
    statuses = [ask().status_code for _ in range(3)]

    response = ask()

    assert statuses == [200, 200, 429]
    assert response.headers["Retry-After"] == "60"
    assert response.json()["result"] == "error"


def test_wrong_credentials_are_limited_by_the_address(ask, limit_a_minute):
    limit_a_minute("refused credentials", 2)
    changes = [{"secret": "wrong"}, {"identifier": "unknown"}, {"secret": "wrong"}]

    assert [ask(**changed).status_code for changed in changes] == [403, 403, 429]
    assert_success(ask())


def test_wrong_credentials_do_not_count_against_the_identifier(ask):
    ask(secret="wrong")

    assert not Tally.objects.filter(limit="create_sso_token").exists()


# --- Anything else ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_answered_as_json(send, method):
    response = send(method=method)

    assert_error(response, 405, "This address does not answer this method.")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("content_type", ["application/json", "text/xml", "multipart/mixed", "nonsense"])
def test_other_bodies_are_refused(send, content_type):
    said = "Send the body as application/x-www-form-urlencoded or multipart/form-data."

    assert_error(send(b"{}", content_type=content_type), 415, said)


@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=x"])
def test_body_that_is_too_large_is_refused(send, content_type):
    response = send(b"a" * (LONGEST_FORM + 1), content_type=content_type)

    assert_error(response, 413, "The form is larger than 64 KiB.")


PART = b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\n'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=%ff", FORM),
        (b"\xff", FORM),
        (b"&".join(b"a%d=1" % n for n in range(300)), FORM),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary="),
        (b"--x\r\n" + PART * 1100, "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_body_that_is_no_form_is_refused(send, body, content_type):
    assert_error(send(body, content_type=content_type), 400, "The body is not a form in UTF-8.")


def test_files_are_not_looked_at(send, person):
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    fields = WHO | {"action": "CreateSsoToken", "user_id": str(person.pk)}
    parts = [part.format(name, "", value) for name, value in fields.items()]
    parts.append(part.format("secret", '; filename="x"', "a file"))
    body = "".join(f"--x\r\n{each}" for each in parts) + "--x--\r\n"

    assert_success(send(body.encode(), content_type="multipart/form-data; boundary=x; charset=hex"))


@pytest.mark.parametrize("field", ["identifier", "destination", "action"])
def test_text_that_cannot_be_shown_is_refused(ask, field):
    assert ask(**{field: "a\u202eb"}).status_code == 400
    assert ask(**{field: "a\x00b"}).status_code == 400


def test_other_addresses_beside_are_json(client):
    response = client.post("/includes/other.php")

    assert (response.status_code, response.json()["result"]) == (404, "error")


NAMES = st.sampled_from(
    [*WHO, "action", "client_id", "user_id", "destination", "sso_redirect_path", "service_id"]
)
VALUES = st.one_of(
    st.text(max_size=30), st.sampled_from([*WHO.values(), "createssotoken", "1", "", "sso:custom_redirect"])
)


@pytest.mark.plants_secrets  # in whatever field the examples put them, which the answer names
@tries(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(NAMES, VALUES, max_size=8))
def test_no_form_breaks_it(fields, person):
    sent = {name: value.encode("utf-8", "replace").decode() for name, value in (WHO | fields).items()}
    response = Client(HTTP_HOST=PORTAL).post(PATH, sent)

    assert response.status_code < 500
    assert response.json()["result"] in ("success", "error")


@tries(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), content_type=st.sampled_from([FORM, "multipart/form-data; boundary=x"]))
def test_no_body_breaks_it(body, content_type, send):
    framed = body if content_type == FORM else b"--x\r\nContent-Disposition: form-data; name=" + body

    response = send(framed, content_type=content_type)

    assert response.status_code < 500
    assert response.json()["result"] == "error"
