"""Bars: where they are drawn, and what stands beside them."""

import pytest

from sso_portal.lib.charts import Bar, chart_of, lines_for


@pytest.mark.parametrize(
    ("highest", "lines"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (5, [0, 2, 4, 6]),
        (60, [0, 20, 40, 60]),
        (61, [0, 20, 40, 60, 80]),
        (404, [0, 200, 400, 600]),
        (99_999, [0, 50_000, 100_000]),
    ],
)
def test_lines_are_round_numbers_up_to_the_highest_bar(highest, lines):
    assert lines_for(highest) == lines


@pytest.mark.parametrize("highest", [3, 17, 250, 1_999, 123_456])
def test_lines_are_five_at_most_and_reach_the_highest(highest):
    lines = lines_for(highest)

    assert len(lines) <= 5
    assert lines[-1] >= highest > lines[-2]


def test_highest_bar_is_drawn_below_the_highest_line():
    drawing = chart_of([Bar("a", 40, 0), Bar("b", 20, 0)]).wide

    first, second = (float(bar.main.height) for bar in drawing.bars)
    assert first == pytest.approx(2 * second, abs=0.2)
    assert float(drawing.bars[0].main.y) == pytest.approx(float(drawing.lines[-1].y), abs=0.2)


def test_parts_are_stacked():
    (bar,) = chart_of([Bar("a", 30, 10)]).wide.bars

    assert float(bar.top.y) + float(bar.top.height) == pytest.approx(float(bar.main.y), abs=0.2)


def test_part_that_is_nothing_is_not_drawn():
    (bar,) = chart_of([Bar("a", 0, 0, 0)]).wide.bars

    assert (bar.main, bar.top, bar.before) == (None, None, None)


def test_one_beside_thousands_is_seen():
    bars = chart_of([Bar("a", 10_000), Bar("b", 1, 1)]).wide.bars

    assert float(bars[1].main.height) >= 2
    assert float(bars[1].top.height) >= 2


def test_what_it_is_compared_with_counts_for_the_lines():
    assert chart_of([Bar("a", 1, 0, 90)]).wide.lines[-1].number >= 90


def test_phone_has_labels_of_its_own():
    chart = chart_of([Bar("a", 1, labels=("03:00", ""))])

    assert chart.wide.bars[0].label == "03:00"
    assert chart.narrow.bars[0].label == ""


def test_chart_without_bars_is_drawn():
    assert chart_of([]).wide.bars == []
