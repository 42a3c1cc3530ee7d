"""Uploading a CSV file of agents."""

import pytest

from groups.models import Agent, AgentImport
from tests.groups.console.imports.uploaded import GOOD, last, table_of
from tests.reading import page_of

pytestmark = pytest.mark.django_db


def test_form_explains_the_file(as_owner, address, entitlement):
    text = page_of(as_owner.get(address("import/")))

    assert "Import agents" in text
    assert "20,000 rows" in text
    assert "demoaws" in text


def test_example_can_be_imported(as_owner, address, group, entitlement, upload):
    example = as_owner.get(address("import/")).context["example"]

    upload(example)

    assert last().summary["new"] == 2


def test_empty_file_to_download_names_the_columns(as_owner, address):
    rows = table_of(as_owner.get(address("import/template/")))

    assert rows == [["username", "full_name", "email", "status", "end_date", "clients", "campaigns"]]


def test_upload_leads_to_the_preview(upload):
    response = upload("username,full_name,size\nbob,Bob Bow,43\ncleo,,\n")

    text = page_of(response)
    assert response.status_code == 200
    assert "What the file would do" in text
    assert "full_name is blank" in text
    assert "Columns that are not read: size" in text
    assert "Apply the good rows only" in text


def test_upload_changes_nothing(upload):
    upload(GOOD)

    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\0", "The file is not text"),
        ("alice,Alice Ames\n", "No column is named “username”"),
        ("username\n" + "x\n" * 20_001, "more than 20,000 rows"),
    ],
)
def test_file_that_cannot_be_read_is_refused_beside_the_field(upload, content, why):
    response = upload(content)

    assert response.status_code == 200
    assert why in str(response.context["form"].errors["file"])
    assert not AgentImport.objects.exists()


def test_upload_without_a_file_says_so(as_owner, address):
    assert "Please choose a file." in page_of(as_owner.post(address("import/")))


def test_upload_while_another_is_at_work_says_so(upload):
    upload(GOOD)
    AgentImport.objects.update(state="checking")

    assert "Another file of this group is being worked on" in page_of(upload(GOOD))


def test_file_that_is_too_large_is_refused(upload):
    assert upload("x" * (5 * 1024 * 1024 + 1)).status_code == 413


def test_file_of_almost_five_megabytes_is_taken(upload):
    content = "username,full_name,x\n" + "".join(f"b{n:05},Ann Ash,{'x' * 49_000}\n" for n in range(100))

    response = upload(content)

    assert response.status_code == 200
    assert last().summary["new"] == 100


def test_last_imports_are_listed(upload, as_owner, address):
    upload(GOOD, name="march <b>.csv")

    text = page_of(as_owner.get(address("import/")))

    assert "march &lt;b&gt;.csv" in text
    assert "checked" in text


def test_hidden_characters_of_a_file_name_are_not_kept(upload):
    upload(GOOD, name="a\u202evsc.exe")

    assert "\u202e" not in last().file_name
