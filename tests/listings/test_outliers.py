"""Implausible prices: a zero too many or too few is found, whatever the market, and hardly anything else is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.listings.outliers import MIN_ROWS, count_implausible, price_ratios, sift_prices
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales


def cleaned(market: Market, raw: pd.DataFrame) -> pd.DataFrame:
    return clean(market, raw).listings


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return RawListings.of_sample(MARKET, synthetic_listings(3000, seed=7)).frame


@pytest.fixture(scope="module")
def listings(raw: pd.DataFrame) -> pd.DataFrame:
    return cleaned(MARKET, raw)


def mistyped(listings: pd.DataFrame, share: float = 0.01, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Return listings of which some have a zero too many or too few, and by what each price was multiplied."""
    draw = np.random.default_rng(seed)
    factors = np.where(draw.random(len(listings)) < share, draw.choice([10.0, 0.1], len(listings)), 1.0)
    return listings.assign(price=listings["price"] * factors), factors


def test_a_zero_too_many_or_too_few_is_found_and_hardly_anything_else(listings: pd.DataFrame) -> None:
    honest = ~np.isnan(price_ratios(MARKET, listings))
    assert honest.mean() <= 0.002
    changed, factors = mistyped(listings)
    ratios = price_ratios(MARKET, changed)
    found, wrong = ~np.isnan(ratios), factors != 1
    assert wrong.sum() >= 20
    assert found[wrong].mean() >= 0.9
    assert found[~wrong].mean() <= 0.002
    assert (ratios[found & wrong] > 1).tolist() == (factors[found & wrong] > 1).tolist()


def test_any_market_with_a_price_is_sifted() -> None:
    sales = cleaned(PARCELS, drawn_sales(PARCELS, 1500, seed=3))
    changed, factors = mistyped(sales)
    found = ~np.isnan(price_ratios(PARCELS, changed))
    assert found[factors != 1].mean() >= 0.9
    assert found[factors == 1].mean() <= 0.002


def test_what_is_taken_out_has_its_reason_in_plain_words_beside_its_raw_row(
    raw: pd.DataFrame, listings: pd.DataFrame
) -> None:
    changed = listings.copy()
    changed.loc[[10, 20], "price"] *= [20, 0.05]
    before = set(sift_prices(MARKET, listings, raw).quarantined["row"])
    sifted = sift_prices(MARKET, changed, raw)
    taken = sifted.quarantined.set_index("row").drop(index=list(before))
    assert set(taken.index) == set(listings.loc[[10, 20], "row"])
    high, low = taken.loc[listings.loc[10, "row"]], taken.loc[listings.loc[20, "row"]]
    assert high["reason"].startswith("price is ")
    assert high["reason"].endswith(" times what homes like it cost")
    assert low["reason"].startswith("homes like it cost ")
    assert low["reason"].endswith(" times the price")
    assert high["column"] == "price"
    assert float(high["value"]) == pytest.approx(changed.loc[10, "price"])
    assert high["district"] == raw.loc[listings.loc[10, "row"], "district"]
    assert count_implausible(MARKET, sifted.quarantined) == len(sifted.quarantined)
    unusable = sifted.quarantined.assign(reason="not in Turkish lira (TL)")
    assert count_implausible(MARKET, pd.concat([unusable, sifted.quarantined])) == len(sifted.quarantined)
    assert count_implausible(THREE_GRADES, unusable) == count_implausible(MARKET, unusable[:0]) == 0
    fates = [*sifted.listings["row"], *sifted.quarantined["row"]]
    assert sorted(fates) == sorted(listings["row"])
    assert sifted.listings.index.equals(pd.RangeIndex(len(sifted.listings)))


def test_a_labelled_listing_goes_the_same_way_without_a_raw_row(raw: pd.DataFrame, listings: pd.DataFrame) -> None:
    labelled = listings.iloc[[5]].assign(row=len(raw), price=lambda frame: frame["price"] * 12)
    sifted = sift_prices(MARKET, pd.concat([listings, labelled], ignore_index=True), raw)
    assert len(raw) not in set(sifted.listings["row"])
    (row,) = sifted.quarantined[sifted.quarantined["row"] == len(raw)].to_dict("records")
    assert "times what homes like it cost" in row["reason"]
    assert row["district"] is np.nan or pd.isna(row["district"])


def test_prices_that_stand_for_their_band_classes_and_few_rows_are_not_judged(listings: pd.DataFrame) -> None:
    changed, factors = mistyped(listings)
    stand_ins = changed.assign(price_is_exact=np.where(factors != 1, 0.0, 1.0))
    assert np.isnan(price_ratios(MARKET, stand_ins))[factors != 1].all()
    assert np.isnan(price_ratios(MARKET, changed.iloc[: MIN_ROWS - 1])).all()
    classes = pd.DataFrame({value.name: [] for value in THREE_GRADES.values()})
    assert len(price_ratios(THREE_GRADES, classes)) == 0
    assert len(price_ratios(MARKET, changed.iloc[:0])) == 0


def test_columns_that_nobody_fills_hide_no_price(listings: pd.DataFrame) -> None:
    changed, factors = mistyped(listings)
    empty = changed.assign(dues=np.nan, created_on=np.datetime64("NaT", "s"))
    found = ~np.isnan(price_ratios(MARKET, empty))
    assert found[factors != 1].mean() >= 0.9


def test_of_many_listings_some_are_learned_from_and_all_are_judged(listings: pd.DataFrame) -> None:
    changed, factors = mistyped(listings)
    found = ~np.isnan(price_ratios(MARKET, changed, max_rows=1500))
    assert np.array_equal(found, ~np.isnan(price_ratios(MARKET, changed, max_rows=1500)))
    assert found[factors != 1].mean() >= 0.85
    assert found[factors == 1].mean() <= 0.005


def test_a_market_wide_rise_of_prices_is_not_implausible(listings: pd.DataFrame) -> None:
    late = np.random.default_rng(0).random(len(listings)) < 0.4
    risen = listings.assign(price=listings["price"] * np.where(late, 2.0, 1.0))
    assert (~np.isnan(price_ratios(MARKET, risen))).mean() <= 0.003


def test_nothing_is_changed_in_what_is_given(listings: pd.DataFrame, raw: pd.DataFrame) -> None:
    before = listings.copy(deep=True)
    sift_prices(replace(MARKET), listings, raw)
    pd.testing.assert_frame_equal(listings, before)
