"""Making a key: shown once, and with a sample that works."""

import json
import re
import shlex
from html import unescape

import pytest
from django.conf import settings

from accounts.models import Event, Outcome
from tests import factories
from tests.accounts.conftest import code_of
from tests.reading import page_of
from tests.tokens.console.keys.reading import SECRET, another
from tokens.console.changing_keys import curl_sample
from tokens.models import PlatformKey

pytestmark = pytest.mark.django_db


def test_new_key_is_shown_once(group, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    assert response.status_code == 200
    secret = SECRET.search(response.content.decode())[0]
    assert PlatformKey.objects.shown(secret).get().group == group
    assert secret not in as_owner.get(keys_page).content.decode()
    assert secret not in str(dict(as_owner.session))
    assert secret not in str(list(Event.objects.values()))


def test_new_key_is_nowhere_kept_by_the_browser(keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies.get("messages")


def test_new_key_works_as_its_sample_says(group, entitlement, agent, keys_page, as_owner):
    factories.AddressRuleFactory(group=group)
    response = as_owner.post(f"{keys_page}new/", {"name": "Dialer"})

    sample = re.search(r'<pre[^>]* id="sample"[^>]*>(.*?)</pre>', response.content.decode(), re.DOTALL)[1]
    answer = run(as_owner, unescape(sample))

    assert answer.json()["success"] == 1
    assert PlatformKey.objects.get().last_used_at is not None


def run(as_owner, sample: str):
    """What curl would do."""
    words = shlex.split(sample.replace("\\\n", " "))
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    address = next(word for word in words if word.startswith("http"))
    body = words[words.index("-d") + 1]
    path = address.removeprefix(settings.PORTAL_URL)
    return as_owner.post(path, body, content_type=headers.pop("Content-Type"), headers=headers)


def test_sample_survives_any_name(group, entitlement):
    factories.AgentFactory(group=group, username="o'hara $(id) \\", full_name='Aoife "Ó" O’Hara')

    words = shlex.split(curl_sample(group, "pk_secret").replace("\\\n", " "))

    body = json.loads(words[words.index("-d") + 1])
    assert body == {"username": "o'hara $(id) \\", "fullname": 'Aoife "Ó" O’Hara', "department_id": 1}


def test_sample_of_an_empty_group_has_names_to_replace(group):
    assert "/api/sso/client " in curl_sample(group, "pk_secret")


@pytest.mark.parametrize("name", ["", "   ", "a\u202eb", "a\x00b", "x" * 201])
def test_name_that_cannot_be_is_refused_beside_its_field(keys_page, as_owner, name):
    response = as_owner.post(f"{keys_page}new/", {"name": name})

    assert 'id="id_name_error"' in response.content.decode()
    assert not PlatformKey.objects.exists()


def test_name_that_is_taken_is_refused_beside_its_field_and_recorded(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}new/", {"name": "dialer"})

    assert response.status_code == 409
    assert 'id="id_name_error"' in response.content.decode()
    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("key.create", Outcome.REFUSED, "name_taken")
    assert event.group_id == key.group_id


def test_third_key_is_refused_and_recorded(group, key, keys_page, as_owner):
    another(group)

    response = as_owner.post(f"{keys_page}new/", {"name": "Third"})

    assert response.status_code == 409
    assert "Two keys are live" in page_of(response)
    assert not SECRET.search(response.content.decode())
    assert Event.objects.get().reason == "two_live_keys"


def test_name_that_was_typed_is_kept_while_the_second_factor_is_asked_for(keys_page, owner, visit_as):
    later = visit_as(owner, ago=301)

    asked = later.post(f"{keys_page}new/", {"name": "Dialer of Leeds"})
    back = later.post(asked["Location"], {"code": code_of()}, follow=True)

    assert back.request["PATH_INFO"] == f"{keys_page}new/"
    assert 'value="Dialer of Leeds"' in back.content.decode()
