"""Keys of the native API, on the same page."""

import re
import shlex
from html import unescape

import pytest
from django.conf import settings

from accounts.models import Event
from tests import factories
from tests.reading import page_of
from tests.tokens.console.keys.reading import WEEK, another, refuse
from tokens.models import ApiKey, Scope, State

pytestmark = pytest.mark.django_db

API_SECRET = re.compile(r"ak_[\w-]{43}")


def test_api_key_is_made_with_its_scopes_and_shown_once(group, keys_page, as_owner):
    response = as_owner.post(
        f"{keys_page}api/new/", {"name": "Directory", "scopes": ["agents:read", "logins"]}
    )

    secret = API_SECRET.search(response.content.decode())[0]
    key = ApiKey.objects.shown(secret).get()
    assert (key.group, key.scopes) == (group, ["agents:read", "logins"])
    assert secret not in as_owner.get(keys_page).content.decode()
    assert Event.objects.get().details == {"name": "Directory", "scopes": ["agents:read", "logins"]}


@pytest.mark.parametrize("scope", Scope.values)
def test_sample_of_an_api_key_is_a_call_that_it_may_make(scope, group, entitlement, keys_page, as_owner):
    factories.AddressRuleFactory(group=group)
    response = as_owner.post(f"{keys_page}api/new/", {"name": "Directory", "scopes": [scope]})
    sample = unescape(
        re.search(r'<pre[^>]* id="sample"[^>]*>(.*?)</pre>', response.content.decode(), re.DOTALL)[1]
    )

    words = shlex.split(sample.replace("\\\n", " "))
    bearer = next(word.removeprefix("Authorization: ") for word in words if word.startswith("Authorization"))
    path = words[2].removeprefix(settings.PORTAL_URL)
    body = words[words.index("-d") + 1] if "-d" in words else None
    answer = (
        as_owner.post(path, body, content_type="application/json", headers={"Authorization": bearer})
        if body
        else as_owner.get(path, headers={"Authorization": bearer})
    )

    assert answer.status_code in ((403,) if scope == "logins" else (200, 201))
    assert "insufficient_scope" not in answer.content.decode()


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_scopes_that_are_none_are_refused_beside_their_field(scopes, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}api/new/", {"name": "Directory", "scopes": scopes})

    assert 'id="id_scopes_error"' in response.content.decode()
    assert not ApiKey.objects.exists()


def test_rotated_api_key_may_do_the_same(group, keys_page, as_owner):
    key = factories.ApiKeyFactory(group=group, name="Directory", scopes=["events:read"])

    response = as_owner.post(f"{keys_page}api/{key.pk}/rotate/", {"overlap": WEEK})

    new = ApiKey.objects.shown(API_SECRET.search(response.content.decode())[0]).get()
    key.refresh_from_db()
    assert (new.scopes, new.name, key.state) == (["events:read"], "Directory", State.ENDING)


def test_kinds_of_key_do_not_count_against_each_other(group, key, keys_page, as_owner):
    another(group)

    response = as_owner.post(f"{keys_page}api/new/", {"name": "Dialer", "scopes": ["logins"]})

    assert API_SECRET.search(response.content.decode())


@pytest.mark.parametrize("act", ["rotate", "end", "revoke"])
def test_address_of_one_kind_finds_no_key_of_the_other(act, key, keys_page, as_owner):
    assert as_owner.get(f"{keys_page}api/{key.pk}/{act}/").status_code == 404


def test_revoked_api_key_is_refused_at_once(group, keys_page, as_owner):
    key = factories.ApiKeyFactory(group=group)

    as_owner.post(f"{keys_page}api/{key.pk}/revoke/")

    assert not ApiKey.objects.live().exists()
    assert Event.objects.get().action == "key.revoke"


def test_page_tells_what_an_api_key_may_do(group, keys_page, as_owner):
    factories.ApiKeyFactory(group=group, scopes=["events:read", "agents:read"])

    assert "see agents · read events" in page_of(as_owner.get(keys_page))


def test_refused_calls_of_the_native_api_are_counted_too(group, keys_page, as_owner):
    refuse(group, "insufficient_scope", door="api")

    assert "<strong>1</strong> the key lacks the scope" in page_of(as_owner.get(keys_page))
