"""What a call-center platform has."""

import json

import pytest
from django.test import Client

from tests import factories
from tests.tokens.dialects.platform.asking import BY_HOST, GOOD
from tokens.models import AddressRule, PlatformKey


@pytest.fixture
def rule(group) -> AddressRule:
    """The test client's address is on the group's list."""
    return factories.AddressRuleFactory(group=group)


@pytest.fixture
def platform_key(group) -> PlatformKey:
    return factories.PlatformKeyFactory(group=group)


@pytest.fixture
def send():
    """Send one request with the right key, where the test says nothing else. No answer may be a 5xx."""

    def send_one(
        body=None, *, method="post", key=factories.PLATFORM_KEY, content_type="application/json", **extra
    ):
        extra = BY_HOST | extra
        if key is not None:
            extra["HTTP_PLATFORM_KEY"] = key
        data = body if isinstance(body, bytes) else json.dumps(GOOD if body is None else body).encode()
        return Client().generic(method.upper(), extra.pop("path"), data, content_type, **extra)

    return send_one


@pytest.fixture
def ask(send):
    """Send the good request with these fields changed."""
    return lambda **fields: send(GOOD | fields)
