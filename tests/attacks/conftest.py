"""What the attacks share: a portal with one row of everything, and nobody told to slow down."""

from collections.abc import Iterator
from typing import Any

import pytest

from sso_portal.lib.web import Caller
from tests.attacks.world import World, build, undone


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    """No throttles, allauth's included: what is looked for lies behind them."""
    settings.RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS = False


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, _cheap_hashes: None, caller: Caller
) -> Iterator[World]:
    """One of everything, made once for the tests of a module: what each changes is undone after it."""
    with django_db_blocker.unblock(), undone():
        yield build(caller)


@pytest.fixture
def own_world(db: None, caller: Caller) -> World:
    """One of everything, for this test alone: for those that commit, or need other texts in it."""
    return build(caller)
