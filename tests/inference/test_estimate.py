"""Price estimates: weighted quantiles of what stands in the leaves, in batches as alone; no damaged file is read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.estimate import (
    CALIBRATION,
    FILE,
    NEUTRAL,
    Calibration,
    Estimate,
    NoEstimate,
    PriceEstimator,
)
from housing_assets.inference.leaf_prices import LEVELS, NARROWEST

N_LISTINGS, N_TREES, LEAVES_OF_A_TREE = 700, 13, 5


@pytest.fixture(scope="module")
def leaves_of_listings() -> np.ndarray:
    """Give the leaf of each training listing in each tree; the last leaf of a tree has none."""
    of_tree = np.random.default_rng(0).integers(0, LEAVES_OF_A_TREE - 1, (N_LISTINGS, N_TREES))
    return of_tree + LEAVES_OF_A_TREE * np.arange(N_TREES)


@pytest.fixture(scope="module")
def estimator(leaves_of_listings: np.ndarray) -> PriceEstimator:
    values = np.sort(np.random.default_rng(1).normal(12, 1, N_LISTINGS))
    members = [np.flatnonzero((leaves_of_listings == leaf).any(axis=1)) for leaf in range(N_TREES * LEAVES_OF_A_TREE)]
    starts = np.cumsum([0, *map(len, members)]).astype(np.int32)
    return PriceEstimator(starts, np.concatenate(members).astype(np.uint16), values)


def brute_force(estimator: PriceEstimator, leaves: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the quantiles of Meinshausen's weights, and the share of the trees of the most similar listing."""
    weights, shared = np.zeros(len(estimator.values)), np.zeros(len(estimator.values))
    for leaf in leaves:
        found = estimator.members[estimator.starts[leaf] : estimator.starts[leaf + 1]]
        weights[found] += 1 / len(found)
        shared[found] += 1
    reached = np.cumsum(weights) / weights.sum()
    return estimator.values[np.searchsorted(reached, LEVELS - 1e-12)], shared.max() / len(leaves)


def test_estimates_are_the_weighted_quantiles_of_the_training_listings_in_the_leaves(
    estimator: PriceEstimator, leaves_of_listings: np.ndarray
) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        leaves = leaves_of_listings[rng.integers(0, N_LISTINGS, N_TREES), np.arange(N_TREES)].astype(np.int32)
        known = rng.normal()
        quantiles, similarity = brute_force(estimator, leaves)
        found = estimator.estimate(leaves[None], np.array([known]), [None])[0]
        ends = quantiles[[3, 2, 4, 1, 5, 0, 6]]  # the median, and the ends of 50, 68 and 80 %
        sides = np.array([0, -1, 1, -1, 1, -1, 1]) * np.maximum(np.abs(ends - ends[0]), NARROWEST)
        assert np.log(found[:-1]) == pytest.approx(known + ends[0] + sides)
        assert found[-1] == pytest.approx(similarity)


def test_a_batch_is_estimated_as_its_rows_are_one_by_one_to_the_last_bit(
    estimator: PriceEstimator, leaves_of_listings: np.ndarray
) -> None:
    leaves, known = leaves_of_listings[:60].astype(np.int32), np.linspace(-1, 1, 60)
    calibrated = replace(estimator, calibration=Calibration("district", {"a": (0.7, 0.8, 0.9)}, (1.1, 1.2, 1.3), 0.0))
    texts = ["a", None, "elsewhere"] * 20
    together = calibrated.estimate(leaves, known, texts)
    alone = [
        calibrated.estimate(leaves[row : row + 1], known[row : row + 1], texts[row : row + 1]) for row in range(60)
    ]
    assert np.array_equal(together, np.concatenate(alone))
    one = calibrated.estimate_one(leaves[0], known[0], "a")
    assert isinstance(one, Estimate)
    assert (one.price, *one.interval_50, *one.interval_80) == tuple(together[0, [0, 1, 2, 5, 6]])


def test_factors_of_a_district_widen_its_intervals_and_no_others(estimator: PriceEstimator) -> None:
    calibrated = replace(estimator, calibration=Calibration("district", {"a": (2.0, 2.0, 2.0)}, (1.0, 1.0, 1.0), 0.0))
    leaves = np.zeros((3, N_TREES), dtype=np.int32)
    found = np.log(calibrated.estimate(leaves, np.zeros(3), ["a", "b", None]))
    distances = np.abs(found[:, 1:-1] - found[:, :1])
    assert distances[0] == pytest.approx(2 * distances[1])
    assert np.array_equal(found[1], found[2])


