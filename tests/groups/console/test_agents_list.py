"""The list of agents: search, order, pages, export."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event
from groups.agent_columns import COLUMNS
from groups.models import Agent, Campaign
from tests import factories

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def address(group):
    return f"/groups/{group.pk}/agents/"


@pytest.fixture
def see(owner, visit_as, address):
    """The list as the owner sees it, with this query."""
    browser = visit_as(owner)

    def see(query: str = "", **headers: str) -> str:
        response = browser.get(f"{address}{query}", headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return see


def names_in(page: str) -> list[str]:
    return re.findall(r'class="agents__name"[^>]*>\s*([^<]*?)\s*</a>', page)


def lamps_in(page: str) -> list[str]:
    """The words beside the lamps of the rows."""
    found = page[page.index("<tbody>") :] if "<tbody>" in page else ""
    return [word.strip() for word in re.findall(r"</svg>\s*([^<]*?)\s*</span>", found)]


@pytest.mark.parametrize("role", ["owner", "manager", "auditor"])
def test_list_opens_for_its_people(request, role, agent, visit_as, address):
    response = visit_as(request.getfixturevalue(role)).get(address)

    assert response.status_code == 200
    assert "Alice Ames" in response.content.decode()


def test_list_is_missing_for_a_stranger(agent, stranger, visit_as, address):
    response = visit_as(stranger).get(address)

    assert response.status_code == 404
    assert "Alice" not in response.content.decode()


def test_nobody_is_sent_to_sign_in(client, address):
    assert client.get(address)["Location"].startswith("/accounts/login/")


def test_auditor_sees_nothing_to_act_with(auditor, agent, visit_as, address):
    page = visit_as(auditor).get(address).content.decode()

    assert "Add agent" not in page
    assert "agents/bulk/" not in page
    assert 'name="agents"' not in page


def test_agents_of_other_groups_are_not_listed(see, other_group):
    factories.AgentFactory(group=other_group, username="foreign")

    assert "foreign" not in see()
    assert "foreign" not in see("?q=foreign").replace('value="foreign"', "").replace("q=foreign", "")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": "suspended"}, "suspended"),
        ({"status": "disabled"}, "disabled"),
        ({"ends_at": "2020-01-01T00:00Z"}, "ended"),
        ({"password": ""}, "not activated"),
        ({}, "active"),
    ],
)
def test_row_tells_an_agents_standing(see, agent, change, word):
    Agent.objects.update(**change)

    assert lamps_in(see()) == [word]


def test_row_tells_who_is_locked(see, agent, lock):
    lock(agent)

    assert lamps_in(see()) == ["locked"]


def test_row_tells_who_is_signed_in_and_from_where(see, agent):
    factories.AgentSessionFactory(agent=agent)
    Agent.objects.update(last_signed_in_at=timezone.now(), last_address="203.0.113.7")

    page = see()

    assert lamps_in(page) == ["signed in"]
    assert "from 203.0.113.7" in page


def test_row_names_the_clients(see, agent, entitlement):
    assert "Demo AWS" in see()[see().index("<tbody>") :]


def test_row_of_a_narrowed_agent_names_his_clients_only(see, agent, entitlement, group):
    factories.EntitlementFactory(group=group, client__name="Elsewhere Ltd")
    Agent.objects.update(all_clients=False)
    factories.NarrowingFactory(agent=agent, entitlement=entitlement)

    rows = see()[see().index("<tbody>") :]

    assert "Demo AWS" in rows
    assert "Elsewhere" not in rows


@pytest.mark.parametrize(
    ("query", "found"),
    [("?q=ALICE+ames", ["alice"]), ("?q=bob", ["bob"]), ("?status=suspended", ["bob"]), ("?q=alice+bob", [])],
)
def test_search_narrows_the_list(see, group, agent, query, found):
    factories.AgentFactory(group=group, username="bob", full_name="Bo", status="suspended")

    assert names_in(see(query)) == found


@pytest.mark.parametrize("query", ["?sort=-username", "?sort=name"])
def test_list_is_sorted(see, group, agent, query):
    factories.AgentFactory(group=group, username="zoe", full_name="Aaron")

    assert names_in(see(query)) == ["zoe", "alice"]


def test_count_has_a_thousands_separator(see, group):
    names = [f"person-{n:04}" for n in range(1001)]
    Agent.objects.bulk_create(
        [Agent(group=group, username=name, username_key=name, full_name="Pat") for name in names]
    )

    page = see()

    assert "1,001 agents" in page
    assert f'value="{group.agents.order_by("username_key")[0].subject}"' in page


def test_htmx_gets_the_list_alone_with_the_count_and_the_address(owner, agent, visit_as, address):
    response = visit_as(owner).get(f"{address}?q=alice&status=&sort=username", headers=HTMX)

    page = response.content.decode()
    assert names_in(page) == ["alice"]
    assert "<html" not in page
    assert 'hx-swap-oob="innerHTML:#agents-count"' in page
    assert response["HX-Push-Url"] == f"{address}?q=alice"


def test_going_back_gets_the_whole_page(see, agent):
    assert "<html" in see(**HTMX, **{"HX-History-Restore-Request": "true"})


def test_empty_group_teaches_the_next_step(see):
    page = see()

    assert "No agents yet" in page
    assert "agents/new/" in page


def test_search_without_a_match_offers_to_clear_it(see, agent, address):
    page = see("?q=nobody")

    assert "No agent matches" in page
    assert f'href="{address}"' in page


@pytest.fixture
def many_agents(group):
    return [factories.AgentFactory(group=group, username=f"person-{n:03}").username for n in range(120)]


@pytest.mark.parametrize("sort", ["username", "-username", "name", "-last", "last"])
def test_long_list_is_shown_in_pages_each_agent_once(see, many_agents, sort):
    shown, query = [], f"?sort={sort}"
    while query:
        page = see(query)
        shown += names_in(page)
        found = re.search(r'href="(\?[^"]*after=[^"]*)"\s+rel="next"', page)
        query = found[1].replace("&amp;", "&") if found else ""

    assert sorted(shown) == many_agents
    assert len(shown) == 120
    if "username" in sort:
        assert shown == sorted(many_agents, reverse=sort.startswith("-"))


def test_pages_by_last_sign_in_miss_nobody(see, many_agents):
    # Some at the same moment, some never; one clock writes milliseconds, the other microseconds.
    at = datetime(2026, 1, 1, 8, tzinfo=UTC)
    for n, agent in enumerate(Agent.objects.all()[:90]):
        agent.last_signed_in_at = at.replace(second=n // 30, microsecond=123000 + n % 2)
        agent.save()

    test_long_list_is_shown_in_pages_each_agent_once(see, many_agents, "-last")
    test_long_list_is_shown_in_pages_each_agent_once(see, many_agents, "last")


def test_exactly_one_page_has_no_next(see, group):
    factories.AgentFactory.create_batch(50, group=group)

    assert 'rel="next"' not in see()


@pytest.mark.parametrize(
    "query", ["?after=" + "x" * 9999, "?after=%ff", "?before=é", "?sort=last&after=WyJ4Il0"]
)
def test_any_place_in_the_list_is_a_page(see, agent, query):
    assert names_in(see(query)) == ["alice"]


def test_character_that_no_database_keeps_is_refused(owner, visit_as, address):
    assert visit_as(owner).get(f"{address}?q=%00").status_code == 400


def test_hostile_names_are_shown_as_text(see, group):
    factories.AgentFactory(group=group, username="<i>x", full_name="<script>alert(1)</script>")

    page = see()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    "query", ["", "?q=agent&status=signed_in&sort=-last", "?client=demoaws&status=locked"]
)
def test_queries_of_the_list_are_few_and_do_not_grow(owner, group, visit_as, entitlement, address, query):
    browser = visit_as(owner)
    _add(group, entitlement)
    browser.get(address)  # notes that the session was used
    few = queries_of(browser, address + query)
    for _ in range(4):
        _add(group, entitlement)

    assert queries_of(browser, address + query) == few <= 12


def queries_of(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(address).status_code == 200
    return len(queries)


def _add(group, entitlement) -> None:
    agent = factories.AgentFactory(group=group, all_clients=False)
    factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    factories.AgentSessionFactory(agent=agent)
    factories.EntitlementFactory(group=group)


# --- Export ------------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(owner, visit_as, address):
    """The rows of the export, with this query."""

    def exported(query: str = "") -> list[dict[str, str]]:
        response = visit_as(owner).get(f"{address}export/{query}")
        assert response.status_code == 200
        content = b"".join(response.streaming_content).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content)))

    return exported


def test_export_says_what_an_import_reads(exported, agent, entitlement):
    narrowing = factories.NarrowingFactory(agent=agent, entitlement=entitlement)
    narrowing.campaigns.set(Campaign.objects.filter(number__in=(1, 3)))
    Agent.objects.update(
        all_clients=False,
        email="a@x.example",
        ends_at=datetime(2027, 4, 1, tzinfo=UTC),
        last_signed_in_at=datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC),
    )

    assert exported() == [
        dict(
            zip(
                COLUMNS,
                [
                    "alice",
                    "Alice Ames",
                    "a@x.example",
                    "active",
                    "2027-03-31",
                    "demoaws",
                    "demoaws:1,3",
                    "2026-05-06T07:08:09Z",
                    "administrator",
                ],
                strict=True,
            )
        )
    ]


def test_export_says_days_in_the_administrators_time_zone(exported, owner, agent):
    owner.time_zone = "America/New_York"
    owner.save()
    Agent.objects.update(ends_at=datetime(2027, 4, 1, 4, tzinfo=UTC))

    assert exported()[0]["end_date"] == "2027-03-31"


def test_export_is_of_what_the_search_finds(exported, group, agent, other_group):
    factories.AgentFactory(group=group, username="bob", full_name="Bo")
    factories.AgentFactory(group=other_group, username="bobby")

    assert [row["username"] for row in exported("?q=bo")] == ["bob"]


def test_export_runs_no_formula(exported, group):
    factories.AgentFactory(group=group, username="=1+1", full_name="@SUM(A1)")

    row = exported()[0]

    assert (row["username"], row["full_name"]) == ("'=1+1", "'@SUM(A1)")


def test_export_is_recorded_with_the_number(exported, agent, owner):
    exported()

    event = Event.objects.get(action="agent.export")
    assert (event.actor, event.details) == (f"administrator:{owner.email}", {"agents": 1})


def test_export_asks_for_the_second_factor_again(owner, visit_as, address):
    response = visit_as(owner, ago=400).get(f"{address}export/?q=bo")

    assert response.status_code == 303
    assert "/accounts/2fa/reauthenticate/" in response["Location"]
    assert not Event.objects.filter(action="agent.export").exists()


def test_export_is_for_auditors_too_but_not_for_strangers(auditor, stranger, visit_as, address):
    assert visit_as(auditor).get(f"{address}export/").status_code == 200
    assert visit_as(stranger).get(f"{address}export/").status_code == 404


def test_queries_of_the_export_do_not_grow_with_the_agents(owner, group, visit_as, entitlement, address):
    browser = visit_as(owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            list(browser.get(f"{address}export/").streaming_content)
        return len(counted)

    _add(group, entitlement)
    browser.get(address)
    few = queries()
    for _ in range(4):
        _add(group, entitlement)

    assert queries() == few
