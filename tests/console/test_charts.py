"""Charts: their scales, their gaps, and what is marked."""

from datetime import date, timedelta

import pytest

from housing_assets.console.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MOST_MARKS,
    RIGHT,
    TOP,
    WIDTH,
    Point,
    Series,
    draw,
    sparkline,
)

FIRST = date(2026, 3, 1)


def series(*values: float, failed: tuple[int, ...] = ()) -> Series:
    points = tuple(Point(FIRST + timedelta(days=at), value, at in failed) for at, value in enumerate(values))
    return Series("values", "main", points)


def test_values_lie_between_the_axes_in_their_order() -> None:
    chart = draw("c", "t", "d", [series(0.0, 5.0, 10.0)])
    assert chart is not None
    (line,) = chart.lines
    assert [(mark.x, mark.y) for mark in line.marks] == [
        (LEFT, HEIGHT - BOTTOM),
        ((LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2),
        (WIDTH - RIGHT, TOP),
    ]
    assert [tick.text for tick in chart.values] == ["0", "5", "10"]
    assert [tick.text for tick in chart.days] == ["1 Mar", "2 Mar", "3 Mar"]


@pytest.mark.parametrize("values", [(0.0,), (0.3, 0.3), (1e-9, 2e6), (-4.0, 3.0), (0.811, 0.812)])
def test_whatever_is_drawn_is_within(values: tuple[float, ...]) -> None:
    chart = draw("c", "t", "d", [series(*values)], lowest=min(values), limit=(1.0, "limit"))
    assert chart is not None
    for line in chart.lines:
        assert all(LEFT <= mark.x <= WIDTH - RIGHT and TOP <= mark.y <= HEIGHT - BOTTOM for mark in line.marks)
    assert chart.limit is not None
    assert TOP <= chart.limit.at <= HEIGHT - BOTTOM
    assert 2 <= len(chart.values) <= 7


def test_a_missing_day_leaves_a_gap() -> None:
    points = tuple(Point(FIRST + timedelta(days=at), 1.0) for at in (0, 1, 4))
    chart = draw("c", "t", "d", [Series("values", "main", points)])
    assert chart is not None
    assert chart.lines[0].path.count("M") == 2
    assert chart.lines[0].path.count("L") == 1


def test_of_many_days_only_failures_are_marked() -> None:
    chart = draw("c", "t", "d", [series(*[1.0] * (MOST_MARKS + 1), failed=(7,))])
    assert chart is not None
    (mark,) = chart.lines[0].marks
    assert mark.failed
    assert mark.text == "2026-03-08: 1"


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw("c", "t", "d", [series()]) is None
    assert sparkline((), FIRST, FIRST) == ""


def test_a_small_line_is_cut_at_its_top() -> None:
    path = sparkline(series(0.0, 100.0).points, FIRST, FIRST + timedelta(days=1), height=28)
    assert path == "M0 26h0L160 2"


def test_large_numbers_are_told_as_people_write_them() -> None:
    chart = draw("c", "t", "d", [series(1994.4, 0.0307)])
    assert chart is not None
    assert [mark.text for mark in chart.lines[0].marks] == ["2026-03-01: 1,994", "2026-03-02: 0.0307"]
