"""Crossing a frame equals crossing its listings one by one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_assets.features.crossing import cross_frame, cross_listing, crossed_name
from housing_assets.listings.columns import BINS, CROSSES, QUOTIENTS
from tests.features.drawn_listings import frame_of, typed_listings

MADE = [*(bin_.name for bin_ in BINS), *(crossed_name(names) for names in CROSSES), *(each.name for each in QUOTIENTS)]
HOME = {"district": "Kadıköy", "neighbourhood": "Moda", "rooms": 3.0, "building_age": 4.0, "gross_m2": 120.0}


def cells(crossed: pd.DataFrame, row: int) -> dict[str, Any]:
    found = crossed.iloc[row]
    return {name: None if pd.isna(found[name]) else found[name] for name in MADE}


@settings(max_examples=60, deadline=None)
@given(st.lists(typed_listings(), max_size=12))
def test_a_frame_is_crossed_as_its_listings_are_one_by_one(drawn: list[dict[str, Any]]) -> None:
    crossed = cross_frame(frame_of(drawn))
    expected = [cross_listing(listing) for listing in drawn]
    assert [cells(crossed, row) for row in range(len(drawn))] == [
        {name: each[name] for name in MADE} for each in expected
    ]


def test_synthetic_listings_are_crossed_as_they_are_one_by_one(listings: pd.DataFrame, crossed: pd.DataFrame) -> None:
    for row in range(0, len(listings), 7):
        listing = {name: None if pd.isna(cell) else cell for name, cell in listings.iloc[row].items()}
        one = cross_listing(listing)
        assert cells(crossed, row) == {name: one[name] for name in MADE}


def test_every_part_of_a_three_part_cross_is_in_its_text() -> None:
    crossed = cross_listing({**HOME, "heating_type": "Kombi"})
    assert crossed["district × neighbourhood × heating_type"] == "Kadıköy × Moda × Kombi"
    frame = cross_frame(frame_of([{**HOME, "heating_type": "Kombi"}, {**HOME, "heating_type": "Soba"}]))
    assert frame["district × neighbourhood × heating_type"].tolist() == [
        "Kadıköy × Moda × Kombi",
        "Kadıköy × Moda × Soba",
    ]


@pytest.mark.parametrize("missing", ["district", "neighbourhood", "heating_type"])
def test_a_cross_is_missing_where_a_part_is(missing: str) -> None:
    listing = {**HOME, "heating_type": "Kombi", missing: None}
    assert cross_listing(listing)["district × neighbourhood × heating_type"] is None
    column = cross_frame(frame_of([listing, {**HOME, "heating_type": "Kombi"}]))[
        "district × neighbourhood × heating_type"
    ]
    assert column.isna().tolist() == [True, False]


@pytest.mark.parametrize("divisor", [0.0, -0.0, None])
def test_a_quotient_is_missing_where_its_divisor_is_zero_or_missing(divisor: float | None) -> None:
    listing = {**HOME, "rooms": divisor}
    assert cross_listing(listing)["m2_per_room"] is None
    assert np.isnan(cross_frame(frame_of([listing]))["m2_per_room"]).all()
    assert cross_listing(HOME)["m2_per_room"] == 40.0


def test_minus_zero_is_the_bin_of_zero() -> None:
    listing = {**HOME, "building_age": -0.0}
    assert cross_listing(listing)["age_years"] == "0"
    assert cross_frame(frame_of([listing, {**HOME, "building_age": 0.0}]))["age_years"].tolist() == ["0", "0"]


def test_categories_that_no_row_has_make_no_cross() -> None:
    frame = frame_of([{**HOME, "heating_type": "Kombi"}, HOME])
    assert len(frame["district"].cat.categories) > 2
    assert cross_frame(frame)["district × heating_type"].cat.categories.tolist() == ["Kadıköy × Kombi"]


def test_parts_that_hold_the_separator_may_make_the_same_text() -> None:
    drawn = [{"district": "a × b", "heating_type": "c"}, {"district": "a", "heating_type": "b × c"}]
    assert cross_frame(frame_of(drawn))["district × heating_type"].tolist() == ["a × b × c"] * 2


def test_crosses_do_not_depend_on_the_other_rows(listings: pd.DataFrame, crossed: pd.DataFrame) -> None:
    alone = cross_frame(listings.iloc[[5]])
    assert cells(alone, 0) == cells(crossed, 5)
