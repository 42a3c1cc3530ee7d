"""What the rows of a file of agents say, before the database is asked anything."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from groups.agent_columns import campaigns_in, clients_in, end_in
from groups.models import NAME_LENGTH, USERNAME_LENGTH, AgentStatus
from sso_portal.lib.csvs import SURPLUS, Table, UnreadableCSV, read
from sso_portal.lib.text import BIDI, canonical_name, why_not_text, why_not_username

MOST_ROWS = 20_000
READ = ("username", "full_name", "email", "status", "end_date", "clients", "campaigns")
ROW = "row"  # stands for the column in what is wrong with a row as a whole
NOTHING = "-"  # in a cell: take away what is there
LONGEST_EMAIL = 254
SHOWN = 60  # characters of a cell that are told again

# Other names of columns, spaces between their words. English and Spanish; an export's own names come first.
SYNONYMS = {
    "username": ("username", "user name", "user", "login", "login name", "user id", "agent", "usuario"),
    "full_name": ("full name", "fullname", "name", "display name", "agent name", "nombre completo", "nombre"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "correo", "correo electrónico"),
    "status": ("status", "state", "standing", "estado"),
    "end_date": ("end date", "ends", "ends at", "last day", "valid until", "fecha de fin", "último día"),
    "clients": ("clients", "client", "clientes", "cliente"),
    "campaigns": ("campaigns", "campaign", "campañas", "campaña"),
}
COLUMN_OF = {name: column for column, names in SYNONYMS.items() for name in names}


class Unclear(ValueError):
    """A cell that means nothing; says why in one word, and what it was about."""

    def __init__(self, code: str, shown: str = "") -> None:
        super().__init__(code)
        self.code, self.shown = code, shown


@dataclass(frozen=True)
class Columns:
    """Which column of ours each column of the file is; the names of those that are nothing to us."""

    named: dict[str, str]
    ignored: list[str]


@dataclass(slots=True)
class Row:
    """What a row says. An empty cell says nothing; `faults` has a code and what it is about, by column."""

    line: int
    key: str  # the canonical username; "" for nobody
    cells: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, tuple[str, str]] = field(default_factory=dict)


def columns_of(header: list[str]) -> Columns:
    """Find our columns in a file's header. Raises UnreadableCSV where there is no username, or two columns are one."""
    named: dict[str, str] = {}
    ignored = []
    for name in header:
        column = COLUMN_OF.get(" ".join(name.replace("_", " ").replace("-", " ").split()))
        if column is None:
            ignored += [visible(name)] if name else []
        elif column in named.values():
            first = next(other for other, its in named.items() if its == column)
            raise UnreadableCSV(
                _("The columns “%(first)s” and “%(second)s” mean the same.")
                % {"first": first, "second": name}
            )
        else:
            named[name] = column
    if "username" not in named.values():
        raise UnreadableCSV(_("No column is named “username”. The first line of the file names its columns."))
    return Columns(named, ignored)


def table_in(content: bytes) -> tuple[Table, Columns]:
    """The file as a table, and its columns. Raises UnreadableCSV."""
    table = read(content, most_rows=MOST_ROWS)
    columns = columns_of(table.header)
    if not table.rows:
        raise UnreadableCSV(_("The file names its columns, but has no rows."))
    return table, columns


def rows_in(table: Table, columns: Columns) -> Iterator[Row]:
    """What each row of the file says."""
    first_line: dict[str, int] = {}
    for line, named in table.rows:
        cells = {column: named[name] for name, column in columns.named.items() if named[name]}
        row = _row(line, cells)
        if SURPLUS in named:
            row.faults[ROW] = ("surplus", visible(named[SURPLUS]))
        elif row.key in first_line:
            row.faults[ROW] = ("twice", str(first_line[row.key]))
        elif row.key:
            first_line[row.key] = line
        yield row


def visible(text: str, *, longest: int = SHOWN) -> str:
    """The beginning of a text, with a mark for each character that cannot be seen."""
    start = text if len(text) <= longest else f"{text[: longest - 1]}…"
    if start.isprintable():
        return start
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if c in BIDI or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else c
        for c in start
    )


def _row(line: int, cells: dict[str, str]) -> Row:
    username = cells.get("username", "")
    is_name = username and len(username) <= USERNAME_LENGTH
    row = Row(line, canonical_name(username) if is_name else "", cells)
    if not username:
        row.faults["username"] = ("missing", "")
    for column, cell in cells.items():
        try:
            row.values[column] = MEANINGS[column](cell)
        except Unclear as unclear:
            row.faults[column] = (unclear.code, unclear.shown)
    if not row.key:
        row.faults.setdefault("username", ("missing", ""))
    return row


def _username(cell: str) -> str:
    if len(cell) > USERNAME_LENGTH:
        raise Unclear("long", str(USERNAME_LENGTH))
    if why_not_username(cell, longest=USERNAME_LENGTH):
        raise Unclear("unseen", visible(cell))
    return cell


def _full_name(cell: str) -> str:
    if len(cell) > NAME_LENGTH:
        raise Unclear("long", str(NAME_LENGTH))
    if why_not_text(cell, longest=NAME_LENGTH):
        raise Unclear("unseen", visible(cell))
    return cell


def _email(cell: str) -> str:
    if cell == NOTHING:
        return ""
    try:
        if len(cell) > LONGEST_EMAIL or why_not_text(cell, longest=LONGEST_EMAIL):
            raise ValidationError("")
        validate_email(cell)
    except ValidationError as error:
        raise Unclear("email", visible(cell)) from error
    return cell


def _status(cell: str) -> str:
    status = cell.casefold()
    if status not in AgentStatus.values:
        raise Unclear("status", visible(cell))
    return status


def _read_by(read_cell: Callable[[str], Any], code: str) -> Callable[[str], Any]:
    def meaning(cell: str) -> Any:
        try:
            return read_cell(cell)
        except ValueError as error:
            raise Unclear(code, visible(cell)) from error

    return meaning


MEANINGS: dict[str, Callable[[str], Any]] = {
    "username": _username,
    "full_name": _full_name,
    "email": _email,
    "status": _status,
    "end_date": _read_by(end_in, "end_date"),
    "clients": _read_by(clients_in, "clients"),
    "campaigns": _read_by(campaigns_in, "campaigns"),
}
