"""Telephone numbers in one spelling."""

import pytest

from sso_portal.lib.telephone import (
    COUNTRIES,
    Dialled,
    NotANumber,
    countries,
    e164,
    is_usual,
    readable,
    without_country,
)


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("+18005550101", "", "+18005550101"),
        ("+1 (800) 555-0101", "", "+18005550101"),
        ("1-800-555-0101", "US", "+18005550101"),
        ("800.555.0101", "US", "+18005550101"),
        ("(800) 555-0101", "CA", "+18005550101"),
        ("0034 91 123 45 67", "", "+34911234567"),
        ("0034 91 123 45 67", "US", "+34911234567"),
        ("011 34 91 123 45 67", "US", "+34911234567"),
        ("91 123 45 67", "ES", "+34911234567"),
        ("020 7183 8750", "GB", "+442071838750"),
        ("+44 (0)20 7183 8750", "", "+442071838750"),
        ("06 698 83145", "IT", "+390669883145"),  # Italy keeps its 0
        ("+34 911 23 45 67", "US", "+34911234567"),  # its own code goes before the country that was chosen
        ("１８００５５５０１０１", "US", "+18005550101"),
        ("\u202a+1 800 555 0101\u202c", "", "+18005550101"),  # as copied out of an address book
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("tel:+1-800-555-0101", "", "+18005550101"),
    ],
)
def test_number_is_put_into_one_spelling(written, country, number):
    assert e164(written, country=country) == number


@pytest.mark.parametrize(
    ("written", "country", "why"),
    [
        ("", "", "not a telephone number"),
        ("abc", "US", "not a telephone number"),
        ("+", "", "not a telephone number"),
        ("=1+1", "US", "not a telephone number"),
        ("<script>1</script>", "US", "not a telephone number"),
        ("1" * 65, "US", "not a telephone number"),
        ("8005550101", "", "choose the country"),
        ("+999 123 4567", "", "No country has this code"),
        ("+1 800 555", "", "too short"),
        ("12345", "US", "too short"),
        ("+1 800 555 0101 22", "", "too long"),
        ("+1 800 555 0101 ext 7", "", "extension"),
        ("1.80056E+10", "US", "spreadsheet"),
        ("1,80056e10", "US", "spreadsheet"),
    ],
)
def test_what_cannot_be_dialled_is_refused_in_words(written, country, why):
    with pytest.raises(NotANumber, match=why):
        e164(written, country=country)


def test_number_that_no_country_gives_out_is_unusual():
    assert (is_usual("+18005550101"), is_usual("+10005550101")) == (True, False)


def test_number_is_shown_as_people_write_it():
    assert readable("+442071838750") == "+44 20 7183 8750"


def test_what_is_no_number_is_shown_as_it_is():
    assert (readable("12345"), without_country("12345")) == ("12345", "")


def test_countries_are_sorted_by_name_with_their_codes():
    names = [name for _code, name in countries()]

    assert len(names) == len(COUNTRIES)
    assert names[0] == "Argentina (+54)"
    assert "Spain (+34)" in names


@pytest.mark.parametrize("text", ["anonymous", "", "+", "abc123", "1" * 65, "5001;x", "<b>1</b>", "%27"])
def test_what_was_not_dialled_means_nothing(text):
    dialled = Dialled.parse(text)

    assert (dialled.international, dialled.national) == ((), ())


def test_number_in_full_means_that_number_alone():
    assert Dialled.parse("+1 800 555 0101") == Dialled("+1 800 555 0101", ("+18005550101",))


def test_number_without_its_country_means_it_where_it_is_dialled_so():
    dialled = Dialled.parse("02071838750")

    assert dialled.may_mean("+442071838750")
    assert not dialled.may_mean("+12071838750")
