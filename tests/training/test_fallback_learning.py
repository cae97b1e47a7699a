"""The fallback rule is learned from the training listings: shares of those that are alike, where there are enough."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.crossing import cross_frame
from housing_assets.features.split import label_rows, learn_labels
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.labels import LabelScheme
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.training.fallback_learning import MIN_LISTINGS, learn_fallback
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales

BANDS = LabelScheme("lineage", ("low", "medium", "high"), (1e6, 2e6), "TRY", 0)


def crossed_of(*listings: tuple[str, float]) -> pd.DataFrame:
    columns = [column.raw for column in MARKET.columns]
    raw = pd.DataFrame(
        [
            {"district": district, "GrossSquareMeters": size, "price": 1.5e6, "Swap": str(row)}  # no two are copies
            for row, (district, size) in enumerate(listings)
        ],
        columns=columns,
        dtype=object,
    )
    return cross_frame(MARKET, clean(MARKET, raw).listings)


@pytest.fixture(scope="module")
def rule() -> FallbackRule:
    listings = [("a", 100.0)] * 5 + [("a", 400.0)] * 5 + [("a", 900.0)] * (MIN_LISTINGS - 1) + [("b", 100.0)] * 3
    labels = [0, 0, 0, 1, 2] + [1, 2, 2, 2, 2] + [2] * (MIN_LISTINGS - 1) + [0] * 3
    return learn_fallback(MARKET, BANDS, crossed_of(*listings), np.array(labels))


@pytest.mark.parametrize(
    ("district", "size", "shares", "unseen"),
    [
        ("a", "100 m2", [0.6, 0.2, 0.2], ()),
        ("a", 400, [0.0, 0.2, 0.8], ()),
        ("a", 900, [3 / 14, 2 / 14, 9 / 14], ()),  # too few of this size: all of the district
        ("a", 5000, [3 / 14, 2 / 14, 9 / 14], ()),
        ("b", 100, [6 / 17, 2 / 17, 9 / 17], ("district",)),  # too few of the district: all listings
        ("elsewhere", 100, [6 / 17, 2 / 17, 9 / 17], ("district",)),
    ],
)
def test_the_nearest_listings_of_which_there_are_enough_decide(
    rule: FallbackRule, district: str, size: Any, shares: list[float], unseen: tuple[str, ...]
) -> None:
    found = rule.predict_one({"district": district, "GrossSquareMeters": size})
    assert found.probabilities == pytest.approx(shares)
    assert found.unseen == unseen


def test_the_category_is_the_median_and_not_the_commonest() -> None:
    labels = np.array([0] * 4 + [1] * 3 + [2] * 4)
    split = learn_fallback(MARKET, BANDS, crossed_of(*[("a", 100.0)] * 11), labels)
    assert BANDS.categories[split.predict_one({"district": "a", "GrossSquareMeters": 100}).category] == "medium"


def test_the_rule_of_an_artifact_is_better_than_guessing(artifact: ModelArtifact) -> None:
    raw = synthetic_listings(400, seed=8)
    cleaned = clean(MARKET, raw).listings
    truth = label_rows(MARKET, artifact.labels, cleaned)
    cells = raw.iloc[cleaned["row"]].astype(object).to_dict("records")
    found = np.array([artifact.rule.predict_one(each).category for each in cells])
    assert (found == truth).mean() > np.bincount(truth).max() / len(truth) + 0.1


def test_of_classes_the_commonest_is_told() -> None:
    listings = clean(THREE_GRADES, drawn_sales(THREE_GRADES, 400)).listings
    scheme = learn_labels(THREE_GRADES, listings)
    one_zip = listings.assign(zip_code=pd.Categorical(["98000"] * len(listings)))
    # In the order of the categories B, the last one, would be beyond the middle.
    labels = np.array([0] * 90 + [1] * 150 + [2] * 160)
    rule = learn_fallback(THREE_GRADES, scheme, cross_frame(THREE_GRADES, one_zip), labels)
    sizeless = {"id": "1", "zipcode": "98000", "sqft_living": "19,999"}
    assert rule.predict_one(sizeless).probabilities == pytest.approx((90 / 400, 150 / 400, 160 / 400))
    assert THREE_GRADES.categories[rule.predict_one(sizeless).category] == "B"


def test_a_market_without_a_fallback_knows_the_shares_of_all_listings_alone() -> None:
    market = replace(PARCELS, fallback=())
    listings = clean(market, drawn_sales(market, 200)).listings
    scheme = learn_labels(market, listings)
    labels = label_rows(market, scheme, listings)
    rule = learn_fallback(market, scheme, cross_frame(market, listings), labels)
    assert list(rule.shares) == [()]
    found = rule.predict_one({"id": "1", "zipcode": "98178", "sqft_living": "1,180"})
    assert found.probabilities == pytest.approx(np.bincount(labels) / 200)
    assert (market.categories[found.category], found.unseen) == ("middle", ())


def test_a_missing_value_is_answered_by_the_wider_group() -> None:
    listings = clean(PARCELS, drawn_sales(PARCELS, 500)).listings
    scheme = learn_labels(PARCELS, listings)
    by_cell = cross_frame(PARCELS, listings)
    market = replace(PARCELS, fallback=("view", "zip_code"))
    rule = learn_fallback(market, scheme, by_cell, label_rows(market, scheme, listings))
    assert all(None not in values for values in rule.shares)
    without_view = rule.predict_one({"id": "1", "zipcode": "98000", "sqft_living": "1,180"})
    assert without_view.probabilities == rule.shares[()]
