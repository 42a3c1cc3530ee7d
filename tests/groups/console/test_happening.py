"""The first page of a group: what happens now. Its keys: tests/tokens/console/test_overview.py."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from groups.console.overview import happening_in
from groups.models import AgentSession, HalfHour
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)  # a Tuesday


@pytest.fixture
def address(group):
    return f"/groups/{group.pk}/"


@pytest.fixture
def happening(group):
    """What happens at 15:20 UTC on a Tuesday, for somebody in this time zone."""

    def happening(zone: str = "UTC") -> dict:
        with timezone.override(zone):
            return happening_in(group, now=NOW)

    return happening


def facts_in(happening: dict) -> dict[str, tuple[int, str]]:
    return {fact["label"]: (fact["value"], fact["note"]) for fact in happening["facts"]}


def titles_of(chart: dict) -> list[str]:
    return [bar.title for bar in chart["chart"].wide.bars]


@pytest.fixture
def login(group, agent):
    def login(at: datetime, **fields):
        usual = {"at": at, "group_id": group.pk, "agent": agent.subject}
        return factories.EventFactory(**usual | fields)

    return login


def facts_of(told: str) -> dict[str, tuple[str, str]]:
    """The facts by their names: value and note."""
    rows = re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>\s*<dd[^>]*>(.*?)</dd>", told, re.DOTALL)
    return {label: (value.strip(), note.strip()) for label, value, note in rows}


@pytest.fixture
def told(owner, visit_as, address):
    """The page, or its live part."""

    def told(part: str = "", browser=None) -> str:
        response = (browser or visit_as(owner)).get(address + part)
        assert response.status_code == 200
        return response.content.decode()

    return told


@pytest.mark.parametrize("part", ["", "now/"])
@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_page_opens_for_every_role(request, role, visit_as, told, part):
    assert told(part, visit_as(request.getfixturevalue(role)))


@pytest.mark.parametrize("part", ["", "now/"])
def test_page_is_missing_for_a_stranger(stranger, visit_as, address, part):
    assert visit_as(stranger).get(address + part).status_code == 404


def test_live_part_is_a_part(told):
    assert "<html" not in told("now/")
    assert "Signed in now" in told("now/")


def test_live_part_is_asked_for_every_quarter_of_a_minute(told, address):
    assert f'hx-get="{address}now/"' in told()
    assert """hx-headers='{"X-Live": "1"}'""" in told()


def test_signed_in_are_counted_once_each(agent, group, told):
    factories.AgentSessionFactory.create_batch(2, agent=agent)
    idle = factories.AgentSessionFactory(agent=factories.AgentFactory(group=group))
    hour_ago = timezone.now() - timedelta(hours=1)
    AgentSession.objects.filter(pk=idle.pk).update(last_seen_at=hour_ago)

    assert facts_of(told())["Signed in now"] == ("2", "1 busy in the last ten minutes")


def test_agents_are_counted(agent, group, told):
    factories.AgentFactory(group=group, password="")

    assert facts_of(told())["Agents"] == ("2", "1 not activated")


def test_logins_of_today_are_compared_with_last_week(login, happening):
    for minutes in (1, 40, 900):
        login(NOW - timedelta(minutes=minutes))
    login(NOW - timedelta(hours=16))  # yesterday
    login(NOW - timedelta(days=7, minutes=5)), login(NOW - timedelta(days=7, hours=2))
    login(NOW - timedelta(days=7) + timedelta(minutes=2))  # a week ago, but later

    assert facts_in(happening())["Logins today"] == (3, "2 by this time last Tuesday")


def test_week_ago_is_told_by_the_clock_on_the_wall(login, happening):
    login(datetime(2026, 3, 3, 16, 10, tzinfo=UTC))  # 11:10 in New York; now, with summer time, it is 11:20

    assert facts_in(happening("America/New_York"))["Logins today"] == (0, "1 by this time last Tuesday")


def test_refusals_of_today_are_counted(login, happening):
    login(NOW - timedelta(minutes=5)), login(NOW - timedelta(minutes=5), reason="agent_disabled")

    assert facts_in(happening())["Refused today"] == (1, "50.0 % of what was asked for")


def test_today_is_the_administrators(login, happening):
    login(NOW - timedelta(minutes=10)), login(NOW - timedelta(minutes=30))

    assert facts_in(happening("Asia/Tokyo"))["Logins today"][0] == 1  # where it is twenty past midnight


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("UTC", "13:00–14:00"), ("Asia/Kolkata", "18:00–19:00"), ("America/New_York", "09:00–10:00")],
)
def test_chart_tells_hours_as_the_clocks_show_them(login, happening, zone, hour):
    (
        login(datetime(2026, 3, 10, 13, 20, tzinfo=UTC)),
        login(datetime(2026, 3, 10, 13, 10, tzinfo=UTC), reason="x"),
    )

    assert f"{hour}: 1 issued, 1 refused; last Tuesday 0 issued" in titles_of(happening(zone)["today"])


def test_chart_compares_with_the_hours_of_last_week(login, happening):
    login(datetime(2026, 3, 3, 20, 20, tzinfo=UTC))

    assert "20:00–21:00: 0 issued, 0 refused; last Tuesday 1 issued" in titles_of(happening()["today"])


def test_chart_tells_the_same_as_a_table(login, happening):
    login(datetime(2026, 3, 10, 13, 20, tzinfo=UTC))
    rows = happening()["today"]["rows"]

    assert rows[13] == ["13:00–14:00", "1", "0", "0"]
    assert rows[16] == ["16:00–17:00", "", "", "0"]  # is still to come


def test_bars_are_drawn(login, told):
    login(timezone.now())

    assert re.search(
        r'<rect class="chart__main" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="[\d.]+" />', told()
    )


def test_week_is_told_day_by_day(login, happening):
    login(datetime(2026, 3, 4, 23, 59, tzinfo=UTC))
    titles = titles_of(happening()["week"])

    assert len(titles) == 8
    assert titles[1] == "Wed 4 Mar: 1 issued, 0 refused"


def test_what_is_over_is_counted_once(login, told, group):
    login(timezone.now() - timedelta(hours=3))
    told()

    assert HalfHour.objects.filter(group=group, issued=1).count() == 1


def test_latest_logins_are_listed(login, told):
    event = login(timezone.now())

    assert "Login issued for demoaws" in told("now/")
    assert f"/refused/{event.reference}/" in told("now/")


def test_refusals_are_counted_by_reason(login, told):
    for reason in ("agent_disabled", "agent_disabled", "client_unavailable"):
        login(timezone.now() - timedelta(hours=1), reason=reason)
    login(timezone.now() - timedelta(hours=25), reason="malformed")
    reasons = re.findall(r'reason__words">(.*?)<.*?reason__number">(\d+)<', told(), re.DOTALL)

    assert reasons == [("The agent’s access has been stopped", "2"), ("No access to this client", "1")]


def test_who_is_locked_is_listed_with_the_way_to_unlock(agent, lock, told, group):
    lock(agent)

    assert f'href="/groups/{group.pk}/agents/{agent.subject}/"' in told()
    assert facts_of(told())["Locked now"][0] == "1"


def test_name_that_is_no_agents_does_not_count_as_locked(agent, lock, told):
    agent.username_key = "nobody"
    lock(agent)

    assert facts_of(told())["Locked now"] == ("0", "nobody")


def test_quiet_group_is_told_what_to_do_first(told):
    assert "Three steps to the first login" in told()


def test_busy_group_is_not_told_what_to_do_first(login, told):
    login(timezone.now() - timedelta(hours=3))

    assert "Three steps" not in told()


def test_hostile_names_are_shown_as_text(agent, lock, told, login):
    type(agent).objects.update(full_name="<b>A", username="<i>a")
    lock(agent), login(timezone.now()), login(timezone.now(), reason="<u>", client="<s>")

    assert not re.search("<(b|i|u|s)>", told())


@pytest.mark.parametrize("part", ["", "now/"])
def test_page_costs_few_queries(
    agent, lock, login, owner, visit_as, address, part, django_assert_max_num_queries
):
    lock(agent), login(timezone.now()), login(timezone.now(), reason="x")
    browser = visit_as(owner)
    browser.get(address)

    with django_assert_max_num_queries(15, connection=connection):
        browser.get(address + part)
