"""CSV in and out: files from any spreadsheet can be read, and none that is written can run a formula."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
DELIMITERS = ",;\t"


class UnreadableCSV(ValueError):
    """The file is no CSV; the text says why, for people."""


@dataclass(frozen=True)
class Table:
    """What a CSV file says: its header in lower case, and its rows with the number of the line each begins on."""

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what looks like one."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that `safe_cell` put there."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA_STARTS) else cell


def csv_response(
    file_name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """A download of these rows, streamed. Begins with a byte order mark, or Excel would misread the names."""
    response = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


def _lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    yield "\ufeff"
    for count, row in enumerate(itertools.chain([header], rows), start=1):
        writer.writerow([safe_cell(value) for value in row])
        if count % 500 == 0:  # small pieces would each cost a write to the socket
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def read(content: bytes, *, most_rows: int) -> Table:
    """Read an uploaded file: UTF-8 or what Excel writes, with commas, semicolons or tabs; empty lines are skipped.

    A cell too many or too few is no error here: missing cells are "", surplus ones are kept under the name "+".
    Raises UnreadableCSV.
    """
    text = _decoded(content)
    first_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip().lower() for name in next((line for line in lines if any(line)), [])]
        if not header:
            raise UnreadableCSV(_("The file is empty."))
        if doubled := {name for name in header if name and header.count(name) > 1}:
            raise UnreadableCSV(_("The column “%s” is there twice.") % min(doubled)[:40])
        rows: list[tuple[int, dict[str, str]]] = []
        begins = lines.line_num + 1
        for line in lines:
            if any(cell.strip() for cell in line):
                rows.append((begins, _row(header, line)))
            begins = lines.line_num + 1
            if len(rows) > most_rows:
                raise UnreadableCSV(_("The file has more than %s rows. Please split it.") % f"{most_rows:,}")
    except csv.Error as error:
        raise UnreadableCSV(_("The file is no CSV: %s.") % error) from error
    return Table(header, rows)


def _row(header: list[str], line: list[str]) -> dict[str, str]:
    cells = {name: unguarded(cell.strip()) for name, cell in zip(header, line, strict=False) if name}
    row = {name: cells.get(name, "") for name in header if name}
    surplus = [cell for cell in line[len(header) :] if cell.strip()]
    return row | ({"+": ", ".join(surplus)} if surplus else {})


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableCSV(_("The file is not text: save it as CSV (UTF-8)."))
