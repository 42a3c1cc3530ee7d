"""Hostile text wherever people type text: no page runs it, no spreadsheet computes it, no line of a log is forged."""

import csv
import io
import json
import logging
from html.parser import HTMLParser

import pytest

from accounts.models import Event
from sso_portal.lib.csvs import FORMULA_STARTS
from sso_portal.lib.logs import formatter
from tests.attacks.wire import FORM, JSON, send

pytestmark = pytest.mark.django_db

COMPUTED = "1337"  # 7 * 191


class Page(HTMLParser):
    """A page as a browser reads it: what could run."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.runs: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "x-hostile" or (
            tag == "script" and "src" not in told and told.get("type") != "application/json"
        ):
            self.runs.append(f"<{tag} {told}>")
        self.runs += [f"{tag} {name}" for name in told if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            if (told.get(name) or "").strip().lower().startswith(("javascript:", "vbscript:")):
                self.runs.append(f"{tag} {name}={told[name]}")


def what_runs(text: str) -> list[str]:
    """What a browser would run of this page, that is not the portal's."""
    return Page(text).runs


def test_no_spreadsheet_computes_what_somebody_typed(world):
    """Each CSV that the portal writes, every cell of it."""
    files, wrong = 0, []
    for name, address in world.pages():
        if address.startswith("/backoffice/"):
            continue  # not for owners
        answer = send("GET", address, headers=world.cookie("owner"))
        if not answer["Content-Type"].startswith("text/csv"):
            continue
        files += 1
        assert "attachment" in answer["Content-Disposition"]
        for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))):
            wrong += [(name, cell) for cell in row if cell.startswith(FORMULA_STARTS)]

    assert files >= 4
    assert wrong == []


# --- Logs and the audit log ------------------------------------------------------------------------------------------

FORGED = "x\r\n2026-01-01 [info] administrator signed in\x1b[2J\x00\u2028\u202egnp.exe\x85\x9b31m\ufeff"
BREAKS = ("\r", "\n", "\x0b", "\x0c", "\x1b", "\x85", "\x9b", "\u2028", "\u2029", "\x00")


class Lines(logging.Handler):
    """What would be written, line by line, as machines read it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(formatter("json"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log():
    lines, root = Lines(), logging.getLogger()
    root.addHandler(lines)
    yield lines
    root.removeHandler(lines)


def test_nobody_forges_a_line_of_the_log_or_of_the_audit_log(world, log):
    """Every door, with line breaks, escape sequences and changes of direction in whatever is written down."""
    typed = json.dumps(
        dict.fromkeys(("username", "email", "token", "client", "code", "origin"), FORGED)
    ).encode()
    forged = {"User-Agent": FORGED, "X-Forwarded-For": FORGED, "Referer": FORGED, "X-Request-Id": FORGED}
    for _name, address in world.addresses():
        if not address.startswith("/backoffice/"):
            send("POST", address, body=typed, kind=JSON, headers=forged | world.credentials(address))
            send(
                "GET",
                f"{address}%0d%0aforged?q=%0d%0a",
                headers=forged | {"Authorization": f"Basic {FORGED}"},
            )
    send("POST", f"/sso/sign-in?group={world.group.pk}", body=b"username=%0d%0aforged&password=x", kind=FORM)
    send("GET", "/sso/sign-in", host=f"x{FORGED[:20]}")

    for line in log.lines:
        assert isinstance(json.loads(line), dict)
        assert not [sign for sign in BREAKS if sign in line], line
    texts = ("actor", "client", "object", "agent_header", "reason", "reference", "door", "action")
    events = Event.objects.values(*texts)
    assert len(events) > 50
    assert [(field, event[field]) for event in events for field in texts
            if [sign for sign in BREAKS if sign in event[field]]] == []  # fmt: skip
