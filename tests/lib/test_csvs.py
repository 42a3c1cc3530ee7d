"""CSV in and out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sso_portal.lib.csvs import Table, UnreadableCSV, csv_response, read, safe_cell, unguarded

# What a database can keep, and so what a download can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def table(content: str | bytes, *, most_rows: int = 100) -> Table:
    return read(content.encode() if isinstance(content, str) else content, most_rows=most_rows)


def why_not(content: str | bytes, *, most_rows: int = 100) -> str:
    with pytest.raises(UnreadableCSV) as refused:
        table(content, most_rows=most_rows)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_found(delimiter):
    content = f"username{delimiter}full name\nalice{delimiter}Alice Ames\n"

    assert table(content).rows == [(2, {"username": "alice", "full name": "Alice Ames"})]


def test_delimiter_inside_a_quoted_name_does_not_count():
    assert table('"a;b;c;d",e\n1,2\n').header == ["a;b;c;d", "e"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_is_found(encoding):
    content = "name\nZoë Müller\n".encode(encoding)

    assert table(content).rows == [(2, {"name": "Zoë Müller"})]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(newline):
    assert table(newline.join(["a", "1", "", "2"])).rows == [(2, {"a": "1"}), (4, {"a": "2"})]


def test_header_is_lower_case_and_trimmed():
    assert table(" Username , E-Mail \nx,y\n").header == ["username", "e-mail"]


def test_line_numbers_are_those_of_the_file():
    content = '\n\na,b\n\n1,"two\nlines"\n , \n3,4\n'

    assert [line for line, _ in table(content).rows] == [5, 8]


def test_missing_cells_are_empty_and_surplus_ones_are_kept():
    assert table("a,b\n1\n1,2,3,,4\n").rows == [
        (2, {"a": "1", "b": ""}),
        (3, {"a": "1", "b": "2", "+": "3, 4"}),
    ]


def test_column_without_a_name_is_left_out():
    assert table("a,,+,b,,\n1,2,3,4,,\n").rows == [(2, {"a": "1", "b": "4"})]


@pytest.mark.parametrize("content", ["", "\n\n", ",,,\n", b"\xef\xbb\xbf", " \n \n", "," * 5_000_000])
def test_empty_file_is_refused(content):
    assert why_not(content) == "The file is empty."


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "name\nZoë\n".encode("utf-16-le"),
        "name\nZoë\n".encode("utf-16")[:-1],
        b"\xef\xbb\xbfname\nZo\xeb\n",
        b"name\n\x81\x8d\n",
        "a\n\0\n",
    ],
)
def test_what_is_not_text_is_refused(content):
    assert "not text" in why_not(content)


@pytest.mark.parametrize("content", ['a,b\n1,2\n"3,4\n5,6\n', 'a,b\n1,2\n"3"x,4\n'])
def test_stray_quotation_mark_is_refused_with_its_line(content):
    assert why_not(content).startswith("Line 3 cannot be read")


def test_cell_longer_than_any_is_refused():
    assert "Line 2" in why_not("a\n" + "x" * 200_000)


def test_one_row_too_many_is_refused():
    rows = "a\n" + "1\n" * 100

    assert len(table(rows).rows) == 100
    assert "more than 100 rows" in why_not(rows + "1\n")


@pytest.mark.parametrize("line", ["\n", '""\n', ";" * 999 + "\n"])
def test_empty_lines_without_end_are_refused(line):
    assert "more than 100 rows" in why_not("a\n" + line * 5_200)


def test_column_that_is_there_twice_is_refused():
    assert why_not("Name,name\n") == "The column “name” is there twice."


def test_a_million_columns_are_refused_at_once():
    assert "more than 50 columns" in why_not(",".join(f"{n:x}" for n in range(800_000)))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\n=1", "'=1", "''-"])
def test_formula_is_guarded(cell):
    assert safe_cell(cell) == f"'{cell}"
    assert unguarded(safe_cell(cell)) == cell


@pytest.mark.parametrize("cell", ["", "x", "1+1", "O'Hara", "'tis", "''"])
def test_other_cells_stay_as_they_are(cell):
    assert safe_cell(cell) == unguarded(cell) == cell


def test_download_streams_what_excel_can_read():
    response = csv_response("agents.csv", ["name"], (["Zoë"] for _ in range(1200)))
    pieces = list(response)

    assert response["Content-Disposition"] == 'attachment; filename="agents.csv"'
    assert pieces[0] == b"\xef\xbb\xbf"
    assert len(pieces) == 4


@given(st.binary())
@example(b"\xff\xfe\xff")
@example(b'"')
@example(b"a\r\r\n\n\r")
def test_any_bytes_are_a_table_or_refused(content):
    try:
        found = read(content, most_rows=5)
    except UnreadableCSV:
        return
    assert all(set(row) - {"+"} == {name for name in found.header if name} for _, row in found.rows)


@given(st.text(alphabet="ab\"',;\t\r\n\0 =+-é", max_size=40))
def test_any_text_is_a_table_or_refused(text):
    test_any_bytes_are_a_table_or_refused.hypothesis.inner_test(text.encode())


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8))
@example([("'=1", "\n=1", "a\r\n'-b")])
@example([("a", "\n", "'\n")])
@example([("a", " '=1", " =1")])
def test_what_was_written_is_read_again(rows):
    content = b"".join(csv_response("x.csv", ["first", "=second", "third;\twith,commas"], rows))

    found = read(content, most_rows=10)

    read_again = [tuple(row.values()) for _, row in found.rows]
    assert read_again == [tuple(map(str.strip, row)) for row in rows if any(map(str.strip, row))]
