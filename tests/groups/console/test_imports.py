"""CSV files of agents in the console: upload, progress, preview, applying, report."""

import csv
import io
import re
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from accounts.models import Event
from groups.console import imports
from groups.models import Agent, AgentImport
from sso_portal.lib.secrets import canonical_code, digest_of
from tests import factories
from tests.reading import page_of

pytestmark = pytest.mark.django_db

GOOD = "username,full_name\nbob,Bob Bow\ncleo,Cleo Cane\n"


@pytest.fixture(autouse=True)
def _work_at_once(request, monkeypatch):
    """Without threads, which would not see the rows of a test's transaction."""
    if not request.node.get_closest_marker("django_db").kwargs.get("transaction"):
        monkeypatch.setattr(imports, "start", run_at_once)


def run_at_once(work) -> None:
    with transaction.atomic():
        work()


@pytest.fixture
def address(group):
    """An address below the group's agents."""
    return lambda rest="": f"/groups/{group.pk}/agents/{rest}"


@pytest.fixture
def upload(as_owner, address):
    """Send a file; the page of its import, or of the form again."""

    def upload(content: str | bytes, *, kind: str = "import", name: str = "agents.csv", **fields):
        content = content.encode() if isinstance(content, str) else content
        response = as_owner.post(address(f"{kind}/"), {"file": SimpleUploadedFile(name, content)} | fields)
        return as_owner.get(response["Location"]) if response.status_code == 303 else response

    return upload


@pytest.fixture
def apply(as_owner, address):
    """Apply the last import; the page that is shown then."""

    def apply(**fields):
        response = as_owner.post(address(f"imports/{last().pk}/apply/"), {"rows": "all"} | fields)
        return as_owner.get(response["Location"]) if response.status_code == 303 else response

    return apply


def last() -> AgentImport:
    return AgentImport.objects.latest("pk")


def table_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(response).decode("utf-8-sig"))))


# --- Who may -----------------------------------------------------------------------------------------------------

PAGES = [
    ("agent_import", "get"),
    ("agent_import_template", "get"),
    ("agent_roster", "get"),
    ("agent_import_page", "get"),
    ("agent_import_report", "get"),
    ("agent_import_check", "post"),
    ("agent_import_apply", "post"),
    ("agent_import_codes", "post"),
]


@pytest.fixture(params=PAGES, ids=[name for name, _ in PAGES])
def each_page(request, group, upload):
    """Each page of an import that was applied; its address and method."""
    upload(GOOD)
    AgentImport.objects.update(state="applied")
    name, method = request.param
    named = [] if name in ("agent_import", "agent_import_template", "agent_roster") else [last().pk]
    return reverse(name, args=[group.pk, *named]), method


@pytest.mark.parametrize("role", ["owner", "manager"])
def test_owner_and_manager_may(request, role, each_page, visit_as):
    url, method = each_page

    response = getattr(visit_as(request.getfixturevalue(role)), method)(url)

    assert response.status_code in (200, 303)


def test_auditor_may_not(auditor, each_page, visit_as):
    url, method = each_page

    assert getattr(visit_as(auditor), method)(url).status_code == 403


def test_foreign_group_is_missing(stranger, each_page, visit_as):
    url, method = each_page

    assert getattr(visit_as(stranger), method)(url).status_code == 404


def test_import_of_another_group_is_missing(owner, other_group, each_page, group, visit_as):
    url, method = each_page
    factories.MembershipFactory(administrator=owner, group=other_group)
    foreign = url.replace(f"/groups/{group.pk}/", f"/groups/{other_group.pk}/")

    status = getattr(visit_as(owner), method)(foreign).status_code

    assert status == (404 if "/imports/" in url else 200)


def test_nobody_is_sent_to_sign_in(client, each_page):
    url, method = each_page

    assert getattr(client, method)(url)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("number", ["0", "999999999999999999"])
def test_unknown_import_is_missing(as_owner, address, number):
    assert as_owner.get(address(f"imports/{number}/")).status_code == 404


# --- Upload ------------------------------------------------------------------------------------------------------


def test_form_explains_the_file(as_owner, address, entitlement):
    text = page_of(as_owner.get(address("import/")))

    assert "Import agents" in text
    assert "20,000 rows" in text
    assert "demoaws" in text


def test_example_can_be_imported(as_owner, address, group, entitlement, upload):
    example = as_owner.get(address("import/")).context["example"]

    upload(example)

    assert last().summary["new"] == 2


def test_empty_file_to_download_names_the_columns(as_owner, address):
    rows = table_of(as_owner.get(address("import/template/")))

    assert rows == [["username", "full_name", "email", "status", "end_date", "clients", "campaigns"]]


