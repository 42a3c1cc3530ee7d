"""What a pop says: values that cannot be meant, and placeholders that nobody filled in."""

import pytest

from accounts.models import Event, Outcome
from groups import models as groups
from tests.reading import words_of
from tests.tokens.pop.popping import nothing_minted, without_reference
from tokens.models import LoginToken

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("entitlement")]


# --- What cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "",
        "group=",
        "group=21&group=21",
        "group=21&group=22",
        "group=abc",
        "group=-1",
        "group=%2B21",
        "group=21.0",
        "group=0x15",
        "group=1e3",
        "group=21,22",
        "group=%2021",
        "group=21%20",
        "group=1234567890",
        "group=%EF%BC%92%EF%BC%91",  # full-width digits
        "group=%D9%A2%D9%A1",  # Arabic digits
        "group=%00",
        "group[]=21",
    ],
)
def test_pop_whose_group_cannot_be_read_is_refused(signed_in, query):
    response = signed_in.get(f"/sso/group/demoaws?{query}")

    assert response.status_code == 400
    assert nothing_minted()


def test_pop_for_an_unknown_group_is_a_page_that_says_so(pop):
    response = pop(group=999_999_999)

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_pop_for_an_inactive_group_looks_like_an_unknown_one(pop, group):
    unknown = pop(group=999_999_999)
    groups.Group.objects.filter(pk=group.pk).update(is_active=False)

    inactive = pop()

    assert inactive.status_code == 404
    assert without_reference(inactive) == without_reference(unknown)


def test_pop_for_an_inactive_group_without_a_session_is_not_found(client, group):
    groups.Group.objects.filter(pk=group.pk).update(is_active=False)

    assert client.get("/sso/group/demoaws", {"group": group.pk}).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("did", "1" * 65),
        ("cid", "1" * 65),
        ("call_id", "1" * 129),
        ("campaign_id", "1" * 65),
        ("destination", "a" * 65),
        ("did", "1\x002"),
        ("did", "1\n2"),
        ("did", "1\x7f2"),
        ("did", "1\x852"),
        ("call_id", "1\u20282"),
        ("cid", "\u202e1"),
        ("call_id", "\u2066x"),
        ("campaign_id", "1\u200f"),
        ("destination", "https://evil.example/"),
        ("destination", "//evil.example"),
        ("destination", "a b"),
        ("destination", "<b>"),
    ],
)
def test_pop_with_a_value_that_cannot_be_meant_is_refused(pop, name, value):
    response = pop(**{name: value})

    assert response.status_code == 400
    assert nothing_minted()


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id"])
def test_pop_with_the_longest_value_works(pop, name):
    longest = 128 if name == "call_id" else 64

    assert pop(**{name: "1" * longest}).status_code == 303


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id", "destination"])
def test_pop_with_a_name_twice_is_refused_by_name(pop, name):
    response = pop(**{name: ["1", "2"]})

    assert response.status_code == 400
    assert name in words_of(response)


def test_pop_that_cannot_be_read_is_recorded(pop):
    response = pop(did="\x01")

    event = Event.objects.get()
    assert (event.action, event.outcome, event.reason) == ("login.issue", Outcome.REFUSED, "malformed")
    assert event.reference == response.headers["X-Request-Id"]


# --- Placeholders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["@Call.ANI@", "{{Contact.Phone}}", "{{ Contact.Phone }}", "{ani}", "{Call ANI}", "%ani%", "%CALL_ID%"],
)
def test_pop_with_a_placeholder_takes_it_as_absent_and_records_it(pop, value):
    pop(cid=value, did="+15550100")

    token, event = LoginToken.objects.get(), Event.objects.get()
    assert (token.cid, token.did) == ("", "+15550100")
    assert event.details["placeholders"] == ["cid"]
    assert "cid" not in event.details["call"]


@pytest.mark.parametrize("name", ["did", "cid", "call_id", "campaign_id", "destination"])
def test_pop_with_a_placeholder_in_any_value_enters(pop, name):
    response = pop(**{name: "@Call.Field@"})

    assert response.status_code == 303
    assert getattr(LoginToken.objects.get(), name) == ""


@pytest.mark.parametrize("raw", ["%ani%", "%caller%", "%dnis%", "%campaign%", "%CALL_ID%"])
def test_pop_with_a_percent_placeholder_that_nobody_encoded_takes_it_as_absent(signed_in, group, raw):
    """`%ca…` happens to read as an encoded byte."""
    signed_in.get(f"/sso/group/demoaws?group={group.pk}&cid={raw}")

    assert LoginToken.objects.get().cid == ""


@pytest.mark.parametrize("value", ["+15550100", "50%", "a@b.example", "sip:alice@pbx", "100 % sure", "O{"])
def test_pop_with_an_ordinary_value_keeps_it(pop, value):
    pop(call_id=value)

    assert LoginToken.objects.get().call_id == value
    assert "placeholders" not in Event.objects.get().details
