"""How a call-center platform asks, and what it is told."""

from groups.models import Agent
from tests.conftest import PORTAL
from tokens.models import LoginToken

BY_HOST = {"path": "/api/sso", "HTTP_HOST": "demoaws.localhost"}


BY_PATH = {"path": "/api/sso/demoaws", "HTTP_HOST": PORTAL}


GOOD = {"username": "alice", "fullname": "Alice Ames", "department_id": "1"}


FIELDS = {"success", "code", "url", "message", "status", "descriptor"}


def assert_refused(response, status: int, descriptor: str, *, naming: str = "") -> None:
    """All six fields, of the refusal."""
    answer = response.json()
    assert response.status_code == status, answer
    assert response.headers["Content-Type"] == "application/json"
    assert set(answer) == FIELDS
    assert (answer["success"], answer["code"], answer["url"]) == (0, status, "")
    assert type(answer["success"]) is type(answer["code"]) is int
    assert (answer["status"], answer["descriptor"]) == ("FAILURE", descriptor)
    assert answer["message"]
    assert naming in answer["message"]


def nobody_new() -> bool:
    """Neither a token nor an agent beyond Alice came of it."""
    return not LoginToken.objects.exists() and set(Agent.objects.values_list("username", flat=True)) <= {
        "alice"
    }
