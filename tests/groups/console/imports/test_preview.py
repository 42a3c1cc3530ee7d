"""What an import would do, row by row."""

import pytest

from tests import factories
from tests.groups.console.imports.uploaded import GOOD, last
from tests.reading import page_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("show", ["new", "change", "unchanged", "faulty", "leaving", "x", "%00"])
def test_rows_of_any_kind_can_be_looked_at(upload, as_owner, address, show):
    upload(GOOD)

    status = as_owner.get(address(f"imports/{last().pk}/?show={show}&from=x")).status_code

    assert status == (400 if show == "%00" else 200)


def test_rows_are_shown_in_pages(upload, as_owner, address):
    upload("username,full_name\n" + "".join(f"b{n:03},B\n" for n in range(60)))
    first = as_owner.get(address(f"imports/{last().pk}/?show=new"))

    second = as_owner.get(address(f"imports/{last().pk}/") + first.context["next_url"].partition("#")[0])

    assert [row["username"] for row in first.context["rows"]][-1] == "b049"
    assert [row["username"] for row in second.context["rows"]] == [f"b{n:03}" for n in range(50, 60)]
    assert second.context["next_url"] == ""
    assert second.context["previous_url"] == "?show=new&from=0#rows"


def test_change_shows_old_and_new(agent, upload):
    text = page_of(upload("username,full_name,email\nalice,Alice Other,a@x.example\n"))

    assert 'Name: <span class="soft">Alice Ames</span> → Alice Other' in text
    assert 'E-mail: <span class="soft">–</span> → a@x.example' in text


def test_hostile_cells_are_shown_as_text(upload):
    response = upload('username,full_name,<i>\n<b>x</b>,"<script>alert(1)</script>"\ny\u202ez,Y,\n=1,\n')

    content = response.content.decode()
    assert "<script>alert" not in content
    assert "<b>x" not in content
    assert "\u202e" not in content
    assert "&lt;i&gt;" in content


@pytest.mark.parametrize("rest", ["", "?show=new", "?show=leaving", "report/"])
def test_pages_of_many_rows_ask_the_database_alike_often(
    upload, as_owner, address, group, rest, django_assert_max_num_queries
):
    factories.AgentFactory.create_batch(20, group=group)
    upload("username,full_name\n" + "".join(f"b{n},\n" for n in range(200)), kind="roster")
    url = address(f"imports/{last().pk}/{rest}")
    as_owner.get(url)

    with django_assert_max_num_queries(15):
        b"".join(as_owner.get(url))
