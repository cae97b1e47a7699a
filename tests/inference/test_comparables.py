"""Comparables: the training listings most like one, what differs, nothing personal, nothing where it is forbidden."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.comparables import FILE, MAX_LINE, Comparables, kept_names
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex
from housing_assets.listings.samples import load_sample
from housing_assets.listings.source import RawListings
from housing_assets.training.estimate_learning import Priced, fill_leaves, keep_listings
from tests.conftest import small_model
from tests.inference.test_price_index import INDEX
from tests.other_markets import PARCELS

SOLD = {
    "sold_on": [date(2014, 5, 2), pd.NaT, date(2014, 7, 1)],
    "bedrooms": [3.0, float("nan"), 4.0],
    "living_sqft": [1180.0, 2000.0, 1180.0],
    "renovated_in": [None, None, 1999.0],
    "zip_code": ["98178", "98001", "98178"],
    "view": ["none", "x" * 500, None],
    "latitude": [47.5112, 47.6, 47.7],
    "longitude": [-122.257, -122.3, -122.4],
}
PRICES = (100_000.0, 200_000.0, 300_000.0)


@pytest.fixture(scope="module")
def kept() -> Comparables:
    return Comparables.of(PARCELS, PRICES, SOLD)


def test_what_can_lead_to_a_person_is_not_kept(market: Market) -> None:
    assert "parcel" not in kept_names(PARCELS)
    assert "address" not in kept_names(market)
    assert {"district", "updated_on"} < set(kept_names(market))


def test_a_comparable_tells_its_price_its_day_and_what_differs(kept: Comparables) -> None:
    asked = {name: values[0] for name, values in SOLD.items()} | {"bedrooms": 2.0, "sold_on": date(2015, 1, 1)}
    first, third = kept.describe(PARCELS, [(0, 0.5), (2, 0.25)], asked, PriceIndex.none())
    assert (first.similarity, first.price, first.adjusted_price, first.dated) == (0.5, 100_000, None, "2014-05-02")
    assert first.differences == (("bedrooms", "bedrooms", 3.0, 2.0),)
    assert [(each.name, each.theirs, each.asked) for each in third.differences] == [
        ("bedrooms", 4.0, 2.0),
        ("renovated_in", 1999.0, None),
        ("view", None, "none"),
        ("latitude", 47.7, 47.5112),
        ("longitude", -122.4, -122.257),
    ]


def test_prices_are_adjusted_for_time_where_there_is_an_index_and_a_day(kept: Comparables) -> None:
    similar = [(0, 1.0), (1, 1.0), (2, 1.0)]
    found = kept.describe(PARCELS, similar, {"sold_on": date(2014, 9, 30)}, INDEX)
    assert [one.dated for one in found] == ["2014-05-02", None, "2014-07-01"]
    assert [one.adjusted_price for one in found] == [pytest.approx(150_000), None, pytest.approx(360_000)]
    undated = kept.describe(PARCELS, similar, {}, INDEX)
    assert [one.adjusted_price for one in undated] == [pytest.approx(125_000), None, pytest.approx(300_000)]


def test_comparables_survive_a_file_and_damage_is_refused(kept: Comparables, tmp_path: Path) -> None:
    kept.save(tmp_path)
    again = Comparables.load(tmp_path, 3)
    assert [again.read(number) for number in range(3)] == [kept.read(number) for number in range(3)]
    assert kept.read(1)[1]["view"] == "x" * 100
    with pytest.raises(ValueError, match="has 3 listings, expected 4"):
        Comparables.load(tmp_path, 4)
    content = (tmp_path / FILE).read_text()
    for damaged, message in (
        ("", "no header of format 1"),
        (content[1:], "Extra data|no header"),
        (content[:-1], "has 2 listings"),
        (content.replace("98001", "9" * MAX_LINE), "a line has more than"),
    ):
        (tmp_path / FILE).write_text(damaged)
        with pytest.raises(ValueError, match=message):
            Comparables.load(tmp_path, 3)


def test_each_training_listing_is_kept_in_the_order_of_the_estimators_numbers() -> None:
    rng = np.random.default_rng(0)
    prices, known = rng.uniform(1e5, 1e6, 3), rng.normal(size=3)
    priced = Priced(csr_matrix((3, 1), dtype=np.float32), prices, known, [None] * 3, np.arange(3, dtype=np.uint64))
    frame = pd.DataFrame({**SOLD, PARCELS.target_value.name: prices})
    leaf = FlatForest.from_arrays(
        {
            **{"roots": np.zeros(1, np.int32), "feature": np.full(1, -1, np.int32), "left": np.zeros(1, np.int32)},
            **{"threshold": np.zeros(1, np.float32), "right": np.zeros(1, np.int32)},
            **{"distributions": np.full((1, 2), 0.5), "importance": np.empty(0), "n_columns": 1},
            "columns": np.empty(0, np.int32),
        }
    )
    estimator = fill_leaves(leaf, priced, seed=3)
    kept = keep_listings(PARCELS, priced, frame, seed=3)
    of_price = dict(zip(prices.tolist(), known, strict=True))
    told = [kept.read(number)[0] for number in range(3)]
    assert [np.log(price) - of_price[price] for price in told] == pytest.approx(estimator.values)


def test_the_artifact_keeps_all_that_its_estimator_numbers(artifact: ModelArtifact) -> None:
    assert artifact.estimator is not None
    assert artifact.estimator.comparables is not None
    assert len(artifact.estimator.comparables) == len(artifact.estimator.values)


def test_a_market_that_forbids_it_has_nothing_of_them_in_its_model(market: Market, tmp_path: Path) -> None:
    forbidding = replace(market, comparables=False)
    drawn = load_sample(market).draw(600, seed=6)
    model = small_model(forbidding, RawListings.of_sample(forbidding, drawn).frame, n_trees=3)
    model.save(tmp_path)
    assert not (tmp_path / FILE).exists()
    again = ModelArtifact.load(tmp_path)
    assert not again.market.comparables
    assert again.estimator is not None
    assert again.estimator.comparables is None


def test_an_estimator_of_a_former_release_has_none(artifact: ModelArtifact, tmp_path: Path) -> None:
    assert artifact.estimator is not None
    replace(artifact.estimator, comparables=None).save(tmp_path)
    stored = json.loads((tmp_path / "estimator.json").read_text())
    del stored["comparables"]
    (tmp_path / "estimator.json").write_text(json.dumps(stored))
    assert PriceEstimator.load(tmp_path).comparables is None
