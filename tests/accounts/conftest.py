"""An administrator in two browsers, and the codes that his authenticator app shows."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client

from tests.factories import TOTP_SECRET


def code_of(secret: str = TOTP_SECRET) -> str:
    """The code that the authenticator app shows now."""
    counters = list(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))


@pytest.fixture
def here(owner: Any, visit_as: Callable[..., Client]) -> Client:
    """The browser that the owner sits at; his second factor is fresh."""
    return visit_as(owner)


@pytest.fixture
def elsewhere(owner: Any, visit_as: Callable[..., Client]) -> Client:
    """Another browser of the owner's."""
    return visit_as(owner)


def is_in(browser: Client) -> bool:
    """Whether the console opens for this browser."""
    return browser.get("/groups/").status_code == 200
