"""Tables and chart, and their place in the documentation."""

from xml.etree import ElementTree

import pytest

from bench.report import PAGE, chart_of, replaced, table_of
from bench.table import Result


def result(name="pop", **values):
    usual = {"rate": 1234.5, "ratio": 0.83, "least": 0.8, "most": 0.86, "p50": 4.21, "p99": 9.87}
    return Result(name, **(usual | {"server": 1.2, "database": 0.4, "load": 0.09, "goal": 0.8} | values))


def test_table_says_all_of_a_row():
    last = table_of([result("floor", server=0.6, database=0.2), result()]).splitlines()[-1]

    assert last == "| pop | 1,234 | 0.83 (0.80–0.86), goal 0.8 | 0.50 | 4.2 | 9.9 | 1.20 | 0.40 | 9% |"


def test_text_takes_the_place_between_the_marks_of_its_part():
    page = "a\n<!-- bench: storm -->\nold\n<!-- end of storm -->\nb\n"

    assert replaced(page, part="storm", text="new") == page.replace("old", "new")


def test_page_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="no place for growth"):
        replaced("", part="growth", text="new")


@pytest.mark.parametrize("part", ["table", "storm", "memory", "start", "growth", "pages"])
def test_documentation_has_a_place_for_each_part(part):
    assert "new" in replaced(PAGE.read_text(), part=part, text="new")


def test_chart_leaves_out_what_would_dwarf_the_rest():
    drawn = ElementTree.fromstring(chart_of([result("pop & more"), result("bare", ratio=4.0)]))

    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["pop & more", "1,234 · 0.83"]
