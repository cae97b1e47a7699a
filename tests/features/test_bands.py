"""Price bands and the holdout: what versions of a lineage share."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_assets.features.bands import CATEGORIES, PriceBands, group_keys
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import synthetic_listings

ROOT = Path(__file__).parents[2]
OTHER_PROCESS = """
import json
from housing_assets.features.bands import PriceBands
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import synthetic_listings
listings = clean(synthetic_listings(900, seed=3)).listings
bands = PriceBands.learn(listings)
print(json.dumps([bands.edges, bands.holdout_salt, bands.held_out(listings).tolist()]))
"""


def synthetic(n_rows: int, seed: int) -> pd.DataFrame:
    return clean(synthetic_listings(n_rows, seed=seed)).listings


@pytest.fixture(scope="module")
def bands(listings: pd.DataFrame) -> PriceBands:
    return PriceBands.learn(listings)


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_the_quantiles_of_the_training_rows(seed: int) -> None:
    listings = synthetic(3000, seed)
    bands = PriceBands.learn(listings)
    prices = listings["price"].to_numpy()[~bands.held_out(listings)]
    assert bands.edges == tuple(np.quantile(prices, [0.4, 0.8], method="lower"))


@pytest.mark.parametrize("seed", range(30))
def test_the_bands_hold_40_40_and_20_percent_of_few_training_rows_too(seed: int) -> None:
    listings = synthetic(600, seed)
    bands = PriceBands.learn(listings)
    prices = listings["price"].to_numpy()[~bands.held_out(listings)]
    at_edges = (prices == bands.edges[0]).mean() + (prices == bands.edges[1]).mean()
    shares = np.bincount(bands.labels(prices), minlength=3) / len(prices)
    assert shares == pytest.approx([0.4, 0.4, 0.2], abs=at_edges + 0.005)


def test_an_edge_belongs_to_the_lower_band(bands: PriceBands) -> None:
    low, medium = bands.edges
    prices = np.array([1.0, low, np.nextafter(low, np.inf), medium, np.nextafter(medium, np.inf), 1e11])
    assert [CATEGORIES[label] for label in bands.labels(prices)] == ["low", "low", "medium", "medium", "high", "high"]
    assert bands.labels(prices).dtype == np.int8


@pytest.mark.parametrize("seed", range(4))
def test_a_fifth_of_each_band_is_held_out(seed: int) -> None:
    listings = synthetic(3000, seed)
    bands = PriceBands.learn(listings)
    held_out, labels = bands.held_out(listings), bands.labels(listings["price"].to_numpy())
    for band in range(len(CATEGORIES)):
        assert held_out[labels == band].mean() == pytest.approx(0.2, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_copies_of_one_ad_with_another_price_or_date_are_on_one_side(
    listings: pd.DataFrame, bands: PriceBands, data: st.DataObject
) -> None:
    copied = data.draw(st.lists(st.integers(0, len(listings) - 1), min_size=1, max_size=60))
    factors = data.draw(st.lists(st.floats(0.05, 20), min_size=len(copied), max_size=len(copied)))
    later = data.draw(st.integers(0, 400))
    copies = listings.iloc[copied].assign(
        price=listings["price"].to_numpy()[copied] * factors,
        updated_on=listings["updated_on"].iloc[copied] + pd.Timedelta(days=later),
        created_on=pd.NaT,
    )
    joined = pd.concat([listings, copies.astype(listings.dtypes)], ignore_index=True)
    assert np.array_equal(group_keys(joined)[len(listings) :], group_keys(listings)[copied])
    for contract in (bands, PriceBands.learn(joined)):
        sides = pd.Series(contract.held_out(joined)).groupby(group_keys(joined)).nunique()
        assert (sides == 1).all()


def test_ads_that_differ_in_one_value_are_no_copies(listings: pd.DataFrame) -> None:
    one = listings.iloc[[0]]
    assert group_keys(one.assign(gross_m2=one["gross_m2"] + 1)) != group_keys(one)
    assert group_keys(one.assign(dues=7.0)) != group_keys(one)


def test_another_process_holds_out_the_same_listings(listings: pd.DataFrame, bands: PriceBands) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    edges, holdout_salt, held_out = json.loads(finished.stdout)
    assert tuple(edges) == bands.edges
    assert holdout_salt == bands.holdout_salt
    assert held_out == bands.held_out(listings).tolist()


def test_a_listing_held_out_stays_held_out_when_others_are_added(bands: PriceBands) -> None:
    first, others = (synthetic_listings(900, seed=seed) for seed in (3, 4))
    before = clean(first).listings
    after = clean(pd.concat([others, first], ignore_index=True)).listings
    sides_before = dict(zip(group_keys(before).tolist(), bands.held_out(before).tolist(), strict=True))
    sides_after = dict(zip(group_keys(after).tolist(), bands.held_out(after).tolist(), strict=True))
    assert len(sides_after) > 1.8 * len(sides_before)
    assert {key: sides_after[key] for key in sides_before} == sides_before


def test_a_held_out_ad_stays_held_out_when_a_cheaper_copy_comes(listings: pd.DataFrame, bands: PriceBands) -> None:
    cheaper = pd.concat([listings, listings.assign(price=listings["price"] * 0.5)], ignore_index=True)
    assert np.array_equal(bands.held_out(cheaper), np.tile(bands.held_out(listings), 2))


def test_the_order_of_the_listings_does_not_matter(listings: pd.DataFrame, bands: PriceBands) -> None:
    order = np.random.default_rng(0).permutation(len(listings))
    shuffled = listings.iloc[order].reset_index(drop=True)
    again = PriceBands.learn(shuffled)
    assert (again.edges, again.holdout_salt) == (bands.edges, bands.holdout_salt)
    assert np.array_equal(again.held_out(shuffled), bands.held_out(listings)[order])


@pytest.mark.parametrize("prices", [[500_000.0], [500_000.0, 900_000.0]])
def test_too_few_distinct_prices_are_refused(listings: pd.DataFrame, prices: list[float]) -> None:
    same = listings.assign(price=np.resize(prices, len(listings)))
    with pytest.raises(ValueError, match="three price bands need more distinct prices"):
        PriceBands.learn(same)


def test_each_lineage_has_its_own_name(listings: pd.DataFrame, bands: PriceBands) -> None:
    assert PriceBands.learn(listings).lineage != bands.lineage


def test_bands_survive_a_file(bands: PriceBands, tmp_path: Path) -> None:
    bands.save(tmp_path)
    assert PriceBands.load(tmp_path) == bands
    assert PriceBands.from_dict(json.loads(json.dumps(bands.to_dict()))) == bands


def test_lineages_of_the_same_listings_have_the_same_terms() -> None:
    listings = clean(synthetic_listings(500, seed=1)).listings

    first, second = PriceBands.learn(listings), PriceBands.learn(listings)

    assert first.lineage != second.lineage
    assert first.terms() == second.terms()
    assert PriceBands.learn(listings.iloc[:400]).terms() != first.terms()


def test_log_prices_are_cut_off_far_below_and_above_the_edges() -> None:
    bands = PriceBands("a lineage", (1_000_000.0, 4_000_000.0), 0)

    logs = bands.log_prices(np.array([1_000.0, 500_000.0, 1_000_000.0, 2_000_000.0, 4_000_000.0, 1e11]))

    np.testing.assert_allclose(logs, [-1, -np.log(2), 0, np.log(2), np.log(4), np.log(4)])
