"""The fallback rule: the usual band of a district and size, wherever no forest can be loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.features.crossing import cross_frame
from housing_assets.listings.cleaning import clean
from housing_assets.listings.columns import COLUMNS
from housing_assets.listings.sample import synthetic_listings
from housing_assets.packaging.artifact import MANIFEST, ArtifactRefused, ModelArtifact, load_rule
from housing_assets.packaging.prediction import UnusableListing
from housing_assets.packaging.rule import MIN_LISTINGS, PriceRule

BANDS = PriceBands("lineage", (1e6, 2e6), 0)


def crossed_of(*listings: tuple[str, float]) -> pd.DataFrame:
    columns = [column.raw for column in COLUMNS]
    raw = pd.DataFrame(
        [
            {"district": district, "GrossSquareMeters": size, "price": 1.5e6, "Swap": str(row)}  # no two are copies
            for row, (district, size) in enumerate(listings)
        ],
        columns=columns,
        dtype=object,
    )
    return cross_frame(clean(raw).listings)


@pytest.fixture(scope="module")
def rule() -> PriceRule:
    listings = [("a", 100.0)] * 5 + [("a", 400.0)] * 5 + [("a", 900.0)] * (MIN_LISTINGS - 1) + [("b", 100.0)] * 3
    labels = [0, 0, 0, 1, 2] + [1, 2, 2, 2, 2] + [2] * (MIN_LISTINGS - 1) + [0] * 3
    return PriceRule.learn(crossed_of(*listings), BANDS, np.array(labels))


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
    rule: PriceRule, district: str, size: Any, shares: list[float], unseen: tuple[str, ...]
) -> None:
    found = rule.predict_one({"district": district, "GrossSquareMeters": size})
    assert found.probabilities == pytest.approx(shares)
    assert found.unseen == unseen


def test_the_category_is_the_median_and_not_the_commonest() -> None:
    labels = np.array([0] * 4 + [1] * 3 + [2] * 4)
    split = PriceRule.learn(crossed_of(*[("a", 100.0)] * 11), BANDS, labels)
    assert CATEGORIES[split.predict_one({"district": "a", "GrossSquareMeters": 100}).category] == "medium"


def test_a_listing_that_cannot_be_used_is_refused_with_its_reasons(rule: PriceRule) -> None:
    with pytest.raises(UnusableListing) as refused:
        rule.predict_one({"GrossSquareMeters": "big"})
    assert refused.value.reasons.keys() == {"district", "GrossSquareMeters"}


def test_a_rule_read_from_its_file_is_equal(rule: PriceRule, tmp_path: Path) -> None:
    rule.save(tmp_path)
    assert PriceRule.load(tmp_path) == rule


def test_the_rule_of_an_artifact_is_better_than_guessing(artifact: ModelArtifact) -> None:
    raw = synthetic_listings(400, seed=8)
    cleaned = clean(raw).listings
    truth = artifact.bands.labels(cleaned["price"].to_numpy())
    cells = raw.iloc[cleaned["row"]].astype(object).to_dict("records")
    found = np.array([artifact.rule.predict_one(each).category for each in cells])
    assert (found == truth).mean() > np.bincount(truth).max() / len(truth) + 0.1


def test_the_rule_is_read_though_the_forest_is_damaged(saved: Path, tmp_path: Path, artifact: ModelArtifact) -> None:
    for name in ("rule.json", MANIFEST):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    (tmp_path / "forest.npz").write_bytes(b"damaged")
    assert load_rule(tmp_path) == artifact.rule
    with pytest.raises(ArtifactRefused):
        ModelArtifact.load(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_rule_is_refused_by_name(saved: Path, tmp_path: Path, share: float) -> None:
    (tmp_path / MANIFEST).write_bytes((saved / MANIFEST).read_bytes())
    content = (saved / "rule.json").read_bytes()
    (tmp_path / "rule.json").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ArtifactRefused, match=r"rule.json is damaged"):
        load_rule(tmp_path)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([], "no shares of all listings"),
        ([[[], [0.5, 0.5]]], "are no shares"),
        ([[[], [0.5, 0.5, 0.5]]], "are no shares"),
        ([[[], [1.5, -0.5, 0.0]]], "are no shares"),
        ([[[], [float("nan"), 0.5, 0.5]]], "are no shares"),
    ],
)
def test_a_rule_that_holds_what_cannot_be_is_refused(tmp_path: Path, shares: list[Any], message: str) -> None:
    stored = {"format": 1, "bands": BANDS.to_dict(), "shares": shares}
    (tmp_path / "rule.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=message):
        PriceRule.load(tmp_path)
