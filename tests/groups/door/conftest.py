"""The group's sign-in page, where the agent was going, and Alice signed in."""

from urllib.parse import quote

import pytest

from groups.models import AgentSession
from groups.targets import Target, seal
from tests.groups.door.opening import POP


@pytest.fixture
def target(group) -> str:
    """Where the telephone system wanted to go."""
    return POP.format(group.pk)


@pytest.fixture
def to(target) -> str:
    """The target as the sign-in page carries it."""
    return "&to=" + quote(seal(Target(target, "demoaws", "99")))


@pytest.fixture
def sign_in_page(client, group):
    return lambda query="", browser=client: browser.get(f"/sso/sign-in?group={group.pk}{query}")


@pytest.fixture
def session(agent, client, post_sign_in) -> AgentSession:
    """Alice is signed in, in this browser."""
    post_sign_in()
    return AgentSession.objects.get()
