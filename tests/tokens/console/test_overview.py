"""The first page of a group, as far as it is about keys. (The rest: tests/groups/console/test_happening.py.)"""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests import factories
from tokens.console.overview import ending_keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(owner, group, visit_as):
    """The live part of the page."""
    return lambda: visit_as(owner).get(f"/groups/{group.pk}/now/").content.decode()


def test_key_that_ends_soon_is_listed(group, told):
    factories.PlatformKeyFactory(group=group, name="Dialer", expires_at=timezone.now() + timedelta(days=2))

    assert "Dialer" in told()
    assert f"/groups/{group.pk}/keys/" in told()


@pytest.mark.parametrize(
    ("fields", "is_listed"),
    [
        ({"expires_at": timedelta(days=6)}, True),
        ({"expires_at": timedelta(days=30)}, False),
        ({"expires_at": timedelta(days=-1)}, False),
        ({"expires_at": timedelta(days=6), "revoked_at": timedelta(0)}, False),
        ({"created_at": timedelta(days=-336)}, True),
        ({}, False),
    ],
)
def test_keys_to_look_after_are_those_that_end_soon_or_are_old(group, fields, is_listed):
    moments = {name: timezone.now() + delta for name, delta in fields.items()}
    key = factories.PlatformKeyFactory(group=group)
    type(key).objects.filter(pk=key.pk).update(**moments)

    assert [told["prefix"] for told in ending_keys(group)] == ([key.prefix] if is_listed else [])


def test_old_key_of_the_native_api_is_listed_too(group):
    key = factories.ApiKeyFactory(group=group)
    type(key).objects.update(created_at=timezone.now() - timedelta(days=336))

    assert [told["prefix"] for told in ending_keys(group)] == [key.prefix]


def test_key_of_another_group_is_not_listed(other_group, told):
    factories.PlatformKeyFactory(
        group=other_group, name="Foreign", expires_at=timezone.now() + timedelta(days=2)
    )

    assert "Foreign" not in told()
