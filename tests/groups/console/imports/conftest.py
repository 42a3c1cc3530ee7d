"""Uploading a file of agents in the owner's browser, and applying it."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from groups.console import imports
from tests.groups.console.imports.uploaded import last


@pytest.fixture(autouse=True)
def _work_at_once(request, monkeypatch):
    """Without threads, which would not see the rows of a test's transaction."""
    if not request.node.get_closest_marker("django_db").kwargs.get("transaction"):
        monkeypatch.setattr(imports, "start", run_at_once)


def run_at_once(work) -> None:
    with transaction.atomic():
        work()


@pytest.fixture
def address(group):
    """An address below the group's agents."""
    return lambda rest="": f"/groups/{group.pk}/agents/{rest}"


@pytest.fixture
def upload(as_owner, address):
    """Send a file; the page of its import, or of the form again."""

    def upload(content: str | bytes, *, kind: str = "import", name: str = "agents.csv", **fields):
        content = content.encode() if isinstance(content, str) else content
        response = as_owner.post(address(f"{kind}/"), {"file": SimpleUploadedFile(name, content)} | fields)
        return as_owner.get(response["Location"]) if response.status_code == 303 else response

    return upload


@pytest.fixture
def apply(as_owner, address):
    """Apply the last import; the page that is shown then."""

    def apply(**fields):
        response = as_owner.post(address(f"imports/{last().pk}/apply/"), {"rows": "all"} | fields)
        return as_owner.get(response["Location"]) if response.status_code == 303 else response

    return apply