def test_upload_leads_to_the_preview(upload):
    response = upload("username,full_name,size\nbob,Bob Bow,43\ncleo,,\n")

    text = page_of(response)
    assert response.status_code == 200
    assert "What the file would do" in text
    assert "full_name is blank" in text
    assert "Columns that are not read: size" in text
    assert "Apply the good rows only" in text


def test_upload_changes_nothing(upload):
    upload(GOOD)

    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\0", "The file is not text"),
        ("alice,Alice Ames\n", "No column is named “username”"),
        ("username\n" + "x\n" * 20_001, "more than 20,000 rows"),
    ],
)
def test_file_that_cannot_be_read_is_refused_beside_the_field(upload, content, why):
    response = upload(content)

    assert response.status_code == 200
    assert why in str(response.context["form"].errors["file"])
    assert not AgentImport.objects.exists()


def test_upload_without_a_file_says_so(as_owner, address):
    assert "Please choose a file." in page_of(as_owner.post(address("import/")))


def test_upload_while_another_is_at_work_says_so(upload):
    upload(GOOD)
    AgentImport.objects.update(state="checking")

    assert "Another file of this group is being worked on" in page_of(upload(GOOD))


def test_file_that_is_too_large_is_refused(upload):
    assert upload("x" * (5 * 1024 * 1024 + 1)).status_code == 413


def test_file_of_almost_five_megabytes_is_taken(upload):
    content = "username,full_name,x\n" + "".join(f"b{n:05},Ann Ash,{'x' * 49_000}\n" for n in range(100))

    response = upload(content)

    assert response.status_code == 200
    assert last().summary["new"] == 100


def test_last_imports_are_listed(upload, as_owner, address):
    upload(GOOD, name="march <b>.csv")

    text = page_of(as_owner.get(address("import/")))

    assert "march &lt;b&gt;.csv" in text
    assert "checked" in text


def test_hidden_characters_of_a_file_name_are_not_kept(upload):
    upload(GOOD, name="a\u202evsc.exe")

    assert "\u202e" not in last().file_name


# --- Progress ----------------------------------------------------------------------------------------------------


@pytest.fixture
def at_work(upload):
    """An import that is being checked, half-way."""
    upload(GOOD)
    AgentImport.objects.update(state="checking", rows_done=1, beat_at=Now())
    return last()


def test_progress_is_shown_with_and_without_script(as_owner, address, at_work):
    content = as_owner.get(address(f"imports/{at_work.pk}/")).content.decode()

    assert "1 of 2 rows" in " ".join(content.split())
    assert 'http-equiv="refresh"' in content
    assert 'hx-trigger="every 1s"' in content


def test_progress_alone_is_fetched_by_htmx(as_owner, address, at_work):
    response = as_owner.get(address(f"imports/{at_work.pk}/"), headers={"HX-Request": "true"})

    assert "1 of 2 rows" in page_of(response)
    assert "<html" not in page_of(response)


def test_progress_reads_nothing_that_may_be_megabytes(
    as_owner, address, at_work, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8) as queries:
        as_owner.get(address(f"imports/{at_work.pk}/"), headers={"HX-Request": "true"})

    assert not [query for query in queries if re.search(r'import"."(verdicts|content)', query["sql"])]


def test_end_of_the_work_fetches_the_whole_page(upload, as_owner, address):
    upload(GOOD)

    response = as_owner.get(address(f"imports/{last().pk}/"), headers={"HX-Request": "true"})

    assert response["HX-Refresh"] == "true"


def interrupt(asked: AgentImport) -> None:
    AgentImport.objects.filter(pk=asked.pk).update(beat_at=Now() - timedelta(minutes=1))


def test_interrupted_check_can_be_taken_up_again(as_owner, address, at_work):
    interrupt(at_work)
    assert "Checking was interrupted" in page_of(as_owner.get(address(f"imports/{at_work.pk}/")))

    as_owner.post(address(f"imports/{at_work.pk}/check/"))

    assert last().state == "checked"


def test_check_that_goes_on_is_not_taken_over(as_owner, address, at_work):
    response = as_owner.post(address(f"imports/{at_work.pk}/check/"), follow=True)

    assert "Another file of this group is being worked on" in page_of(response)
    assert last().state == "checking"


