"""The fallback rule: the usual category of the listings most like one, wherever no forest can be loaded."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from housing_assets.inference.artifact import MANIFEST, ArtifactRefused, ModelArtifact, load_rule
from housing_assets.inference.fallback import FORMAT, FallbackRule
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.prediction import UnusableListing
from housing_assets.markets.istanbul import MARKET
from tests.other_markets import PARCELS, THREE_GRADES

BANDS = LabelScheme("lineage", ("low", "medium", "high"), (1e6, 2e6), "TRY", 0)
SHARES = {(): (0.4, 0.2, 0.4), ("a",): (0.5, 0.5, 0.0), ("a", "23"): (0.1, 0.2, 0.7)}
NEEDED = ("rule.json", "labels.json", "market.json", MANIFEST)
"""The files of an artifact that its rule needs."""


@pytest.fixture
def rule() -> FallbackRule:
    return FallbackRule(MARKET, BANDS, SHARES)


@pytest.mark.parametrize(
    ("cells", "values", "category", "unseen"),
    [
        ({"district": "a", "GrossSquareMeters": "100 m2"}, ("a", "23"), "high", ()),
        ({"district": "a", "GrossSquareMeters": 900}, ("a",), "low", ()),
        ({"district": "b", "GrossSquareMeters": 100}, (), "medium", ("district",)),
    ],
)
def test_the_most_like_listings_of_which_shares_are_known_answer(
    rule: FallbackRule, cells: dict[str, Any], values: tuple[str, ...], category: str, unseen: tuple[str, ...]
) -> None:
    found = rule.predict_one(cells)
    assert found.probabilities == SHARES[values]
    assert BANDS.categories[found.category] == category
    assert found.unseen == unseen


@pytest.mark.parametrize(
    ("shares", "commonest"),
    [((0.4, 0.25, 0.35), "C"), ((0.2, 0.45, 0.35), "A"), ((0.3, 0.3, 0.4), "B")],
)
def test_bands_are_told_by_their_median_and_classes_by_the_commonest(shares: tuple[float, ...], commonest: str) -> None:
    banded = FallbackRule(MARKET, BANDS, {(): shares}).predict_one({"district": "a", "GrossSquareMeters": 100})
    assert BANDS.categories[banded.category] == "medium"
    classes = FallbackRule(THREE_GRADES, LabelScheme("x", ("C", "A", "B"), (), "", 0), {(): shares})
    found = classes.predict_one({"id": "1", "zipcode": "2139", "sqft_living": 1_180})
    assert found.probabilities == shares
    assert THREE_GRADES.categories[found.category] == commonest


def test_a_text_that_a_listing_does_not_have_is_not_unseen() -> None:
    optional = [replace(column, required=False) for column in THREE_GRADES.columns if not column.is_target]
    market = replace(THREE_GRADES, columns=(*optional, THREE_GRADES.target_column))
    rule = FallbackRule(market, LabelScheme("x", market.categories, (), "", 0), {(): (0.4, 0.25, 0.35)})
    assert rule.predict_one({"sqft_living": 1_180}).unseen == ()
    assert rule.predict_one({"sqft_living": 1_180, "zipcode": "2139"}).unseen == ("zip_code",)


def test_a_listing_that_cannot_be_used_is_refused_with_its_reasons(rule: FallbackRule) -> None:
    with pytest.raises(UnusableListing) as refused:
        rule.predict_one({"GrossSquareMeters": "big"})
    assert refused.value.reasons.keys() == {"district", "GrossSquareMeters"}


def test_a_rule_read_from_its_file_is_equal(rule: FallbackRule, tmp_path: Path) -> None:
    rule.save(tmp_path)
    assert FallbackRule.load(tmp_path, MARKET, BANDS) == rule


def test_the_rule_is_read_though_the_forest_is_damaged(saved: Path, tmp_path: Path, artifact: ModelArtifact) -> None:
    for name in NEEDED:
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    (tmp_path / "forest.npz").write_bytes(b"damaged")
    assert load_rule(tmp_path).shares == artifact.rule.shares
    with pytest.raises(ArtifactRefused):
        ModelArtifact.load(tmp_path)


@pytest.mark.parametrize("name", ["rule.json", "labels.json", "market.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_rule_is_refused_by_name(saved: Path, tmp_path: Path, name: str, share: float) -> None:
    for each in NEEDED:
        (tmp_path / each).write_bytes((saved / each).read_bytes())
    content = (saved / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ArtifactRefused, match=rf"{name} is damaged"):
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
    stored = {"format": FORMAT, "market": MARKET.fingerprint, "shares": shares}
    (tmp_path / "rule.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=message):
        FallbackRule.load(tmp_path, MARKET, BANDS)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"format": 1}, f"the rule's format is 1, this version reads {FORMAT}"),
        ({"format": FORMAT, "market": PARCELS.fingerprint}, "learned for another declaration than that of istanbul"),
    ],
)
def test_a_rule_that_does_not_belong_is_refused(tmp_path: Path, stored: dict[str, Any], message: str) -> None:
    (tmp_path / "rule.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=message):
        FallbackRule.load(tmp_path, MARKET, BANDS)
