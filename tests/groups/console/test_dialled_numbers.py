"""The pages of a group's dialled numbers: the list, one number, CSV in and out."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Event
from groups.models import Campaign, Client, DialledNumber, NumberImport
from tests import factories
from tests.reading import page_of

pytestmark = pytest.mark.django_db

NUMBER = "+18005550101"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def number(group, client_company, entitlement):
    return factories.DialledNumberFactory(
        group=group, number=NUMBER, client=client_company, note="on the bill"
    )


@pytest.fixture
def second(group):
    company = factories.ClientFactory(subdomain="sandboxdemo", name="Sandbox Demo")
    factories.EntitlementFactory(group=group, client=company)
    return company


@pytest.fixture
def address(group):
    return f"/groups/{group.pk}/clients/numbers/"


@pytest.fixture
def desk(visit_as, manager):
    return visit_as(manager)


def listed(response) -> list[str]:
    """The numbers on the page, in order."""
    return re.findall(r'class="table__first[^"]*"[^>]*>\s*(\+[\d -]+\d)', response.content.decode())


# --- The list --------------------------------------------------------------------------------------------------------


def test_list_shows_where_each_number_leads(desk, address, number):
    page = page_of(desk.get(address))

    assert "+1 800-555-0101" in page
    assert "Demo AWS" in page
    assert "on the bill" in page


@pytest.mark.parametrize(
    "query",
    ["0101", "800 555 0101", "(800) 555-01", "0018005550101", "+1800", "demo aws", "DEMOAWS", "the bill"],
)
def test_list_finds_a_number_by(desk, address, number, second, group, query):
    factories.DialledNumberFactory(group=group, number="+442071838750", client=second)

    assert listed(desk.get(address, {"q": query})) == ["+1 800-555-0101"]


@pytest.mark.parametrize("query", ["999", "nosuch", "%", "' OR 1=1 --", "\\", "😀", "٣"])
def test_list_that_finds_nothing_says_so(desk, address, number, query):
    response = desk.get(address, {"q": query})

    assert listed(response) == []
    assert "No number like that" in page_of(response)


def test_list_of_one_client(desk, address, number, second, group):
    factories.DialledNumberFactory(group=group, number="+442071838750", client=second)

    assert listed(desk.get(address, {"client": "sandboxdemo"})) == ["+44 20 7183 8750"]


def test_list_goes_on_page_by_page(desk, address, group, client_company, entitlement):
    DialledNumber.objects.bulk_create(
        DialledNumber(group=group, number=f"+1800555{i:04}", client=client_company) for i in range(120)
    )
    seen, url = [], address
    while url:
        response = desk.get(url)
        seen += listed(response)
        following = re.search(r'href="(\?[^"]+)"\s+rel="next"', response.content.decode())
        url = f"{address}{following[1].replace('&amp;', '&')}" if following else ""

    assert len(seen) == 120
    assert seen == sorted(seen)


def test_list_is_a_fragment_to_htmx(desk, address, number):
    page = desk.get(address, {"q": "0101"}, headers={"HX-Request": "true"}).content.decode()

    assert "<html" not in page
    assert "+1 800-555-0101" in page


def test_list_marks_a_client_that_is_no_longer_granted(desk, address, number, entitlement):
    entitlement.delete()

    assert "No longer granted" in page_of(desk.get(address))


def test_list_shows_the_groups_numbers_only(desk, address, number, other_group, client_company):
    factories.DialledNumberFactory(group=other_group, number="+18005550199", client=client_company)

    assert listed(desk.get(address)) == ["+1 800-555-0101"]


def test_list_without_numbers_teaches_the_next_step(desk, address, entitlement):
    page = page_of(desk.get(address))

    assert "No numbers yet" in page
    assert "numbers/add/" in page


def test_list_offers_the_routed_pop_url(desk, address, group):
    assert f"http://localhost:8000/sso/group?group={group.pk}&amp;did=" in page_of(desk.get(address))


def test_list_asks_little(desk, address, group, entitlement, client_company, django_assert_max_num_queries):
    factories.DialledNumberFactory.create_batch(60, group=group, client=client_company)

    with django_assert_max_num_queries(15):
        desk.get(address)


def test_list_escapes_hostile_text(desk, address, number):
    Client.objects.update(name=HOSTILE)
    Campaign.objects.update(name=HOSTILE)
    DialledNumber.objects.update(note=HOSTILE)

    assert HOSTILE not in desk.get(address, {"q": HOSTILE}).content.decode()


# --- Adding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def typed(entitlement):
    """What a manager types into the form."""
    return {"number": "1-800-555-0101", "country": "US", "client": "demoaws", "campaign": "", "note": ""}


def test_add_lets_the_number_lead_there(desk, address, typed, client_company, group, manager):
    campaign = client_company.campaigns.get(number=2)

    response = desk.post(f"{address}add/", typed | {"campaign": campaign.pk, "note": "poster"})

    row = DialledNumber.objects.get()
    assert (response.status_code, response.headers["Location"]) == (303, address)
    assert (row.group, row.number, row.client, row.campaign, row.note) == (
        group,
        NUMBER,
        client_company,
        campaign,
        "poster",
    )
    event = Event.objects.get(action="dialled_number.add")
    assert (event.actor, event.door) == (f"administrator:{manager.email}", "main")


def test_add_says_what_is_so_now(desk, address, typed):
    page = page_of(desk.post(f"{address}add/", typed, follow=True))

    assert "+1 800-555-0101 leads to Demo AWS from now on." in page


def test_add_of_an_unusual_number_says_so(desk, address, typed):
    page = page_of(desk.post(f"{address}add/", typed | {"number": "+1 000 555 0101"}, follow=True))

    assert "Please check it once more" in page
    assert DialledNumber.objects.exists()


def test_add_from_a_clients_page_goes_back_there(desk, address, typed, group):
    response = desk.post(f"{address}add/?client=demoaws", typed)

    assert response.headers["Location"] == f"/groups/{group.pk}/clients/demoaws/"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"number": ""}, "required"),
        ({"number": "12"}, "too short"),
        ({"number": "8005550101", "country": ""}, "choose the country"),
        ({"number": "x" * 65}, "at most 64"),
        ({"number": "+1\u202e800"}, "too short"),
        ({"country": "XX"}, "not one of the available"),
        ({"client": ""}, "required"),
        ({"client": "nosuch"}, "not one of the available"),
        ({"campaign": "999999"}, "not one of the available"),
        ({"note": "x" * 201}, "at most 200"),
        ({"note": "a\u202eb"}, "cannot be shown"),
        ({"note": "a\x00b"}, "Null characters"),
    ],
)
def test_add_of_what_cannot_be_meant_is_refused_beside_the_field(desk, address, typed, changed, why):
    response = desk.post(f"{address}add/", typed | changed)

    assert response.status_code == 200
    assert why in page_of(response)
    assert not DialledNumber.objects.exists()


def test_add_with_a_campaign_of_another_client_is_refused(desk, address, typed, second):
    campaign = factories.CampaignFactory(client=second)

    response = desk.post(f"{address}add/", typed | {"campaign": campaign.pk})

    assert "belongs to another client" in page_of(response)
    assert not DialledNumber.objects.exists()


def test_add_with_a_campaign_that_was_not_granted_is_refused(
    desk, address, typed, entitlement, client_company
):
    entitlement.campaigns.set(client_company.campaigns.filter(number=1))

    desk.post(f"{address}add/", typed | {"campaign": client_company.campaigns.get(number=2).pk})

    assert not DialledNumber.objects.exists()


def test_add_with_a_client_of_another_group_is_refused(desk, address, typed, other_group):
    factories.EntitlementFactory(group=other_group, client__subdomain="theirs")

    desk.post(f"{address}add/", typed | {"client": "theirs"})

    assert not DialledNumber.objects.exists()


def test_add_of_a_number_that_is_listed_is_refused_beside_it(desk, address, typed, number):
    page = page_of(desk.post(f"{address}add/", typed))

    assert "listed already: it leads to Demo AWS" in page


def test_add_offers_the_chosen_clients_campaigns_to_htmx(desk, address, entitlement, second):
    factories.CampaignFactory(client=second, number=77, name="Renewals")

    page = desk.get(
        f"{address}add/", {"client": "sandboxdemo"}, headers={"HX-Request": "true"}
    ).content.decode()

    assert "77: Renewals" in page
    assert "Spring" not in page
    assert "<html" not in page


def test_add_without_clients_says_where_they_come_from(desk, address):
    assert "No clients yet" in page_of(desk.get(f"{address}add/"))


# --- Changing and removing -------------------------------------------------------------------------------------------


def test_change_shows_what_is_so(desk, address, number, client_company):
    DialledNumber.objects.update(campaign=client_company.campaigns.get(number=2))

    page = page_of(desk.get(f"{address}{number.pk}/"))

    assert 'value="+1 800-555-0101"' in page
    assert re.search(r"<option value=\"demoaws\"\s+selected", page)
    assert re.search(r"<option value=\"\d+\"\s+selected[^>]*>2: Spring", page)


def test_change_lets_it_lead_elsewhere(desk, address, number, second):
    response = desk.post(
        f"{address}{number.pk}/", {"number": "+18005550101", "client": "sandboxdemo", "note": ""}
    )

    number.refresh_from_db()
    assert response.status_code == 303
    assert (number.client, number.note) == (second, "")
    assert Event.objects.get(action="dialled_number.change").details["client"] == ["demoaws", "sandboxdemo"]


def test_change_to_a_number_that_is_listed_is_refused(desk, address, number, group, client_company):
    factories.DialledNumberFactory(group=group, number="+18005550102", client=client_company)

    response = desk.post(f"{address}{number.pk}/", {"number": "+18005550102", "client": "demoaws"})

    assert "listed already" in page_of(response)


def test_remove_asks_first(desk, address, number):
    page = page_of(desk.get(f"{address}{number.pk}/remove/"))

    assert "Remove +1 800-555-0101" in page
    assert DialledNumber.objects.exists()


def test_remove_lets_it_lead_nowhere(desk, address, number):
    response = desk.post(f"{address}{number.pk}/remove/")

    assert (response.status_code, response.headers["Location"]) == (303, address)
    assert not DialledNumber.objects.exists()
    assert Event.objects.get(action="dialled_number.remove").details["number"] == "0101"


@pytest.mark.parametrize("act", ["", "remove/"])
def test_number_of_another_group_is_not_found(desk, address, other_group, act):
    foreign = factories.DialledNumberFactory(group=other_group)

    answers = [getattr(desk, method)(f"{address}{foreign.pk}/{act}") for method in ("get", "post")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert DialledNumber.objects.exists()


@pytest.mark.parametrize("number_id", ["0", "999999999999999999"])
def test_number_of_nobody_is_not_found(desk, address, number_id):
    assert desk.get(f"{address}{number_id}/").status_code == 404


# --- CSV -------------------------------------------------------------------------------------------------------------


def upload(*lines: str, header="number,client,campaign,note", name="numbers.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\n".join([header, *lines]).encode())


@pytest.fixture
def checked(desk, address, entitlement):
    """Upload a file; the address of what it would do."""

    def check_lines(*lines: str) -> str:
        response = desk.post(f"{address}import/", {"file": upload(*lines), "country": "US"})
        assert response.status_code == 303, page_of(response)
        return response.headers["Location"]

    return check_lines


def test_import_shows_what_each_row_would_do_and_does_nothing(desk, checked, number):
    page = checked("8005550101,demoaws,1,", "8005550102,demoaws,,", "12,demoaws,,")

    faulty, new = page_of(desk.get(page)), page_of(desk.get(page, {"show": "new"}))

    assert "This number is too short for its country." in faulty
    assert "Import 2 numbers" in faulty
    assert "+1 800-555-0102" in new
    assert DialledNumber.objects.count() == 1


def test_import_is_applied_by_a_post(desk, checked, address):
    response = desk.post(checked("8005550101,demoaws,1,", "12,demoaws,,"), {"act": "apply"}, follow=True)

    assert DialledNumber.objects.get().number == NUMBER
    assert "1 number added, 0 changed, 1 faulty row left out." in page_of(response)
    assert response.redirect_chain == [(address, 303)]


def test_import_that_was_applied_is_gone(desk, checked):
    page = checked("8005550101,demoaws,1,")
    desk.post(page, {"act": "apply"})

    assert [desk.post(page, {"act": "apply"}).status_code, desk.get(page).status_code] == [404, 404]
    assert Event.objects.filter(action="dialled_numbers.import").count() == 1


def test_import_can_be_put_aside(desk, checked):
    desk.post(checked("8005550101,demoaws,1,"), {"act": "leave"})

    assert not NumberImport.objects.exists()
    assert not DialledNumber.objects.exists()


def test_import_shows_many_verdicts_page_by_page(desk, checked):
    page = checked(*(f"800555{i:04},demoaws,," for i in range(250)))

    seen, url = [], page
    while url:
        response = desk.get(url)
        seen += listed(response)
        following = re.search(r'href="(\?[^"]+)"\s+rel="next"', response.content.decode())
        url = f"{page}{following[1].replace('&amp;', '&')}" if following else ""

    assert len(set(seen)) == len(seen) == 250


@pytest.mark.parametrize(
    "query", ["show=nonsense", "after=x", "after=-1", "after=99999999999", "show=new&after=7"]
)
def test_import_page_with_a_query_that_cannot_be_meant_is_shown(desk, checked, query):
    assert desk.get(f"{checked('8005550101,demoaws,,')}?{query}").status_code == 200


def test_import_gives_the_faulty_rows_back(desk, checked):
    page = checked("8005550101,demoaws,1,", "12,demoaws,,=1+1")

    body = b"".join(desk.get(f"{page}faulty/").streaming_content).decode()

    assert body.splitlines()[1:] == ["3,12,demoaws,,'=1+1,This number is too short for its country."]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (SimpleUploadedFile("a.csv", b""), "The file is empty."),
        (SimpleUploadedFile("a.csv", b"\x89PNG\x00\x01"), "not text"),
        (upload("1,2", header="phone,client"), "“number” is missing"),
        (upload(), "no rows"),
        (SimpleUploadedFile("a.csv", b"number,client\n" + b"1,x\n" * 20_001), "more than 20,000 rows"),
    ],
    ids=["empty", "picture", "columns", "no-rows", "too-many"],
)
def test_import_of_what_cannot_be_read_is_refused_beside_the_field(desk, address, entitlement, file, why):
    response = desk.post(f"{address}import/", {"file": file, "country": ""})

    assert response.status_code == 200
    assert why in page_of(response)
    assert not NumberImport.objects.exists()


def test_import_without_a_file_is_refused(desk, address):
    assert "Please choose a file." in page_of(desk.post(f"{address}import/", {"country": ""}))


def test_import_of_another_group_is_not_found(desk, address, other_group):
    foreign = NumberImport.objects.create(group=other_group, uploaded_by="somebody", rows=[])

    assert desk.get(f"{address}import/{foreign.pk}/").status_code == 404
    assert desk.post(f"{address}import/{foreign.pk}/").status_code == 404
    assert desk.get(f"{address}import/{foreign.pk}/faulty/").status_code == 404


def test_import_shows_hostile_cells_as_text(desk, checked):
    page = checked(
        f"{HOSTILE},demoaws,,", f"8005550101,{HOSTILE},,", f"8005550102,demoaws,{HOSTILE},{HOSTILE}"
    )

    assert HOSTILE not in desk.get(page).content.decode()


def test_export_is_read_again_by_an_import(desk, address, number, checked, client_company):
    DialledNumber.objects.update(campaign=client_company.campaigns.get(number=2))

    body = b"".join(desk.get(f"{address}export/").streaming_content).decode("utf-8-sig")

    header, line = body.splitlines()
    assert (header, line) == ("number,client,campaign,note", "'+18005550101,demoaws,2,on the bill")
    assert "1</strong> unchanged" in page_of(desk.get(checked(line)))


def test_export_is_recorded(desk, address, number):
    desk.get(f"{address}export/")

    assert Event.objects.get(action="dialled_numbers.export").details == {"numbers": 1}


def test_export_asks_for_the_second_factor_again(visit_as, auditor, address, number):
    response = visit_as(auditor, ago=301).get(f"{address}export/")

    assert (response.status_code, "reauthenticate" in response.headers["Location"]) == (303, True)


# --- Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "export/"])
def test_numbers_are_seen_by_an_auditor(visit_as, auditor, address, number, path):
    assert visit_as(auditor).get(f"{address}{path}").status_code == 200


def test_numbers_offer_an_auditor_nothing_to_change(visit_as, auditor, address, number):
    page = page_of(visit_as(auditor).get(address))

    assert not re.search(r"numbers/(add|import|\d+)/", page)


@pytest.mark.parametrize(
    "path", ["add/", "import/", "{number}/", "{number}/remove/", "import/{file}/", "import/{file}/faulty/"]
)
@pytest.mark.parametrize(("person", "status"), [("auditor", 403), ("stranger", 404)])
def test_numbers_are_changed_by_nobody_else(visit_as, request, group, address, number, path, person, status):
    file = NumberImport.objects.create(group=group, uploaded_by="somebody", rows=[])
    desk = visit_as(request.getfixturevalue(person))
    url = address + path.format(number=number.pk, file=file.pk)

    assert [desk.get(url).status_code, desk.post(url).status_code] in ([status, status], [status, 405])
    assert DialledNumber.objects.exists()
    assert NumberImport.objects.exists()


@pytest.mark.parametrize("path", ["", "export/"])
def test_numbers_of_a_strangers_group_are_not_found(visit_as, stranger, address, number, path):
    assert visit_as(stranger).get(f"{address}{path}").status_code == 404