def test_interrupted_applying_can_be_done_again(upload, apply, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(state="applying")
    interrupt(last())
    assert "interrupted, and nothing was changed" in page_of(as_owner.get(address(f"imports/{last().pk}/")))

    apply()

    assert Agent.objects.count() == 2


def test_check_that_broke_says_so(upload, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(state="failed")

    assert "could not be checked" in page_of(as_owner.get(address(f"imports/{last().pk}/")))


# --- Preview -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("show", ["new", "change", "unchanged", "faulty", "leaving", "x", "%00"])
def test_rows_of_any_kind_can_be_looked_at(upload, as_owner, address, show):
    upload(GOOD)

    status = as_owner.get(address(f"imports/{last().pk}/?show={show}&from=x")).status_code

    assert status == (400 if show == "%00" else 200)


def test_rows_are_shown_in_pages(upload, as_owner, address):
    upload("username,full_name\n" + "".join(f"b{n:03},B\n" for n in range(60)))
    first = as_owner.get(address(f"imports/{last().pk}/?show=new"))

    second = as_owner.get(address(f"imports/{last().pk}/") + first.context["next_url"].partition("#")[0])

    assert [row["username"] for row in first.context["rows"]][-1] == "b049"
    assert [row["username"] for row in second.context["rows"]] == [f"b{n:03}" for n in range(50, 60)]
    assert second.context["next_url"] == ""
    assert second.context["previous_url"] == "?show=new&from=0#rows"


def test_change_shows_old_and_new(agent, upload):
    text = page_of(upload("username,full_name,email\nalice,Alice Other,a@x.example\n"))

    assert 'Name: <span class="soft">Alice Ames</span> → Alice Other' in text
    assert 'E-mail: <span class="soft">–</span> → a@x.example' in text


def test_hostile_cells_are_shown_as_text(upload):
    response = upload('username,full_name,<i>\n<b>x</b>,"<script>alert(1)</script>"\ny\u202ez,Y,\n=1,\n')

    content = response.content.decode()
    assert "<script>alert" not in content
    assert "<b>x" not in content
    assert "\u202e" not in content
    assert "&lt;i&gt;" in content


@pytest.mark.parametrize("rest", ["", "?show=new", "?show=leaving", "report/"])
def test_pages_of_many_rows_ask_the_database_alike_often(
    upload, as_owner, address, group, rest, django_assert_max_num_queries
):
    factories.AgentFactory.create_batch(20, group=group)
    upload("username,full_name\n" + "".join(f"b{n},\n" for n in range(200)), kind="roster")
    url = address(f"imports/{last().pk}/{rest}")
    as_owner.get(url)

    with django_assert_max_num_queries(15):
        b"".join(as_owner.get(url))


# --- Applying ----------------------------------------------------------------------------------------------------


def test_apply_makes_the_agents_and_shows_the_report(upload, apply):
    upload(GOOD)

    text = page_of(apply())

    assert set(Agent.objects.values_list("username", flat=True)) == {"bob", "cleo"}
    assert "What the file did" in text
    assert "added" in text


def test_apply_names_who_did_it_and_from_where(upload, apply, owner):
    upload(GOOD)

    apply()

    event = Event.objects.get(action="agent.import")
    assert event.actor == f"administrator:{owner.email}"
    assert (event.reference != "", event.address) == (True, "127.0.0.1")


def test_all_rows_are_refused_while_some_are_faulty(upload, apply):
    upload("username,full_name\nbob,Bob\ncleo,\n")

    assert "Only its good rows can be applied" in page_of(apply())
    assert not Agent.objects.exists()


def test_good_rows_are_applied_alone(upload, apply):
    upload("username,full_name\nbob,Bob\ncleo,\n")

    assert "left out" in page_of(apply(rows="good"))
    assert Agent.objects.get().username == "bob"


def test_second_apply_is_refused(upload, apply):
    upload(GOOD)
    apply()

    assert "was applied already" in page_of(apply())


def test_file_that_changes_nothing_is_not_offered(agent, upload):
    assert "The file changes nothing." in page_of(upload("username\nalice\n"))


def test_file_that_is_no_longer_kept_is_not_offered(upload, as_owner, address):
    upload(GOOD)
    AgentImport.objects.update(content=b"")

    assert "no longer kept" in page_of(as_owner.get(address(f"imports/{last().pk}/")))


def test_rows_that_became_faulty_are_shown(entitlement, upload, apply):
    upload("username,full_name,clients\nbob,Bob,demoaws\n")
    entitlement.delete()

    text = page_of(apply())

    assert "some rows became faulty since you looked" in text
    assert "the group may not enter “demoaws”" in text


def test_apply_by_a_link_is_refused(upload, as_owner, address):
    upload(GOOD)

    assert as_owner.get(address(f"imports/{last().pk}/apply/")).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_import_goes_on_in_a_thread(upload, apply):
    response = upload(GOOD)
    wait_for_threads()
    assert last().state == "checked", page_of(response)

    apply()
    wait_for_threads()

    assert Agent.objects.count() == 2


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "import":
            thread.join(60)


# --- Report and codes --------------------------------------------------------------------------------------------


def test_report_has_a_verdict_for_each_row(agent, upload, apply, as_owner, address):
    upload("username,full_name,email\nalice,Alice Ames,a@x.example\n=1+1,\nbob,Bob,\n")
    apply(rows="good")

    rows = table_of(as_owner.get(address(f"imports/{last().pk}/report/")))

    assert rows == [
        ["Line", "Username", "Verdict", "Why"],
        ["2", "alice", "changed", "E-mail:  → a@x.example."],
        ["3", "'=1+1", "left out", "full_name is blank, which a new agent needs."],
        ["4", "bob", "added", ""],
    ]


def test_report_of_a_roster_names_who_left(agent, upload, as_owner, address):
    upload(GOOD, kind="roster")

    rows = table_of(as_owner.get(address(f"imports/{last().pk}/report/")))

    assert rows[-1] == ["", "alice", "leaves", ""]


@pytest.fixture
def codes(as_owner, address):
    """Ask for activation codes; the rows of the answer."""
    return lambda: table_of(as_owner.post(address(f"imports/{last().pk}/codes/")))[1:]


def test_codes_are_given_to_new_agents(agent, upload, apply, codes, group):
    upload(GOOD + "alice,Alice Other\n")
    apply()

    rows = codes()

    digests = dict(Agent.objects.values_list("username", "activation_digest"))
    assert [row[0] for row in rows] == ["bob", "cleo"]
    assert {row[0]: digest_of(canonical_code(row[2])) for row in rows} | {"alice": ""} == digests
    assert rows[0][4] == f"http://localhost:8000/sso/group?group={group.pk}"
    assert Event.objects.filter(action="agent.give_activation_code").count() == 2


def test_codes_are_new_each_time(upload, apply, codes):
    upload(GOOD)
    apply()

    assert codes()[0][2] != codes()[0][2]


def test_agent_who_has_a_password_gets_no_code(upload, apply, codes):
    upload(GOOD)
    apply()
    Agent.objects.filter(username="bob").update(password="!")

    assert [row[0] for row in codes()] == ["cleo"]


def test_agent_with_the_longest_name_gets_a_code(upload, apply, codes):
    name = "b" * 150
    upload(f"username,full_name\n{name},Bob\n")
    apply()

    assert codes()[0][0] == name


def test_codes_are_not_given_before_the_import_is_applied(upload, as_owner, address):
    upload(GOOD)

    assert as_owner.post(address(f"imports/{last().pk}/codes/")).status_code == 404


# --- Rosters -----------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(group):
    return [factories.AgentFactory(group=group, username=f"a{n}") for n in range(10)]


def test_roster_names_who_leaves(staff, upload):
    text = page_of(upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster"))

    assert "1 agent is missing in the roster and will be disabled" in text
    assert "a9" in text
    assert "How many agents will be disabled?" not in text


@pytest.mark.parametrize("number", ["", "8", "x", "9" * 99])
def test_many_leavers_need_the_number(staff, upload, apply, number):
    upload("username\na0\n", kind="roster")

    response = apply(number=number)

    assert response.status_code == 200
    assert len(response.context["form"].errors["number"]) == 1
    assert last().state == "checked"


def test_right_number_disables_many(staff, upload, apply):
    upload("username\na0\n", kind="roster")

    apply(number=" 9 ")

    assert Agent.objects.filter(status="disabled").count() == 9


@pytest.mark.parametrize(("fields", "leaving"), [({}, 0), ({"with_api": "on"}, 1)])
def test_agents_of_the_sso_api_leave_when_ticked(staff, upload, fields, leaving):
    Agent.objects.filter(username="a9").update(provisioned_by="api")

    upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster", **fields)

    assert last().summary["leaving"] == leaving


def test_roster_that_grew_shows_the_preview_again(staff, group, upload, apply):
    upload("username\n" + "".join(f"a{n}\n" for n in range(9)), kind="roster")
    factories.AgentFactory(group=group, username="late")

    text = page_of(apply())

    assert "more agents would be disabled than when you looked" in text
    assert "late" in text


# --- Export and back ---------------------------------------------------------------------------------------------


def test_export_is_imported_unchanged(group, staff, entitlement, client_company, as_owner, address, upload):
    narrowing = factories.NarrowingFactory(agent=staff[0], entitlement=entitlement)
    narrowing.campaigns.add(client_company.campaigns.get(number=2))
    Agent.objects.filter(pk=staff[1].pk).update(
        all_clients=False, full_name="=1+1", email="a@x.example", status="disabled", ends_at=Now()
    )
    Agent.objects.filter(pk=staff[2].pk).update(ends_at="2031-03-31T22:00:00Z", full_name="'Twas O'Hara")
    exported = b"".join(as_owner.get(address("export/")))

    upload(exported)

    assert last().summary | {"unchanged": 10, "new": 0, "change": 0, "faulty": 0} == last().summary
