"""Crossing a frame equals crossing its listings one by one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.features import crossing
from housing_assets.features.crossing import cross_frame
from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul import MARKET
from tests.drawn_listings import frame_of, typed_listings
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales

MARKETS = [MARKET, PARCELS, THREE_GRADES, TWO_GRADES]
HOME = {"district": "Kadıköy", "neighbourhood": "Moda", "rooms": 3.0, "building_age": 4.0, "gross_m2": 120.0}

over_markets = pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)


def made_by(market: Market) -> list[str]:
    made = [*market.bins, *market.grids, *market.quotients]
    return [*(each.name for each in made), *(name for name, _ in market.named_crosses)]


def cells(market: Market, crossed: pd.DataFrame, row: int) -> dict[str, Any]:
    found = crossed.iloc[row]
    return {name: None if pd.isna(found[name]) else found[name] for name in made_by(market)}


def assert_rows_are_crossed_one_by_one(market: Market, listings: pd.DataFrame, rows: range) -> None:
    crossed = cross_frame(market, listings)
    for row in rows:
        listing = {name: None if pd.isna(cell) else cell for name, cell in listings.iloc[row].items()}
        one = cross_listing(market, listing)
        assert cells(market, crossed, row) == {name: one[name] for name in made_by(market)}


@over_markets
@given(data=st.data())
def test_a_frame_is_crossed_as_its_listings_are_one_by_one(market: Market, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(typed_listings(market), max_size=12))
    crossed = cross_frame(market, frame_of(market, drawn))
    expected = [cross_listing(market, listing) for listing in drawn]
    assert [cells(market, crossed, row) for row in range(len(drawn))] == [
        {name: each[name] for name in made_by(market)} for each in expected
    ]


def test_synthetic_listings_are_crossed_as_they_are_one_by_one(listings: pd.DataFrame) -> None:
    assert_rows_are_crossed_one_by_one(MARKET, listings, range(0, len(listings), 7))


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES], ids=lambda market: market.name)
def test_sales_are_crossed_as_they_are_one_by_one(market: Market) -> None:
    raw = drawn_sales(market, 300)
    raw.loc[::5, "lat"] = ""
    raw.loc[::7, "long"] = ""
    raw.loc[::3, "bedrooms"] = "0"
    listings = clean(market, raw).listings
    assert listings["latitude"].isna().any()
    assert_rows_are_crossed_one_by_one(market, listings, range(0, 300, 2))


def test_places_in_one_cell_of_a_grid_share_a_text_and_a_place_without_a_coordinate_has_none() -> None:
    places = {"latitude": [47.51, 47.511, 47.6, None, 47.51], "longitude": [-122.25, -122.251, -122.25, -122.25, None]}
    drawn = [dict(zip(places, place, strict=True)) for place in zip(*places.values(), strict=True)]
    found = cross_frame(PARCELS, frame_of(PARCELS, drawn))["cell"]
    assert found[0] == found[1] != found[2]
    assert found.isna().tolist() == [False, False, False, True, True]


def test_every_part_of_a_three_part_cross_is_in_its_text() -> None:
    crossed = cross_listing(MARKET, {**HOME, "heating_type": "Kombi"})
    assert crossed["district × neighbourhood × heating_type"] == "Kadıköy × Moda × Kombi"
    frame = cross_frame(MARKET, frame_of(MARKET, [{**HOME, "heating_type": "Kombi"}, {**HOME, "heating_type": "Soba"}]))
    assert frame["district × neighbourhood × heating_type"].tolist() == [
        "Kadıköy × Moda × Kombi",
        "Kadıköy × Moda × Soba",
    ]


@pytest.mark.parametrize("missing", ["district", "neighbourhood", "heating_type"])
def test_a_cross_is_missing_where_a_part_is(missing: str) -> None:
    listing = {**HOME, "heating_type": "Kombi", missing: None}
    assert cross_listing(MARKET, listing)["district × neighbourhood × heating_type"] is None
    column = cross_frame(MARKET, frame_of(MARKET, [listing, {**HOME, "heating_type": "Kombi"}]))[
        "district × neighbourhood × heating_type"
    ]
    assert column.isna().tolist() == [True, False]


@pytest.mark.parametrize("divisor", [0.0, -0.0, None])
def test_a_quotient_is_missing_where_its_divisor_is_zero_or_missing(divisor: float | None) -> None:
    listing = {**HOME, "rooms": divisor}
    assert cross_listing(MARKET, listing)["m2_per_room"] is None
    assert np.isnan(cross_frame(MARKET, frame_of(MARKET, [listing]))["m2_per_room"]).all()
    assert cross_listing(MARKET, HOME)["m2_per_room"] == 40.0


def test_minus_zero_is_the_bin_of_zero() -> None:
    listing = {**HOME, "building_age": -0.0}
    assert cross_listing(MARKET, listing)["age_years"] == "0"
    assert cross_frame(MARKET, frame_of(MARKET, [listing, {**HOME, "building_age": 0.0}]))["age_years"].tolist() == [
        "0",
        "0",
    ]


def test_categories_that_no_row_has_make_no_cross() -> None:
    frame = frame_of(MARKET, [{**HOME, "heating_type": "Kombi"}, HOME])
    assert len(frame["district"].cat.categories) > 2
    assert cross_frame(MARKET, frame)["district × heating_type"].cat.categories.tolist() == ["Kadıköy × Kombi"]


def test_parts_that_hold_the_separator_may_make_the_same_text() -> None:
    drawn = [{"district": "a × b", "heating_type": "c"}, {"district": "a", "heating_type": "b × c"}]
    assert cross_frame(MARKET, frame_of(MARKET, drawn))["district × heating_type"].tolist() == ["a × b × c"] * 2


def test_crosses_do_not_depend_on_the_other_rows(listings: pd.DataFrame, crossed: pd.DataFrame) -> None:
    alone = cross_frame(MARKET, listings.iloc[[5]])
    assert cells(MARKET, alone, 0) == cells(MARKET, crossed, 5)


@given(data=st.data(), largest=st.sampled_from([1_000, 10_000]))
def test_crosses_of_more_combinations_than_fit_one_number_are_the_same(data: st.DataObject, largest: int) -> None:
    drawn = data.draw(st.lists(typed_listings(MARKET), max_size=12))
    frame = frame_of(MARKET, drawn)
    expected = cross_frame(MARKET, frame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossing, "_LARGEST_CODE", largest)
        found = cross_frame(MARKET, frame)
    for name, _ in MARKET.named_crosses:
        assert found[name].astype(object).where(found[name].notna(), None).tolist() == (
            expected[name].astype(object).where(expected[name].notna(), None).tolist()
        )


def test_five_texts_of_very_many_values_are_crossed_without_overflow() -> None:
    names = ("a", "b", "c", "d", "e")
    n_values = 40_000  # to the power of five beyond 2**64
    values = np.arange(n_values).astype(str).astype(object)
    frame = pd.DataFrame(
        {name: pd.Categorical(np.roll(values, shift), categories=values) for shift, name in enumerate(names)}
    )
    crossed = crossing._cross([frame[name] for name in names])
    assert len(set(crossed)) == n_values
    assert crossed[7] == " × ".join(str(frame[name][7]) for name in names)
