"""A price index moves prices between months, and survives being stored."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.price_index import (
    MAX_MONTHS,
    PriceIndex,
    month_name,
    month_number,
    month_of,
    months_of,
)

MAY = month_number("2014-05")

INDEX = PriceIndex(
    clock="sold_on",
    source="listings",
    first_month=MAY,
    n_known=3,
    logs=np.log([0.8, 0.9, 1.0, 1.1, 1.2]),
    errors=np.array([0.02, 0.01, 0.0, 0.01, 0.03]),
    rows=np.array([40, 50, 60]),
)
"""May to July are known, August and September extrapolated."""


@pytest.mark.parametrize(
    ("from_month", "to_month", "factor"),
    [
        ("2014-05", "2014-07", 1.25),
        ("2014-07", "2014-05", 0.8),
        ("2014-06", "2014-06", 1.0),
        ("2014-07", "2014-09", 1.2),
        ("1999-01", "2014-07", 1.25),  # before the first month: as in that one
        ("2014-07", "2030-01", 1.2),  # beyond the last extrapolated one: as in that one
    ],
)
def test_prices_move_by_the_quotient_of_the_levels(from_month: str, to_month: str, factor: float) -> None:
    assert INDEX.factor(month_number(from_month), month_number(to_month)) == pytest.approx(factor)


def test_a_price_without_a_date_is_as_one_of_the_last_known_month() -> None:
    assert INDEX.base_month == month_number("2014-07")
    factors = INDEX.factor(np.array([MAY, np.nan]), INDEX.base_month)
    assert factors == pytest.approx([1.25, 1.0])


@given(st.none() | st.dates(date(1960, 1, 1), date(2090, 12, 31)))
def test_the_level_on_a_day_is_that_of_its_month(day: date | None) -> None:
    assert INDEX.level_on(day) == INDEX.level(month_of(day))
    assert PriceIndex.none().level_on(day) is None


def test_months_are_broadcast() -> None:
    factors = INDEX.factor(np.array([MAY, MAY + 1, MAY + 2])[:, None], np.array([MAY, MAY + 2]))
    assert factors.shape == (3, 2)
    assert factors[:, 1] == pytest.approx([1.25, 1 / 0.9, 1.0])


months = st.integers(MAY - 24, MAY + 60)


@given(months, months, months)
def test_the_way_does_not_matter(first: int, second: int, third: int) -> None:
    assert INDEX.factor(first, second) * INDEX.factor(second, third) == pytest.approx(INDEX.factor(first, third))


def test_without_an_index_nothing_moves() -> None:
    none = PriceIndex.none()
    assert not none.exists
    assert none.factor(np.array([MAY, np.nan]), MAY + 500).tolist() == [1.0, 1.0]
    assert PriceIndex.from_dict(json.loads(json.dumps(none.to_dict()))).exists is False


def test_an_index_survives_a_folder(tmp_path: Path) -> None:
    INDEX.save(tmp_path)
    again = PriceIndex.load(tmp_path)
    assert again.to_dict() == INDEX.to_dict()
    asked = np.arange(MAY - 5, MAY + 10)
    assert np.array_equal(again.factor(asked, MAY), INDEX.factor(asked, MAY))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"format": 2}, "format is 2"),
        ({"source": "rumour"}, "'rumour'"),
        ({"n_known": 0}, "0 known months"),
        ({"n_known": 4}, "4 known months"),
        ({"errors": [0.1]}, "5, 1, 3 levels"),
        ({"logs": [0.0] * (MAX_MONTHS + 1), "errors": [0.0] * (MAX_MONTHS + 1)}, "levels, errors and counts"),
        ({"logs": [0, 0, 0, 0, 99.0]}, "are none"),
        ({"logs": [0, 0, 0, 0, math.nan]}, "are none"),
        ({"errors": [0, 0, 0, 0, -1]}, "are none"),
        ({"first_month": "May"}, "'May' is no month"),
    ],
)
def test_a_damaged_index_is_refused(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        PriceIndex.from_dict({**INDEX.to_dict(), **changed})


def test_months_have_names_and_numbers() -> None:
    assert month_number("1970-01") == 0
    assert (month_number("2014-05-28"), month_name(MAY)) == (MAY, "2014-05")
    assert month_of(date(2014, 5, 31)) == MAY
    assert math.isnan(month_of(None))
    days = np.array(["2014-05-31", "NaT", "1969-12-01"], dtype="datetime64[s]")
    assert months_of(days) == pytest.approx([MAY, np.nan, -1], nan_ok=True)
    for wrong in ("2014", "2014-13", "14-05", "2014-05-", "-2014-05"):
        with pytest.raises(ValueError, match="no month"):
            month_number(wrong)
