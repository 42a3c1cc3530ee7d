"""The model of docs/scaling.md."""

from bench.capacity import CALL_CENTERS, needs_of, table
from bench.machine import ROOT


def test_page_shows_what_the_model_says():
    assert table(CALL_CENTERS) in (ROOT / "docs" / "scaling.md").read_text()


def test_each_pop_is_a_token_and_two_events():
    one, twice = needs_of(100, 12), needs_of(100, 24)

    pops = 100 * 12 * 8 * 5 / 7
    assert round(twice.tokens - one.tokens) == round(pops * 30)
    assert round(twice.events - one.events) == round(2 * pops * 400)
