"""Where in a client's CRM its people may be sent."""

from urllib.parse import urljoin, urlsplit

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from groups.destinations import CLIENT_AREA, CUSTOM, LABELS, Place, find_place, label_of, linked
from groups.models import Destination, why_not_path
from sso_portal.lib.refusals import Refused
from tests import factories

CRM = "https://crm.example/desk/"


# --- Paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["", "invoices", "billing/invoices", "billing/", "a.b/c-d_e~f", "list.php?id=3&sort=date", "a;v=1/b",
     "search?q=caf%C3%A9%20and%20more", "x?back=https://elsewhere.example/", "...", "a..b/c"],
)  # fmt: skip
def test_plain_path_is_one(path):
    assert why_not_path(path) == ""


@pytest.mark.parametrize(
    "path",
    ["/", "/invoices", "//evil.example", "///evil.example", "a//b", "https://evil.example", "https:evil",
     "javascript:x", "mailto:a@b", "..", "../x", "a/../../x", "a/..", ".", "./x", "a/./b", "..;/x", "a/..;v=1/b",
     "%2e%2e/x", "%2E%2e%2Fx", "a%2fb", "%252e%252e/x", "a%5cb", "\\\\evil.example", "\\evil", "a\\b", "a b",
     "a\tb", "a\nb", "\x00", "a#b", "#", "x?q=%0d%0aSet-Cookie:x", "x?q=%00", "x?q=%zz", "x?q=%", "x?q=\\",
     "x?q=<b>", "?q=1", "?", "{service_id}", "café", "a" * 501],
)  # fmt: skip
def test_way_out_is_no_path(path):
    assert why_not_path(path)


@given(st.one_of(st.text(max_size=40), st.text(alphabet="/\\.:;?#%@ab2eEfF5cC&=", max_size=40)))
def test_path_never_leaves_the_crm(path):
    if why_not_path(path):
        return

    led_to = urlsplit(urljoin(CRM, path))

    assert f"{led_to.scheme}://{led_to.netloc}" == "https://crm.example"
    assert led_to.path.startswith("/desk/")
    assert not led_to.fragment
    assert "%" not in led_to.path


@given(st.text(alphabet="/\\.:;%@ab2eE5cC", max_size=30))
def test_path_says_the_same_once_more_decoded(path):
    if why_not_path(path):
        return

    assert ".." not in [step.partition(";")[0] for step in path.split("/")]
    assert path == path.replace("%", "").replace("\\", "")


# --- Places ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(client_company):
    """demoaws' destinations."""
    paths = {
        "clientarea:invoices": "billing/invoices",
        "clientarea:product_details": "services/{service_id}",
        "clientarea:domain_details": "services/{service_id}/domains/{domain_id}",
        "desk:monthly_report": "reports?period=month",
    }
    for name, path in paths.items():
        factories.DestinationFactory(client=client_company, name=name, path=path)
    return client_company


@pytest.mark.django_db
def test_no_name_is_the_client_area(mapped):
    assert find_place(mapped, "") == CLIENT_AREA


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(LABELS))
def test_known_name_that_nobody_mapped_is_the_home_of_the_crm(client_company, name):
    assert find_place(client_company, name) == Place(name, "")


@pytest.mark.django_db
def test_mapped_name_is_its_path(mapped):
    assert find_place(mapped, "clientarea:invoices").path == "billing/invoices"


@pytest.mark.django_db
def test_name_of_the_clients_own_is_its_path(mapped):
    assert find_place(mapped, "desk:monthly_report").path == "reports?period=month"


@pytest.mark.django_db
def test_numbers_are_filled_in(mapped):
    place = find_place(mapped, "clientarea:domain_details", service_id="417", domain_id="9")

    assert place.path == "services/417/domains/9"


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["", "x", "4 7", "-4", "4.7", "../4", "４１７", "1" * 19, "{domain_id}"])
def test_number_that_is_none_is_refused(mapped, number):
    with pytest.raises(Refused) as refused:
        find_place(mapped, "clientarea:product_details", service_id=number)

    assert refused.value.refusal.code == "unusable_destination"
    assert "service_id" in refused.value.refusal.message


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["clientarea:nothing", "invoices", "CLIENTAREA:INVOICES", "https://evil.example", "sso:other"]
)
def test_unknown_name_is_refused(mapped, name):
    with pytest.raises(Refused) as refused:
        find_place(mapped, name)

    assert refused.value.refusal.code == "unknown_destination"


@pytest.mark.django_db
def test_name_of_another_client_is_refused(mapped):
    with pytest.raises(Refused, match="unknown_destination"):
        find_place(factories.ClientFactory(), "desk:monthly_report")


@pytest.mark.django_db
def test_custom_place_is_the_path_that_was_sent(client_company):
    assert find_place(client_company, CUSTOM, path="a/b?c=d") == Place(CUSTOM, "a/b?c=d")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["", "/etc", "//evil.example", "https://evil.example", "..%2f", "a\\b"])
def test_custom_place_that_is_no_path_is_refused(client_company, path):
    with pytest.raises(Refused, match="unusable_destination"):
        find_place(client_company, CUSTOM, path=path)


@pytest.mark.django_db
def test_path_that_was_stored_badly_is_refused(client_company):
    factories.DestinationFactory(client=client_company, path="//evil.example")

    with pytest.raises(Refused, match="unusable_destination"):
        find_place(client_company, "clientarea:invoices")


@pytest.mark.django_db
def test_destination_that_leads_out_is_not_valid(client_company):
    with pytest.raises(ValidationError):
        Destination(client=client_company, name="clientarea:invoices", path="../x").full_clean()


@pytest.mark.django_db
def test_links_are_those_that_lead_somewhere_as_they_are(mapped):
    factories.DestinationFactory(client=mapped, name="clientarea:profile", path="")

    assert linked(mapped) == [("Invoices", "billing/invoices"), ("Monthly report", "reports?period=month")]


@pytest.mark.parametrize(
    ("name", "label"),
    [("clientarea:submit_ticket", "New ticket"), ("desk:a_b", "A b"), ("reports", "Reports")],
)
def test_label_is_for_people(name, label):
    assert label_of(name) == label
