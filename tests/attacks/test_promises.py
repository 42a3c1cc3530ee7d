"""docs/security.md names, for each promise, where it is kept and what shows it: all of that must be there."""

import re
from pathlib import Path

import pytest

from tests.environment import ROOT

NAMED = re.compile(r"`([\w./-]+?)(?:::(\w+))?`")
ROW = re.compile(r"^\| (?P<promise>.+?) \| (?P<kept_by>.+) \| (?P<shown_by>.+) \|$")


def rows() -> list[tuple[str, str, str]]:
    """Every promise of the tables: its words, by what it is kept, by what it is shown."""
    text = (ROOT / "docs" / "security.md").read_text()
    promised = text.partition("\n## What is promised")[2].partition("\n## ")[0]
    found = [match.groups() for line in promised.splitlines() if (match := ROW.match(line))]
    return [row for row in found if row[0] != "promise" and set(row[0]) != {"-"}]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:50])
def test_promise_is_shown_by_tests_that_exist(row):
    _, kept_by, shown_by = row
    shown = NAMED.findall(shown_by)

    assert shown, "no test is named"
    assert [name for name, test in shown if not holds(ROOT / "tests" / name, test)] == []
    modules = [name for name, _ in NAMED.findall(kept_by) if name.endswith((".py", "/"))]
    assert [name for name in modules if not (ROOT / name).exists()] == []


def holds(path: Path, test: str) -> bool:
    """Whether this file, or folder, of tests is there, and this test in it."""
    if path.is_dir():
        return not test and any(path.rglob("test_*.py"))
    return path.is_file() and (not test or f"\ndef {test}(" in path.read_text())


def test_tables_promise_something():
    assert len(rows()) > 40
