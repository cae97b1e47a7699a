"""What a lineage learns once: the edges of its bands, and which homes are held out from its training."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.features.split import amounts, group_keys, held_out, label_rows, learn_labels, log_prices
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul import MARKET as ISTANBUL
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.markets.king_county import MARKET as KING_COUNTY
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales

ROOT = Path(__file__).parents[2]
OTHER_PROCESS = """
import json
from housing_assets.features.split import held_out, learn_labels
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
listings = clean(MARKET, synthetic_listings(900, seed=3)).listings
labels = learn_labels(MARKET, listings)
print(json.dumps([labels.edges, labels.holdout_salt, held_out(MARKET, labels, listings).tolist()]))
"""


def synthetic(n_rows: int, seed: int) -> pd.DataFrame:
    return clean(MARKET, synthetic_listings(n_rows, seed=seed)).listings


def sold(market: Market, n_rows: int, *, seed: int = 0, n_parcels: int | None = None) -> pd.DataFrame:
    return clean(market, drawn_sales(market, n_rows, seed=seed, n_parcels=n_parcels)).listings


@pytest.fixture(scope="module")
def bands(listings: pd.DataFrame) -> LabelScheme:
    return learn_labels(MARKET, listings)


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_the_quantiles_of_the_training_rows(seed: int) -> None:
    listings = synthetic(3000, seed)
    bands = learn_labels(MARKET, listings)
    prices = listings["price"].to_numpy()[~held_out(MARKET, bands, listings)]
    assert bands.edges == tuple(np.quantile(prices, [0.4, 0.8], method="lower"))


@pytest.mark.parametrize("seed", range(30))
def test_the_bands_hold_40_40_and_20_percent_of_few_training_rows_too(seed: int) -> None:
    listings = synthetic(600, seed)
    bands = learn_labels(MARKET, listings)
    prices = listings["price"].to_numpy()[~held_out(MARKET, bands, listings)]
    at_edges = (prices == bands.edges[0]).mean() + (prices == bands.edges[1]).mean()
    shares = np.bincount(bands.labels(prices), minlength=3) / len(prices)
    assert shares == pytest.approx([0.4, 0.4, 0.2], abs=at_edges + 0.005)


@pytest.mark.parametrize("seed", range(4))
def test_a_fifth_of_each_band_is_held_out(seed: int) -> None:
    listings = synthetic(3000, seed)
    bands = learn_labels(MARKET, listings)
    kept_out, labels = held_out(MARKET, bands, listings), bands.labels(listings["price"].to_numpy())
    for band in range(3):
        assert kept_out[labels == band].mean() == pytest.approx(0.2, abs=0.01)


@given(data=st.data())
def test_copies_of_one_ad_with_another_price_or_date_are_on_one_side(
    listings: pd.DataFrame, bands: LabelScheme, data: st.DataObject
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
    assert np.array_equal(group_keys(MARKET, joined)[len(listings) :], group_keys(MARKET, listings)[copied])
    for contract in (bands, learn_labels(MARKET, joined)):
        sides = pd.Series(held_out(MARKET, contract, joined)).groupby(group_keys(MARKET, joined)).nunique()
        assert (sides == 1).all()


def test_ads_that_differ_in_one_value_are_no_copies(listings: pd.DataFrame) -> None:
    one = listings.iloc[[0]]
    assert group_keys(MARKET, one.assign(gross_m2=one["gross_m2"] + 1)) != group_keys(MARKET, one)
    assert group_keys(MARKET, one.assign(dues=7.0)) != group_keys(MARKET, one)


@pytest.mark.parametrize("market", [ISTANBUL, PARCELS], ids=lambda market: market.name)
def test_an_ad_that_comes_back_with_a_field_fewer_is_on_the_side_that_it_was_on(market: Market) -> None:
    """Hashed over all of its cells, 81 % of the held-out ads landed in training when they came back as requests."""
    listings = synthetic(1_500, 8) if market is ISTANBUL else sold(market, 1_500)
    labels = learn_labels(market, listings)
    sides = held_out(market, labels, listings)
    for column in market.inputs:
        if not column.required:
            fewer = listings.assign(**{value.name: pd.NA for value in column.values})
            assert np.array_equal(held_out(market, labels, fewer), sides), column.raw
    assert 0.15 < sides.mean() < 0.25


def test_a_price_that_is_a_stand_in_tells_no_amount(listings: pd.DataFrame) -> None:
    told = amounts(MARKET, listings)
    assert told is not None
    assert np.array_equal(told, np.log(listings["price"].to_numpy()))
    stands_in = np.arange(len(listings)) % 3 == 0
    marked = listings.assign(price_is_exact=np.where(stands_in, 0.0, np.nan))
    assert np.array_equal(np.isnan(amounts(MARKET, marked)), stands_in)  # type: ignore[arg-type]
    assert amounts(THREE_GRADES, listings) is None


def test_a_home_is_recognized_by_what_every_listing_must_have() -> None:
    assert ISTANBUL.recognized_by == ("district", "gross_m2")
    assert KING_COUNTY.recognized_by == ("sqft_living", "zipcode")
    assert PARCELS.recognized_by == ("parcel",)
    undemanding = replace(
        ISTANBUL,
        columns=tuple(replace(one, required=one is ISTANBUL.target_column) for one in ISTANBUL.columns),
        sample="",
    )
    assert undemanding.recognized_by == undemanding.identity


def test_a_lineage_keeps_what_it_told_homes_apart_by(listings: pd.DataFrame, bands: LabelScheme) -> None:
    former = replace(bands, identity=MARKET.identity)
    before = replace(bands, identity=())
    assert np.array_equal(held_out(MARKET, former, listings), held_out(MARKET, before, listings))
    assert not np.array_equal(held_out(MARKET, former, listings), held_out(MARKET, bands, listings))


def test_another_process_holds_out_the_same_listings(listings: pd.DataFrame, bands: LabelScheme) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    edges, holdout_salt, kept_out = json.loads(finished.stdout)
    assert tuple(edges) == bands.edges
    assert holdout_salt == bands.holdout_salt
    assert kept_out == held_out(MARKET, bands, listings).tolist()


def test_a_listing_held_out_stays_held_out_when_others_are_added(bands: LabelScheme) -> None:
    first, others = (synthetic_listings(900, seed=seed) for seed in (3, 4))
    before = clean(MARKET, first).listings
    after = clean(MARKET, pd.concat([others, first], ignore_index=True)).listings
    sides_before = dict(zip(group_keys(MARKET, before).tolist(), held_out(MARKET, bands, before).tolist(), strict=True))
    sides_after = dict(zip(group_keys(MARKET, after).tolist(), held_out(MARKET, bands, after).tolist(), strict=True))
    assert len(sides_after) > 1.8 * len(sides_before)
    assert {key: sides_after[key] for key in sides_before} == sides_before


def test_a_held_out_ad_stays_held_out_when_a_cheaper_copy_comes(listings: pd.DataFrame, bands: LabelScheme) -> None:
    cheaper = pd.concat([listings, listings.assign(price=listings["price"] * 0.5)], ignore_index=True)
    assert np.array_equal(held_out(MARKET, bands, cheaper), np.tile(held_out(MARKET, bands, listings), 2))


def test_the_order_of_the_listings_does_not_matter(listings: pd.DataFrame, bands: LabelScheme) -> None:
    order = np.random.default_rng(0).permutation(len(listings))
    shuffled = listings.iloc[order].reset_index(drop=True)
    again = learn_labels(MARKET, shuffled)
    assert (again.edges, again.holdout_salt) == (bands.edges, bands.holdout_salt)
    assert np.array_equal(held_out(MARKET, again, shuffled), held_out(MARKET, bands, listings)[order])


@pytest.mark.parametrize("prices", [[500_000.0], [500_000.0, 900_000.0]])
def test_too_few_distinct_prices_are_refused(listings: pd.DataFrame, prices: list[float]) -> None:
    same = listings.assign(price=np.resize(prices, len(listings)))
    with pytest.raises(ValueError, match="3 price bands need more distinct prices"):
        learn_labels(MARKET, same)


def test_each_lineage_has_its_own_name(listings: pd.DataFrame, bands: LabelScheme) -> None:
    assert learn_labels(MARKET, listings).lineage != bands.lineage


def test_lineages_of_the_same_listings_have_the_same_terms() -> None:
    listings = clean(MARKET, synthetic_listings(500, seed=1)).listings

    first, second = learn_labels(MARKET, listings), learn_labels(MARKET, listings)

    assert first.lineage != second.lineage
    assert first.terms() == second.terms()
    assert learn_labels(MARKET, listings.iloc[:400]).terms() != first.terms()


# Other markets


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=["bands", "three classes", "two classes"])
def test_two_sales_of_one_parcel_are_never_on_both_sides(market: Market) -> None:
    listings = sold(market, 3_000, n_parcels=1_000)
    kept_out = held_out(market, learn_labels(market, listings), listings)
    sides = pd.Series(kept_out).groupby(listings["parcel"].astype(str).to_numpy())
    assert len(sides) < len(listings) / 2
    assert (sides.nunique() == 1).all()
    assert kept_out.mean() == pytest.approx(0.2, abs=0.03)


def test_homes_that_are_alike_are_no_copies_where_they_have_keys() -> None:
    one = sold(PARCELS, 50).iloc[[0]]
    other = one.assign(parcel=pd.Categorical(["another"]))
    assert group_keys(PARCELS, other) != group_keys(PARCELS, one)
    assert group_keys(PARCELS, one.assign(living_sqft=999.0, price=1.0)) == group_keys(PARCELS, one)


def test_homes_without_their_key_are_known_by_what_they_are_and_do_not_hang_together() -> None:
    listings = sold(PARCELS, 1_000)
    lost = np.arange(1_000) % 2 == 0
    unknown = listings.assign(parcel=listings["parcel"].where(~lost))
    keys, before = group_keys(PARCELS, unknown), group_keys(PARCELS, listings)
    assert np.array_equal(keys[~lost], before[~lost])
    assert len(np.unique(keys[lost])) == lost.sum()
    copied = unknown.assign(price=unknown["price"] * 2, sold_on=pd.NaT)
    assert np.array_equal(group_keys(PARCELS, copied), keys)


def test_the_edges_of_five_bands_are_the_quantiles_of_the_training_rows() -> None:
    listings = sold(PARCELS, 2_000)
    labels = learn_labels(PARCELS, listings)
    prices = listings["price"].to_numpy()[~held_out(PARCELS, labels, listings)]
    assert labels.edges == tuple(np.quantile(prices, [0.2, 0.4, 0.6, 0.8], method="lower"))
    assert (labels.categories, labels.currency) == (PARCELS.categories, "USD")
    assert np.bincount(label_rows(PARCELS, labels, listings)) / len(listings) == pytest.approx([0.2] * 5, abs=0.02)


def test_a_fifth_of_each_class_is_held_out() -> None:
    listings = sold(THREE_GRADES, 3_000)
    labels = learn_labels(THREE_GRADES, listings)
    assert (labels.categories, labels.edges, labels.currency) == (("C", "A", "B"), (), "")
    kept_out, indices = held_out(THREE_GRADES, labels, listings), label_rows(THREE_GRADES, labels, listings)
    for label, name in enumerate(labels.categories):
        assert (listings["grade"][indices == label] == name).all()
        assert kept_out[indices == label].mean() == pytest.approx(0.2, abs=0.01)


def test_rows_with_classes_have_no_log_prices() -> None:
    listings = sold(THREE_GRADES, 100)
    assert log_prices(THREE_GRADES, learn_labels(THREE_GRADES, listings), listings) is None
    prices = sold(PARCELS, 100)
    labels = learn_labels(PARCELS, prices)
    assert log_prices(PARCELS, labels, prices).tolist() == labels.log_prices(prices["price"].to_numpy()).tolist()


def test_a_class_without_listings_is_refused() -> None:
    listings = sold(THREE_GRADES, 300)
    with pytest.raises(ValueError, match="each of C, A, B needs listings: one of them has none"):
        learn_labels(THREE_GRADES, listings[listings["grade"] != "A"])


def test_too_few_distinct_prices_for_five_bands_are_refused() -> None:
    listings = sold(PARCELS, 300)
    with pytest.raises(ValueError, match="5 price bands need more distinct prices than these 300 listings have"):
        learn_labels(PARCELS, listings.assign(price=np.resize([1e5, 2e5, 3e5, 4e5], 300)))


@pytest.mark.parametrize("generated", [True, False])
def test_labels_remember_whether_they_were_learned_from_generated_listings(generated: bool) -> None:
    assert learn_labels(PARCELS, sold(PARCELS, 100), synthetic=generated).synthetic is generated
