"""What tests of the group's door share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client

from accounts.models import Attempt
from groups.models import Agent
from groups.signing_in import sign_in
from sso_portal.lib.refusals import Refused
from tests.factories import PASSWORD

WRONG_PASSWORD = "not the password"


@pytest.fixture
def attempt(group: Any, caller: Any) -> Callable[..., Any]:
    """Sign in as alice with the right password, unless a test says otherwise; the refusal where there is one."""

    def attempt(password: str = PASSWORD, *, username: str = "alice", **changes: Any) -> Any:
        asked = {"group": group, "replaces": None, "caller": caller} | changes
        try:
            return sign_in(username=username, password=password, **asked)
        except Refused as refused:
            return refused.refusal

    return attempt


@pytest.fixture
def post_sign_in(client: Client, group: Any) -> Callable[..., HttpResponse]:
    """Send the sign-in form of the group as alice, with the right password unless a test says otherwise."""

    def post(
        password: str = PASSWORD, *, username: str = "alice", query: str = "", browser: Client = client
    ) -> Any:
        fields = {"username": username, "password": password}
        return browser.post(f"/sso/sign-in?group={group.pk}{query}", fields)

    return post


@pytest.fixture
def lock() -> Callable[[Agent], None]:
    """Lock an agent's name, as five wrong passwords do."""

    def lock(agent: Agent) -> None:
        Attempt.objects.create(
            door=agent.group.door,
            name=agent.username_key,
            failures=5,
            window_ends_at=Now() + timedelta(minutes=15),
            locked_until=Now() + timedelta(minutes=30),
        )

    return lock
