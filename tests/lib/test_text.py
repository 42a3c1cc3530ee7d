"""Text from outside, and the one spelling of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sso_portal.lib.text import canonical_name, last_four, why_not_text, why_not_username


@pytest.mark.parametrize(
    "typed",
    ["alice", "ALICE", "  Alice\t", "ａｌｉｃｅ", "\u00a0alice\u2003", "Ａlice"],
)
def test_spellings_of_a_name_are_one_name(typed):
    assert canonical_name(typed) == "alice"


@pytest.mark.parametrize(
    ("one", "other"), [("straße", "STRASSE"), ("é", "e\u0301"), ("ﬁn", "FIN"), ("Σ", "ς")]
)
def test_spellings_that_fold_are_one_name(one, other):
    assert canonical_name(one) == canonical_name(other)


@pytest.mark.parametrize("other", ["alicе", "alice1", "al ice", "älice", ""])
def test_other_names_stay_other_names(other):
    assert canonical_name(other) != "alice"


@given(st.text())
def test_canonical_name_of_a_canonical_name_is_itself(name):
    assert canonical_name(canonical_name(name)) == canonical_name(name)


@pytest.mark.parametrize(
    "bad", ["\x00", "\n", "\x1b", "\x7f", "\u2028", "\u202e", "\u2066", "\u200f", "\ud800"]
)
def test_text_refuses_what_cannot_be_shown(bad):
    assert why_not_text(f"a{bad}b", longest=10)


@pytest.mark.parametrize("good", ["", "Zoë O’Neill", "李雷", "a\u200db", "👩‍👧"])
def test_text_takes_every_script(good):
    assert why_not_text(good, longest=20) == ""


def test_text_of_the_longest_length_is_taken():
    assert why_not_text("x" * 10, longest=10) == ""


def test_text_longer_than_the_longest_says_so():
    assert why_not_text("x" * 11, longest=10) == "is longer than 10 characters"


@pytest.mark.parametrize(
    "invisible", ["\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060", "\u3164", "\u115f", "\u2800"]
)
def test_username_refuses_what_cannot_be_seen(invisible):
    assert why_not_username(f"ali{invisible}ce", longest=150) == "holds characters that cannot be seen"


def test_username_whose_canonical_spelling_has_no_room_is_refused():
    name = "\ufdfa" * 150  # one character each, eighteen in NFKC

    assert why_not_username(name, longest=150) != ""


@pytest.mark.parametrize(
    ("number", "tail"), [("+1 555 010 4477", "4477"), ("12", "12"), ("", ""), ("sip:anonymous", "")]
)
def test_last_four_digits_of_a_number(number, tail):
    assert last_four(number) == tail