def test_a_listing_that_is_unlike_all_has_no_estimate_and_is_told_why(estimator: PriceEstimator) -> None:
    picky = replace(estimator, calibration=replace(NEUTRAL, least_similarity=1.01))
    leaves = np.arange(0, N_TREES * LEAVES_OF_A_TREE, LEAVES_OF_A_TREE, dtype=np.int32)
    found = picky.estimate_one(leaves, 0.0, None)
    assert isinstance(found, NoEstimate)
    assert "no training listing is enough like it" in found.reason
    assert picky.is_unlike(picky.estimate(leaves[None], np.zeros(1), [None])).all()


def test_leaves_without_any_listing_give_no_estimate(estimator: PriceEstimator) -> None:
    empty = np.arange(LEAVES_OF_A_TREE - 1, N_TREES * LEAVES_OF_A_TREE, LEAVES_OF_A_TREE, dtype=np.int32)
    found = estimator.estimate(empty[None], np.zeros(1), [None])[0]
    assert np.isnan(found[:-1]).all()
    assert found[-1] == 0
    for least in (0.0, 0.01):
        found_by = replace(estimator, calibration=replace(NEUTRAL, least_similarity=least))
        assert isinstance(found_by.estimate_one(empty, 0.0, None), NoEstimate)
        assert found_by.is_unlike(found[None]).all()


def test_the_most_similar_listings_are_those_that_share_most_leaves(
    estimator: PriceEstimator, leaves_of_listings: np.ndarray
) -> None:
    leaves = leaves_of_listings[17].astype(np.int32)
    shared = (leaves_of_listings == leaves).mean(axis=1)
    found = estimator.most_similar(leaves, 5)
    assert found[0] == (17, 1.0)
    assert [similarity for _, similarity in found] == pytest.approx(np.sort(shared)[::-1][:5])
    assert [shared[number] for number, _ in found] == pytest.approx([similarity for _, similarity in found])


def test_the_artifact_estimates_one_listing_by_its_forest(artifact: ModelArtifact) -> None:
    found = artifact.predict_one(
        {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}
    ).estimate
    assert isinstance(found, Estimate)
    assert found.interval_80.low <= found.interval_50.low <= found.price
    assert found.price <= found.interval_50.high <= found.interval_80.high
    assert 0 < found.forecast_deviation < 2


Change = Callable[[dict[str, np.ndarray]], object]

DAMAGES: dict[str, tuple[Change, str]] = {
    "a member that is no listing": (lambda a: a["members"].__setitem__(0, len(a["values"])), "is none of its listings"),
    "leaves that overlap": (lambda a: a["starts"].__setitem__(3, 10**6), "do not follow one another"),
    "too few members": (lambda a: a.update(members=a["members"][:-1]), "do not follow one another"),
    "a price that is no number": (lambda a: a["values"].__setitem__(0, np.nan), "not finite and ascending"),
    "prices in disorder": (lambda a: a.update(values=a["values"][::-1].copy()), "not finite and ascending"),
    "another type": (lambda a: a.update(members=a["members"].astype(np.int64)), "members has another type"),
}


@pytest.mark.parametrize(("change", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_estimator_is_refused(
    estimator: PriceEstimator, tmp_path: Path, change: Change, message: str
) -> None:
    estimator.save(tmp_path)
    with np.load(tmp_path / FILE) as archive:
        arrays = {name: archive[name].copy() for name in archive}
    change(arrays)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ValueError, match=message):
        PriceEstimator.load(tmp_path)


@pytest.mark.parametrize("factors", [[1.0, 1.0], [1.0, -0.1, 1.0], [1.0, float("inf"), 1.0]])
def test_factors_that_cannot_be_are_refused(estimator: PriceEstimator, tmp_path: Path, factors: list[float]) -> None:
    estimator.save(tmp_path)
    stored = json.loads((tmp_path / CALIBRATION).read_text())
    (tmp_path / CALIBRATION).write_text(json.dumps({**stored, "factors": {"a": factors}}))
    with pytest.raises(ValueError, match="expected 3 finite numbers"):
        PriceEstimator.load(tmp_path)


def test_an_estimator_survives_a_file(estimator: PriceEstimator, tmp_path: Path) -> None:
    calibrated = replace(estimator, calibration=Calibration("kind", {"ç": (1.0, 2.0, 3.0)}, (1.0, 1.0, 1.0), 0.25))
    calibrated.save(tmp_path)
    again = PriceEstimator.load(tmp_path)
    assert again.calibration == calibrated.calibration
    assert all(
        np.array_equal(getattr(again, name), getattr(calibrated, name)) for name in ("starts", "members", "values")
    )
