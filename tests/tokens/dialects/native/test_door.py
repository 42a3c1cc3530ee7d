"""Who comes in to the native API: keys, address lists, scopes, limits; and how it says no."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Event, Outcome
from sso_portal.lib.secrets import new_secret
from tests import factories
from tests.conftest import PORTAL
from tests.tokens.dialects.native.conftest import assert_problem
from tokens.models import AddressRule, ApiKey, Scope

pytestmark = pytest.mark.django_db

NEEDED = {
    ("GET", "agents"): Scope.AGENTS_READ,
    ("POST", "agents"): Scope.AGENTS_WRITE,
    ("POST", "agents/bulk"): Scope.AGENTS_WRITE,
    ("GET", "agents/{subject}"): Scope.AGENTS_READ,
    ("PATCH", "agents/{subject}"): Scope.AGENTS_WRITE,
    ("POST", "agents/{subject}/disable"): Scope.AGENTS_WRITE,
    ("POST", "logins"): Scope.LOGINS,
    ("GET", "events"): Scope.EVENTS,
    ("GET", "entitlements"): Scope.ENTITLEMENTS,
}


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_scope_that_is_missing_is_named(ask, agent, method, path):
    needed = NEEDED[method, path]
    ApiKey.objects.update(scopes=[scope for scope in Scope.values if scope != needed])

    response = ask(method, path.format(subject=agent.subject), {})

    assert_problem(response, 403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer realm="portal", error="insufficient_scope", scope="{needed}"'
    )


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_scope_that_is_needed_is_enough(ask, agent, method, path):
    ApiKey.objects.update(scopes=[NEEDED[method, path]])

    assert ask(method, path.format(subject=agent.subject), {}).status_code in (200, 400)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YTpi", "Bearer ", "Token x"])
def test_call_without_a_key_is_told_of_no_error(ask, authorization):
    response = ask("GET", "agents", authorization=authorization)

    assert_problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="portal"'


@pytest.mark.parametrize("secret", ["ak_nobody-has-this", factories.PLATFORM_KEY, "ä", "x" * 9000])
def test_wrong_key_is_refused(ask, group, secret):
    factories.PlatformKeyFactory(group=group)

    response = ask("GET", "agents", authorization=f"Bearer {secret}")

    assert_problem(response, 401, "unauthorized")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("over", ["revoked_at", "expires_at"])
def test_key_that_is_over_is_refused_and_recorded_for_its_group(ask, key, group, over):
    ApiKey.objects.update(**{over: timezone.now()})

    assert_problem(ask("GET", "agents"), 401, "unauthorized")

    event = Event.objects.get()
    assert (event.group_id, event.object, event.reason) == (group.pk, key.named, "unauthorized")
    assert event.details["detail"] == "key ended"


def test_address_that_is_not_listed_is_refused_as_a_wrong_key_is(ask):
    right = ask("GET", "agents", REMOTE_ADDR="203.0.113.77").json()
    wrong = ask("GET", "agents", REMOTE_ADDR="203.0.113.77", authorization="Bearer ak_x").json()

    assert {**right, "request_id": ""} == {**wrong, "request_id": ""}
    assert Event.objects.filter(details__detail="address not on the list").count() == 1


def test_empty_list_admits_nobody(ask):
    AddressRule.objects.all().delete()

    assert_problem(ask("GET", "agents"), 401, "unauthorized")


def test_group_that_is_off_is_refused(ask, group):
    group.is_active = False
    group.save()

    assert_problem(ask("GET", "agents"), 403, "group_inactive")


def test_two_keys_open_beside_each_other(ask, group):
    secret = new_secret("ak_")
    factories.ApiKeyFactory(group=group, secret=secret)

    assert ask("GET", "agents", authorization=f"bearer {secret}").status_code == 200
    assert ask("GET", "agents").status_code == 200


def test_use_is_noted(ask, key):
    ask("GET", "agents")

    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(seconds=5)


def test_limit_is_each_keys_own(ask, group, limit_a_minute):
    limit_a_minute("native", 2)
    secret = new_secret("ak_")
    factories.ApiKeyFactory(group=group, secret=secret)

    answers = [ask("GET", "entitlements") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_problem(answers[2], 429, "too_many_requests")
    assert answers[2].headers["Retry-After"] == "60"
    assert ask("GET", "entitlements", authorization=f"Bearer {secret}").status_code == 200


def test_guesses_are_slowed_down(ask, limit_a_minute):
    limit_a_minute("refused credentials", 1)
    ask("GET", "agents", authorization="Bearer ak_x")

    assert ask("GET", "agents", authorization="Bearer ak_x").status_code == 429
    assert ask("GET", "agents").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_method_that_is_none_is_refused_in_the_apis_own_shape(ask, method):
    response = ask(method, "agents")

    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST, HEAD"


def test_head_is_answered_as_get_without_a_body(ask):
    response = ask("HEAD", "agents")

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", ["", "agents/x", "agents/" + "0" * 31, "nothing", "agents/bulk/x"])
def test_address_that_is_none_is_missing_for_everybody(ask, path):
    assert_problem(ask("GET", path, authorization=None), 404, "not_found")


def test_trailing_slash_is_tolerated(ask, agent):
    for path in ("agents/", f"agents/{agent.subject}/", "events/", "entitlements/"):
        assert ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("body", "changed", "status", "code"),
    [
        (b"[]", {}, 400, "invalid_json"),
        (b"", {}, 400, "invalid_json"),
        (b'{"a": NaN}', {}, 400, "invalid_json"),
        (b'{"a": 1, "a": 2}', {}, 400, "invalid_json"),
        (b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}", {}, 400, "invalid_json"),
        (b"{}", {"content_type": "text/plain"}, 415, "unsupported_media_type"),
        (b" " * (1024 * 1024 + 1), {}, 413, "too_large"),
        (b"{}", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "length_required"),
    ],
)
def test_body_that_cannot_be_taken_is_refused(ask, body, changed, status, code):
    for path in ("agents", "agents/bulk", "logins"):
        assert_problem(ask("POST", path, body, **changed), status, code)


def test_refusal_is_recorded_for_the_keys_group(ask, key, group):
    response = ask("POST", "agents", {})

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("agent.create", Outcome.REFUSED, "invalid_fields")
    assert (event.actor, event.group_id) == (key.named, group.pk)
    assert event.reference == response.json()["request_id"]


# --- The document, the page ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/", "/api/docs", "/api/docs/"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_document_and_page_are_for_everybody(path, method):
    response = getattr(Client(HTTP_HOST=PORTAL), method)(path, headers={"Accept-Language": "es"})

    assert response.status_code == 200
    assert bool(response.content) is (method == "get")
    assert not response.cookies


@pytest.mark.parametrize("path", ["/api/schema", "/api/docs"])
def test_document_and_page_are_read_only(path):
    response = Client(HTTP_HOST=PORTAL).post(path)

    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


def test_document_and_page_ask_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        Client(HTTP_HOST=PORTAL).get("/api/schema")
        Client(HTTP_HOST=PORTAL).get("/api/docs")


def test_page_holds_nothing_inline():
    content = Client(HTTP_HOST=PORTAL).get("/api/docs").content.decode()

    assert " style=" not in content
    assert "<style" not in content
    assert content.count("<script") == content.count('<script type="module" src=')
