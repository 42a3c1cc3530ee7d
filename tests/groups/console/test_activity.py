"""The activity of a group: what is found, in which words, and what can be taken away."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from accounts.sealing import last_link, seal
from groups import finding_events
from tests import factories

pytestmark = pytest.mark.django_db

KEYS = ("at", "reference", "action", "outcome", "reason", "actor", "agent", "username", "client", "object")


@pytest.fixture
def address(group):
    return f"/groups/{group.pk}/activity/"


@pytest.fixture
def event(group, agent):
    """Write an event of the group, an hour ago unless the test says otherwise."""

    def event(**fields) -> Event:
        usual = {"group_id": group.pk, "agent": agent.subject, "at": timezone.now() - timedelta(hours=1)}
        return factories.EventFactory(**usual | fields)

    return event


@pytest.fixture
def shown(owner, visit_as, address):
    """The references of the rows that the page shows for this query."""

    def shown(query: str = "", browser=None) -> list[str]:
        response = (browser or visit_as(owner)).get(f"{address}?{query}")
        assert response.status_code == 200
        return re.findall(r'class="activity__reference"[^>]*>([^<]*)<', response.content.decode())

    return shown


def page(browser, address: str) -> str:
    return browser.get(address).content.decode()


@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
@pytest.mark.parametrize("what", ["", "export/"])
def test_activity_opens_for_every_role(request, role, visit_as, address, what):
    assert visit_as(request.getfixturevalue(role)).get(address + what).status_code == 200


@pytest.mark.parametrize("what", ["", "export/"])
def test_activity_is_missing_for_a_stranger(stranger, visit_as, address, what):
    assert visit_as(stranger).get(address + what).status_code == 404


@pytest.mark.parametrize("what", ["", "export/"])
def test_activity_is_read_only(owner, visit_as, address, what):
    assert visit_as(owner).post(address + what).status_code == 405


def test_events_are_told_in_words(owner, event, visit_as, address):
    event(reason="client_unavailable", details={"detail": "paused"}, address="203.0.113.9")
    told = page(visit_as(owner), address)

    assert "Login for demoaws refused" in told
    assert "The client has paused all sign-ins" in told
    assert "203.0.113.9" in told
    assert "alice" in told


def test_events_of_another_group_are_not_shown(other_group, event, shown):
    event(group_id=other_group.pk), event(group_id=None)

    assert shown() == []


def test_newest_come_first(event, shown):
    older, newer = event(at=timezone.now() - timedelta(hours=2)), event()

    assert shown() == [newer.reference, older.reference]


def test_empty_activity_says_what_will_be_here(owner, visit_as, address):
    assert "Nothing has happened yet" in page(visit_as(owner), address)


def test_long_activity_is_shown_in_pages(owner, event, visit_as, address, shown):
    written = [event().reference for _ in range(120)]
    browser, seen, query = visit_as(owner), [], ""
    while query is not None:
        told = page(browser, f"{address}?{query}")
        seen += shown(query, browser)
        found = re.search(r'href="\?([^"]*)"\s+rel="next"', told)
        query = found[1] if found else None

    assert seen == written[::-1]


def test_hostile_text_is_shown_as_text(owner, event, visit_as, address):
    event(actor="<script>x", client="<b>", object="<i>", details={"note": "<img src=x>"}, reason="<u>")
    told = page(visit_as(owner), address)

    assert not re.search(r"<(script>x|b>|i>|img|u>)", told)
    assert "&lt;img src=x&gt;" in told


def test_event_without_a_reference_is_shown(owner, event, visit_as, address):
    event(reference="")

    assert "Login issued" in page(visit_as(owner), address)


def test_administrator_reads_his_own_time(owner, event, visit_as, address):
    event(at=datetime(2026, 3, 10, 20, 30, tzinfo=UTC))
    owner.time_zone = "Asia/Kolkata"
    owner.save()
    told = page(visit_as(owner), address)

    assert "11 Mar 2026, 02:00:00" in told
    assert 'title="2026-03-10 20:30:00Z"' in told


def test_page_says_until_when_the_log_is_sealed(auditor, event, visit_as, address):
    event(at=timezone.now() - timedelta(days=2))
    seal()

    assert f'title="{last_link().anchor}"' in page(visit_as(auditor), address)


def test_page_costs_few_queries(owner, group, visit_as, address, django_assert_max_num_queries):
    browser = visit_as(owner)
    for agent in factories.AgentFactory.create_batch(60, group=group):
        factories.EventFactory(group_id=group.pk, agent=agent.subject)
    browser.get(address)

    with django_assert_max_num_queries(7):
        browser.get(address)


# --- Searching -------------------------------------------------------------------------------------------------------


@pytest.fixture
def several(event, entitlement, owner, other_agent):
    """One event of each kind; their references say which."""
    event(reference="REFV-SED0-0001", reason="client_unavailable")
    event(reference="SIGN-1N00-0001", action="agent.sign_in", client="", address="203.0.113.77")
    by = {"actor": f"administrator:{owner.email}", "door": "main", "client": ""}
    event(reference="KEY0-MADE-0001", action="key.create", object="key:pk_abcdefgh", agent="", **by)
    event(
        reference="0THE-R000-0001", agent=other_agent.subject, client="elsewhere", object="token:0123456789ab"
    )
    event(reference="BYKE-Y000-0001", actor="key:pk_abcdefgh", door="platform", agent=other_agent.subject)


@pytest.fixture
def other_agent(group):
    return factories.AgentFactory(group=group, username="Bob@Northwind")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=REFV-SED0-0001", {"REFV-SED0-0001"}),
        ("q=refvsed00001", {"REFV-SED0-0001"}),
        ("q=Alice", {"REFV-SED0-0001", "SIGN-1N00-0001"}),
        ("q=bob%40northwind", {"0THE-R000-0001", "BYKE-Y000-0001"}),
        ("q=203.0.113.77", {"SIGN-1N00-0001"}),
        ("q=::ffff:203.0.113.77", {"SIGN-1N00-0001"}),
        ("q=pk_abcdefgh", {"KEY0-MADE-0001", "BYKE-Y000-0001"}),
        ("q=key:pk_abcdefgh…", {"KEY0-MADE-0001", "BYKE-Y000-0001"}),
        ("q=0123456789ab", {"0THE-R000-0001"}),
        ("q=demoaws", {"REFV-SED0-0001", "BYKE-Y000-0001"}),
        ("q=nothing+like+this", set()),
        ("what=sign_ins", {"SIGN-1N00-0001"}),
        ("what=keys", {"KEY0-MADE-0001"}),
        ("outcome=refused", {"REFV-SED0-0001"}),
        ("client=elsewhere", {"0THE-R000-0001"}),
        ("what=logins&outcome=ok&client=demoaws", {"BYKE-Y000-0001"}),
        ("q=alice&what=sign_ins", {"SIGN-1N00-0001"}),
    ],
)
def test_search_finds(several, shown, query, found):
    assert set(shown(query)) == found


def test_search_finds_what_an_administrator_did(several, owner, shown):
    assert shown(f"q={owner.email.upper()}") == ["KEY0-MADE-0001"]


def test_search_finds_an_agent_by_his_subject(several, agent, shown):
    assert len(shown(f"q={agent.subject}")) == 2


def test_agent_of_another_group_is_not_found(several, other_group, event, shown):
    stranger = factories.AgentFactory(group=other_group, username="carol")
    event(agent=stranger.subject)

    assert shown("q=carol") == []


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("first=2026-03-10&last=2026-03-10", ["NOON", "MIDN"]),
        ("first=2026-03-11", ["NEXT"]),
        ("last=2026-03-09", ["BEFO"]),
        ("first=2026-03-12", []),
    ],
)
def test_days_are_those_of_the_administrator(event, owner, shown, days, found):
    owner.time_zone = "America/New_York"  # four hours behind
    owner.save()
    for name, at in (
        ("BEFO", datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC)),
        ("MIDN", datetime(2026, 3, 10, 4, tzinfo=UTC)),
        ("NOON", datetime(2026, 3, 10, 16, tzinfo=UTC)),
        ("NEXT", datetime(2026, 3, 11, 4, tzinfo=UTC)),
    ):
        event(reference=name, at=at)

    assert shown(days) == found


@pytest.mark.parametrize("query", ["q=203.0.113.7", "client=elsewhere", "q=somebody"])
def test_what_no_index_knows_is_looked_for_among_the_newest(
    event, owner, visit_as, address, monkeypatch, query
):
    monkeypatch.setattr(finding_events, "LOOKED_AT", 2)
    event(address="203.0.113.7", client="elsewhere", actor="somebody", at=timezone.now() - timedelta(days=9))
    for _ in range(3):
        event()
    browser = visit_as(owner)

    assert "Searched back to" in page(browser, f"{address}?{query}")
    assert "Nothing like this" in page(browser, f"{address}?{query}")
    assert "Nothing like this" not in page(browser, f"{address}?{query}&first=2020-01-01")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("first=2026-02-31", "Write the day like 2026-01-31."),
        ("first=2026-03-02&last=2026-03-01", "This day is before the first."),
        ("last=9999-12-31", "less than or equal"),
        ("first=0001-01-01", "greater than or equal"),
        ("what=spaceships", "Select a valid choice."),
        ("outcome=%3Cb%3E", "Select a valid choice."),
        ("q=" + "x" * 201, "at most 200 characters"),
    ],
)
def test_filter_that_is_wrong_is_named_and_left_out(several, owner, visit_as, address, shown, query, message):
    assert message in page(visit_as(owner), f"{address}?{query}")
    assert len(shown(query)) == 5


@pytest.mark.parametrize("q", ["'", "%25", "\\", "é" * 100, "‮", "0", "2" * 200, "::", "a@"])
@pytest.mark.parametrize("what", ["", "export/"])
def test_no_search_breaks(several, owner, visit_as, address, q, what):
    assert visit_as(owner).get(address + what, {"q": q}).status_code == 200


# --- Taking it away --------------------------------------------------------------------------------------------------


def download(browser, address: str) -> str:
    response = browser.get(address)
    assert (response.status_code, response.streaming) == (200, True)
    return response.getvalue().decode()


def test_export_asks_for_the_second_factor_again(auditor, visit_as, address):
    response = visit_as(auditor, ago=301).get(f"{address}export/?format=csv&q=alice")

    assert response.status_code == 303
    assert response["Location"].startswith("/accounts/2fa/reauthenticate/?next=")
    assert "q%3Dalice" in response["Location"]


def test_csv_holds_every_event(event, owner, visit_as, address):
    event(object="token:0123456789ab", details={"call": {"did": "0101"}}, at=datetime(2026, 3, 1, tzinfo=UTC))
    told = download(visit_as(owner), f"{address}export/?format=csv")
    export, first = csv.DictReader(io.StringIO(told.removeprefix("\ufeff")))

    assert export["action"] == "activity.export"
    assert [first[key] for key in ("at", "action", "username", "object", "details")] == [
        "2026-03-01T00:00:00.000Z",
        "login.issue",
        "alice",
        "token:0123456789ab",
        '{"call":{"did":"0101"}}',
    ]


def test_json_lines_hold_every_event(event, owner, visit_as, address):
    event(details={"call": {"did": "0101"}})
    _export, first = map(json.loads, download(visit_as(owner), f"{address}export/?format=jsonl").splitlines())

    assert (first["username"], first["details"]) == ("alice", {"call": {"did": "0101"}})
    assert set(KEYS) <= set(first)


def test_export_is_narrowed_like_the_list(several, owner, visit_as, address):
    lines = download(visit_as(owner), f"{address}export/?format=jsonl&outcome=refused").splitlines()

    assert [json.loads(line)["reference"] for line in lines] == ["REFV-SED0-0001"]


def test_export_looks_at_everything(event, owner, visit_as, address, monkeypatch):
    monkeypatch.setattr(finding_events, "LOOKED_AT", 1)
    old = event(client="elsewhere", at=timezone.now() - timedelta(days=9))
    event(), event()
    (line,) = download(visit_as(owner), f"{address}export/?format=jsonl&client=elsewhere").splitlines()

    assert json.loads(line)["reference"] == old.reference


def test_export_is_recorded(event, owner, visit_as, address):
    visit_as(owner).get(f"{address}export/?format=jsonl&q=alice&last=2026-03-01")
    recorded = Event.objects.get(action="activity.export")

    assert recorded.actor == f"administrator:{owner.email}"
    assert recorded.details == {"format": "jsonl", "search": "alice", "last_day": "2026-03-01"}


def test_export_holds_no_formulas(event, owner, visit_as, address):
    event(actor="=HYPERLINK(1)", agent_header="+cmd", object="@SUM(1)")
    told = download(visit_as(owner), f"{address}export/?format=csv")

    assert not re.search(r'(^|,)"?[=+@]', told, re.MULTILINE)


def test_export_of_another_groups_events_is_empty(event, other_group, stranger, visit_as):
    event()
    lines = download(
        visit_as(stranger), f"/groups/{other_group.pk}/activity/export/?format=jsonl"
    ).splitlines()

    assert [json.loads(line)["action"] for line in lines] == ["activity.export"]
