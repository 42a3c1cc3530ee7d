"""Files that were received, checked and applied."""

import pytest

from groups.importing.applying import apply
from groups.importing.checking import check, receive
from groups.importing.working import claim
from groups.models import AgentImport


@pytest.fixture
def receive_file(group):
    """Upload a file into the group."""

    def receive_file(content: str | bytes, *, kind: str = "agents", **options) -> AgentImport:
        content = content.encode() if isinstance(content, str) else content
        return receive(
            content, group=group, kind=kind, file_name="x.csv", by="administrator:ada@x.example", **options
        )

    return receive_file


@pytest.fixture
def checked(receive_file):
    """Upload a file and check it."""

    def checked(content: str | bytes, **options) -> AgentImport:
        asked = receive_file(content, **options)
        check(asked.pk, asked.worker)
        return AgentImport.objects.get(pk=asked.pk)

    return checked


@pytest.fixture
def applied(checked, caller):
    """Upload a file, check and apply it."""

    def applied(content: str | AgentImport, *, only_good: bool = False, **options) -> AgentImport:
        asked = content if isinstance(content, AgentImport) else checked(content, **options)
        worker = claim(asked, to="applying")
        apply(asked.pk, worker, only_good=only_good, by="administrator:ada@x.example", caller=caller)
        return AgentImport.objects.get(pk=asked.pk)

    return applied
