"""What the attacks share: a portal with one row of everything, and nobody told to slow down."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.attacks.world import World, build


@pytest.fixture
def unlimited(settings: Any) -> None:
    """No throttles: what is looked for lies behind them."""
    settings.RATE_LIMITS = False


@pytest.fixture
def world(
    group: Any,
    agent: Any,
    client_company: Any,
    entitlement: Any,
    relying_party: Any,
    caller: Any,
    visit_as: Callable[..., Client],
    unlimited: None,
) -> World:
    """One of everything; the owner and the operator have just shown their second factors."""
    return with_administrators(build(group, agent, client_company, relying_party, caller), visit_as)


def with_administrators(world: World, visit_as: Callable[..., Client]) -> World:
    """The same world, its owner and its operator signed in."""
    for who, administrator in (("owner", world.owner), ("operator", world.operator)):
        cookies = visit_as(administrator).cookies
        world.cookies[who] = {name: morsel.value for name, morsel in cookies.items()}
    return world
