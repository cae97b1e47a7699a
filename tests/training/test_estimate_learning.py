"""Learning to estimate prices: what stands in leaves, intervals that hold what they say, no row that judges itself."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from housing_assets.inference.forest import FlatForest
from housing_assets.training import estimate_learning
from housing_assets.training.estimate_learning import (
    MAX_MEMBERS,
    Priced,
    calibrate,
    estimate_all,
    fill_leaves,
    judge_estimates,
)
from housing_assets.training.flattening import flatten

N_ROWS = 6_000


def drawn(seed: int, n_rows: int = N_ROWS) -> Priced:
    """Draw homes of two districts whose prices scatter by 10 % in one and by 40 % in the other."""
    rng = np.random.default_rng(seed)
    size, noisy = rng.uniform(1, 5, n_rows), rng.integers(0, 2, n_rows)
    logs = 10 + 0.5 * size + rng.normal(0, np.where(noisy, 0.4, 0.1))
    texts = ["noisy" if each else "quiet" for each in noisy]
    X = csr_matrix(np.column_stack([size, 1.0 + rng.uniform(0, 1, n_rows)]).astype(np.float32))
    return Priced(X, np.exp(logs), np.zeros(n_rows), texts, rng.integers(0, 2**63, n_rows).astype(np.uint64))


@pytest.fixture(scope="module")
def training() -> Priced:
    return drawn(0)


@pytest.fixture(scope="module")
def forest(training: Priced) -> FlatForest:
    from sklearn.ensemble import RandomForestClassifier

    bands = np.searchsorted(np.quantile(training.prices, [0.4, 0.8]), training.prices)
    grown = RandomForestClassifier(30, min_samples_leaf=20, random_state=0).fit(training.X.toarray(), bands)
    return flatten(grown, np.arange(2, dtype=np.int32), 2)


def test_each_leaf_holds_training_listings_that_it_is_reached_by(forest: FlatForest, training: Priced) -> None:
    estimator = fill_leaves(forest, training)
    leaves = forest.walk(training.X)[1]
    rows = np.argsort(np.log(training.prices), kind="stable")
    assert np.array_equal(estimator.values, np.log(training.prices)[rows])
    for leaf in range(0, forest.n_leaves, 7):
        members = estimator.members[estimator.starts[leaf] : estimator.starts[leaf + 1]]
        reached = np.flatnonzero((leaves == leaf).any(axis=1))
        assert len(members) == min(len(reached), MAX_MEMBERS)
        assert set(rows[members]) <= set(reached)


def test_too_many_training_listings_are_drawn_from(
    forest: FlatForest, training: Priced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate_learning, "MAX_LISTINGS", 500)
    estimator = fill_leaves(forest, training)
    assert len(estimator.values) == 500
    assert estimator.values.mean() == pytest.approx(np.log(training.prices).mean(), abs=0.1)


def test_calibrated_intervals_hold_what_they_say_in_each_district(forest: FlatForest, training: Priced) -> None:
    estimator = calibrate(fill_leaves(forest, training), forest, drawn(1), "district")
    judged = drawn(2)
    found = estimate_all(estimator, forest, judged)
    within = {
        coverage: (found[:, 1 + 2 * position] <= judged.prices) & (judged.prices <= found[:, 2 + 2 * position])
        for position, coverage in enumerate((0.5, 0.68, 0.8))
    }
    noisy = np.array(judged.texts) == "noisy"
    for coverage, hits in within.items():
        for rows in (noisy, ~noisy):
            assert hits[rows].mean() == pytest.approx(coverage, abs=0.03)


def test_without_factors_of_the_district_intervals_would_miscover(forest: FlatForest, training: Priced) -> None:
    held_out, judged = drawn(1), drawn(2)
    everywhere = Priced(held_out.X, held_out.prices, held_out.known, [None] * N_ROWS, held_out.groups)
    found = estimate_all(calibrate(fill_leaves(forest, training), forest, everywhere, ""), forest, judged)
    hits = (found[:, 5] <= judged.prices) & (judged.prices <= found[:, 6])
    noisy = np.array(judged.texts) == "noisy"
    assert hits[noisy].mean() < 0.72
    assert hits[~noisy].mean() > 0.88


def test_estimates_are_judged_by_homes_that_did_not_calibrate_them(forest: FlatForest, training: Priced) -> None:
    estimator = calibrate(fill_leaves(forest, training), forest, drawn(1), "district")
    judged = judge_estimates(estimator, forest, drawn(2))
    assert judged.valued.mean() == pytest.approx(0.99, abs=0.01)
    lower, upper = judged.intervals[80]
    assert ((lower <= judged.prices) & (judged.prices <= upper)).mean() == pytest.approx(0.8, abs=0.02)


def test_what_is_known_without_the_forest_is_added_to_what_its_leaves_say(forest: FlatForest, training: Priced) -> None:
    known = training.known + 3.0
    shifted = Priced(training.X, training.prices * np.exp(3.0), known, training.texts, training.groups)
    plain, moved = (fill_leaves(forest, priced) for priced in (training, shifted))
    assert moved.values == pytest.approx(plain.values)
    ratio = estimate_all(moved, forest, shifted)[:, 0] / estimate_all(plain, forest, training)[:, 0]
    assert ratio == pytest.approx(np.exp(3.0))


def test_without_exact_prices_nothing_can_be_estimated(forest: FlatForest, training: Priced) -> None:
    nothing = training.rows(np.zeros(N_ROWS, dtype=bool))
    with pytest.raises(ValueError, match="no training listing has an exact price"):
        fill_leaves(forest, nothing)
    with pytest.raises(ValueError, match="no held-out listing has an exact price"):
        calibrate(fill_leaves(forest, training), forest, nothing, "district")
