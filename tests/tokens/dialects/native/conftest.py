"""The native API, asked by a group's own software."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests import factories
from tests.conftest import PORTAL

PROBLEM = {"type", "title", "status", "code", "detail", "request_id"}


@pytest.fixture
def key(group) -> Any:
    """A key of the group that may do everything, to be used from here."""
    factories.AddressRuleFactory(group=group)
    return factories.ApiKeyFactory(group=group)


@pytest.fixture
def ask(key) -> Callable[..., HttpResponse]:
    """Send one request with the key, where the test says nothing else."""

    def ask_once(
        method: str,
        path: str,
        body: Any = None,
        *,
        authorization: str | None = f"Bearer {factories.API_KEY}",
        content_type: str = "application/json",
        **extra: Any,
    ) -> HttpResponse:
        if authorization is not None:
            extra["HTTP_AUTHORIZATION"] = authorization
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return Client(HTTP_HOST=PORTAL).generic(method, f"/api/v1/{path}", data, content_type, **extra)

    return ask_once


def assert_problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """RFC 9457, with the portal's own members; the problem."""
    problem = json.loads(response.content)
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem.keys() >= PROBLEM
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies
    return problem
