"""The list of a group's keys: their states, and what is to be looked after."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import factories
from tests.reading import page_of
from tests.tokens.console.keys.reading import another, lamps_of, refuse
from tokens.models import PlatformKey

pytestmark = pytest.mark.django_db


def test_no_keys_yet_shows_the_next_step(keys_page, as_owner):
    assert f'href="{keys_page}new/"' in as_owner.get(keys_page).content.decode()


def test_nobody_may_call_while_the_list_is_empty(key, keys_page, as_owner):
    response = page_of(as_owner.get(keys_page))

    assert "Nobody can call yet: the address list is empty" in response
    assert "Nobody may call yet" in response


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "Live"),
        ({"expires_at": timezone.now() + timedelta(days=30)}, "Live"),
        ({"expires_at": timezone.now() + timedelta(days=3)}, "Ending"),
        ({"expires_at": timezone.now()}, "Ended"),
        ({"revoked_at": timezone.now()}, "Revoked"),
    ],
)
def test_state_is_a_lamp_and_a_word(group, keys_page, as_owner, fields, word):
    another(group, **fields)

    assert lamps_of(as_owner.get(keys_page))[1:] == [word]


def test_key_that_is_nearly_a_year_old_is_pointed_out(key, keys_page, as_owner):
    PlatformKey.objects.update(created_at=timezone.now() - timedelta(days=336))

    response = page_of(as_owner.get(keys_page))

    assert "336 days old" in response
    assert "It is nearly a year old. Rotate it" in response


def test_last_key_that_ends_is_pointed_out(group, key, keys_page, as_owner):
    PlatformKey.objects.update(expires_at=timezone.now() + timedelta(days=3))
    assert "No other key goes on after its end" in page_of(as_owner.get(keys_page))

    another(group)
    assert "No other key goes on after its end" not in page_of(as_owner.get(keys_page))


def test_two_live_keys_leave_no_room_for_another(group, key, keys_page, as_owner):
    another(group)

    content = as_owner.get(keys_page).content.decode()

    assert "Two are live, as many as there may be" in content
    assert f'href="{keys_page}new/"' not in content
    assert "/rotate/" not in content


def test_keys_of_another_group_are_not_shown(other_group, keys_page, as_owner):
    another(other_group, name="Of Southgate")

    assert "Of Southgate" not in page_of(as_owner.get(keys_page))


def test_page_shows_no_secret_and_no_digest(key, keys_page, as_owner):
    content = as_owner.get(keys_page).content.decode()

    assert factories.PLATFORM_KEY not in content
    assert key.digest not in content


def test_page_asks_the_database_no_more_for_longer_lists(
    group, keys_page, as_owner, django_assert_max_num_queries
):
    another(group), another(group)
    for n in range(30):
        another(group, revoked_at=timezone.now())
        factories.AddressRuleFactory(group=group, network=f"10.0.{n}.0/24")
        refuse(group, "unauthorized", detail="key ended")
    as_owner.get(keys_page)  # notes that the session was used

    with django_assert_max_num_queries(12):
        response = as_owner.get(keys_page)

    assert "20 keys that are over" in page_of(response)


def test_hostile_names_are_shown_as_text(group, keys_page, as_owner):
    another(group, name="<script>alert(1)</script>")
    factories.AddressRuleFactory(group=group, note="<img src=x onerror=alert(2)>")

    content = as_owner.get(keys_page).content.decode()

    assert "<script>alert" not in content
    assert "<img src=x" not in content
