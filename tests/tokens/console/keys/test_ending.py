"""Rotating, ending and revoking a key."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from tests import factories
from tests.reading import page_of
from tests.tokens.console.keys.reading import SECRET, WEEK, lamps_of
from tokens.models import PlatformKey, State

pytestmark = pytest.mark.django_db

HOUR = "3600"


def test_rotation_shows_the_new_key_and_tells_when_the_old_one_ends(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": HOUR})

    key.refresh_from_db()
    secret = SECRET.search(response.content.decode())[0]
    assert PlatformKey.objects.shown(secret).get().name == "Dialer"
    assert key.state == State.ENDING
    assert key.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ") in response.content.decode()


def test_overlap_is_seven_days_unless_chosen_otherwise(key, keys_page, as_owner):
    content = as_owner.get(f"{keys_page}{key.pk}/rotate/").content.decode()

    assert re.findall(r'value="(\d+)"[^>]*checked', content) == [WEEK]


@pytest.mark.parametrize("overlap", ["", "0", "604801", "-1", "x", "9" * 40])
def test_overlap_that_is_none_is_refused_beside_its_field(key, keys_page, as_owner, overlap):
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": overlap})

    assert 'id="id_overlap_error"' in response.content.decode()
    assert PlatformKey.objects.get().expires_at is None


def test_rotation_sent_again_makes_no_further_key(key, keys_page, as_owner):
    as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": WEEK})
    response = as_owner.post(f"{keys_page}{key.pk}/rotate/", {"overlap": WEEK})

    assert response.status_code == 409
    assert PlatformKey.objects.count() == 2


def test_end_is_set_and_told(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/end/", {"after": HOUR}, follow=True)

    key.refresh_from_db()
    assert key.state == State.ENDING
    assert f"{key} ends on" in page_of(response)


def test_key_is_ended_now(key, keys_page, as_owner):
    as_owner.post(f"{keys_page}{key.pk}/end/", {"after": "0"})

    assert not PlatformKey.objects.live().exists()


def test_end_of_the_last_key_is_warned_of(key, keys_page, as_owner):
    assert "nobody can call" in page_of(as_owner.get(f"{keys_page}{key.pk}/end/"))


def test_revoking_asks_first_and_tells_what_will_happen(key, keys_page, as_owner):
    PlatformKey.objects.update(last_used_at=timezone.now() - timedelta(hours=2))
    factories.AddressRuleFactory(group=key.group, network="203.0.113.0/24", note="Leeds")

    response = page_of(as_owner.get(f"{keys_page}{key.pk}/revoke/")).replace("\xa0", " ")

    assert "It was last used 2 hours ago" in response
    assert "203.0.113.0/24 (Leeds)" in response
    assert "No other key is live" in response
    assert key in PlatformKey.objects.live()


def test_revoked_key_moves_to_those_that_are_over(key, keys_page, as_owner):
    response = as_owner.post(f"{keys_page}{key.pk}/revoke/", follow=True)

    assert lamps_of(response)[1:] == ["Revoked"]
    assert Event.objects.get().action == "key.revoke"
