"""Codes and tokens that the bus gave."""

import pytest

from groups.models import AgentSession
from tests.tokens.dialects.bus.conftest import REDIRECT
from tokens.connecting import issue_code
from tokens.models import BusSettings


@pytest.fixture
def code(session, caller, host) -> str:
    """A code that waits to be redeemed."""
    row = AgentSession.objects.select_related("agent__group").get(pk=session.pk)
    return issue_code(row, redirect_url=REDIRECT, caller=caller)


@pytest.fixture
def refresh(call):
    return lambda token, **more: call("refresh", {"refreshToken": token}, **more)


@pytest.fixture
def given(sign_in) -> str:
    """Alice's refresh token."""
    return sign_in().json()["credentials"]["refreshToken"]


@pytest.fixture
def legacy(group) -> BusSettings:
    return BusSettings.objects.create(group=group, gives_legacy_token=True, legacy_days=30)
