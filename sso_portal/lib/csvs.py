"""CSV in and out: files from any spreadsheet can be read, and none that is written can run a formula."""

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
DELIMITERS = ",;\t"
SURPLUS = "+"  # the name of the cells for which the header has none
MOST_COLUMNS = 50
MOST_EMPTY = 5_000  # lines without a word in them
LONGEST_HEADER = 10_000  # characters, to tell the delimiter by


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
    return f"'{text}" if _looks_like_formula(text) else text


def unguarded(cell: str) -> str:
    """The cell without the apostrophe that `safe_cell` put there."""
    return cell[1:] if cell[:1] == "'" and _looks_like_formula(cell[1:]) else cell


def _looks_like_formula(text: str) -> bool:
    # Apostrophes before it are looked through, or one of its own would be taken for ours.
    return text.lstrip("'").startswith(FORMULA_STARTS)


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
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter_of(text), strict=True)
    header: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []
    begins = 1
    try:
        for count, line in enumerate((each[: MOST_COLUMNS + 1] for each in lines), start=1):
            if any(unguarded(cell).strip() for cell in line):
                if not header:
                    header = _header(line)
                elif len(rows) == most_rows:
                    raise _too_long(most_rows)
                else:
                    rows.append((begins, _row(header, line)))
            if count > most_rows + MOST_EMPTY:
                raise _too_long(most_rows)
            begins = lines.line_num + 1
    except csv.Error as error:
        raise UnreadableCSV(
            _("Line %s cannot be read: a quotation mark is not closed, or stands where none may be.") % begins
        ) from error
    if not header:
        raise UnreadableCSV(_("The file is empty."))
    return Table(header, rows)


def _too_long(most_rows: int) -> UnreadableCSV:
    return UnreadableCSV(_("The file has more than %s rows. Please split it.") % f"{most_rows:,}")


def _header(line: list[str]) -> list[str]:
    header = [unguarded(name).strip().lower() for name in line]
    while header and not header[-1]:
        header.pop()
    if len(header) > MOST_COLUMNS:
        raise UnreadableCSV(_("The file has more than %s columns.") % MOST_COLUMNS)
    if doubled := [name for name, times in Counter(header).items() if name and times > 1]:
        raise UnreadableCSV(_("The column “%s” is there twice.") % doubled[0][:40])
    return ["" if name == SURPLUS else name for name in header]


def _row(header: list[str], line: list[str]) -> dict[str, str]:
    cells = [unguarded(cell).strip() for cell in line[: len(header)]]
    named = itertools.zip_longest(header, cells, fillvalue="")
    row = {name: cell for name, cell in named if name}
    surplus = [cell.strip() for cell in line[len(header) :] if cell.strip()]
    return row | ({SURPLUS: ", ".join(surplus)} if surplus else {})


def _delimiter_of(text: str) -> str:
    """The delimiter that parts the first line into most cells."""
    first_line = text.lstrip("\r\n")[:LONGEST_HEADER].partition("\n")[0]

    def cells(delimiter: str) -> int:
        try:
            return len(next(csv.reader([first_line], delimiter=delimiter), []))
        except csv.Error:
            return 0

    return max(DELIMITERS, key=cells)


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif content.startswith(codecs.BOM_UTF8):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableCSV(_("The file is not text: save it as CSV (UTF-8)."))
