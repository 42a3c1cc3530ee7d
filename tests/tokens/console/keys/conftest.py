"""A group's page of keys, and its first key."""

import pytest

from tests import factories
from tokens.models import PlatformKey


@pytest.fixture
def keys_page(group):
    return f"/groups/{group.pk}/keys/"


@pytest.fixture
def key(group) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group, name="Dialer")
