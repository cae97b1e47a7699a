"""Linear scores are learned from labels: of price bands for each edge and the price, of classes for each."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from housing_assets.features import score_learning
from housing_assets.features.score_learning import learn_scores
from housing_assets.inference.score_units import UNITS
from housing_assets.inference.scores import LOG_PRICE_SCALE, LinearScores

UNIT = 1 / UNITS


def noise(n_rows: int, seed: int = 0) -> tuple[csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    return csr_matrix(rng.choice([-1.0, 0.0, 1.0], (n_rows, 20), p=[0.1, 0.8, 0.1])), rng.integers(0, 3, n_rows)


def learned(hashed: csr_matrix, labels: np.ndarray, *, inverse_penalty: float = 0.5, seed: int = 0) -> LinearScores:
    """Learn of three price bands, whose indices stand for the log prices, too."""
    return learn_scores(hashed, labels, labels, n_classes=3, inverse_penalty=inverse_penalty, seed=seed)


def test_an_obvious_signal_is_learned_for_both_edges_and_the_price() -> None:
    labels = np.arange(300) % 3
    hashed = csr_matrix(np.eye(3)[labels])
    scores = learned(hashed, labels, inverse_penalty=10.0, seed=0)
    above_low, above_medium, price = scores.score(csr_matrix(np.eye(3))).T
    assert above_low[0] < 0 < above_low[1]
    assert above_low[2] > 0
    assert above_medium[1] < 0 < above_medium[2]
    assert price[0] < price[1] < price[2]


def test_a_smaller_inverse_penalty_shrinks_the_coefficients() -> None:
    labels = np.arange(300) % 3
    hashed = csr_matrix(np.eye(3)[labels])
    loose, tight = (
        np.abs(learned(hashed, labels, inverse_penalty=each, seed=0).coefficients).max(axis=0) for each in (10.0, 0.001)
    )
    assert (tight < loose / 5).all()


def test_coefficients_are_those_of_the_regression_rounded_to_the_unit() -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    hashed, labels = noise(200)
    log_prices = np.random.default_rng(1).normal(size=200)
    scores = learn_scores(hashed, labels, log_prices, n_classes=3, inverse_penalty=0.5, seed=0)
    ridge = Ridge(alpha=2, solver="sparse_cg", tol=1e-3).fit(hashed, log_prices / LOG_PRICE_SCALE)
    assert np.abs(scores.coefficients[:, 2] * UNIT - ridge.coef_).max() <= UNIT
    assert abs(scores.intercepts[2] * UNIT - ridge.intercept_) <= UNIT
    model = LogisticRegression(C=0.5, max_iter=300, tol=1e-3).fit(hashed, labels > 1)
    assert np.abs(scores.coefficients[:, 1] * UNIT - model.coef_[0]).max() <= UNIT
    assert scores.coefficients.dtype == np.int64


def test_more_rows_than_the_cap_are_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, labels = noise(400)
    monkeypatch.setattr(score_learning, "MAX_ROWS", 150)
    drawn = np.sort(np.random.default_rng(7).choice(400, 150, replace=False))
    sampled = learned(hashed, labels, inverse_penalty=0.5, seed=7)
    expected = learned(hashed[drawn], labels[drawn], inverse_penalty=0.5, seed=0)
    other = learned(hashed, labels, inverse_penalty=0.5, seed=8)
    assert np.array_equal(sampled.coefficients, expected.coefficients)
    assert not np.array_equal(sampled.coefficients, other.coefficients)


def test_an_obvious_signal_is_learned_for_each_class() -> None:
    labels = np.arange(400) % 4
    scores = learn_scores(csr_matrix(np.eye(4)[labels]), labels, None, n_classes=4, inverse_penalty=10.0, seed=0)
    found = scores.score(csr_matrix(np.eye(4)))
    assert found.shape == (4, 4)
    assert (found.argmax(axis=1) == np.arange(4)).all()
    assert (np.sign(found) == 2 * np.eye(4) - 1).all()


def test_five_bands_have_a_score_for_each_of_four_edges_and_the_price() -> None:
    labels = np.arange(500) % 5
    scores = learn_scores(csr_matrix(np.eye(5)[labels]), labels, labels, n_classes=5, inverse_penalty=10.0, seed=0)
    above, price = np.split(scores.score(csr_matrix(np.eye(5))), [4], axis=1)
    assert ((above > 0) == (np.arange(5)[:, None] > np.arange(4))).all()
    assert (np.diff(price.ravel()) > 0).all()


def test_the_sampled_rows_of_classes_are_those_of_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, labels = noise(400)
    monkeypatch.setattr(score_learning, "MAX_ROWS", 150)
    drawn = np.sort(np.random.default_rng(7).choice(400, 150, replace=False))
    sampled = learn_scores(hashed, labels, None, n_classes=3, inverse_penalty=0.5, seed=7)
    expected = learn_scores(hashed[drawn], labels[drawn], None, n_classes=3, inverse_penalty=0.5, seed=0)
    assert np.array_equal(sampled.coefficients, expected.coefficients)


def test_a_number_that_decides_is_learned_for_every_score() -> None:
    numbers = np.column_stack([np.arange(300.0), np.full(300, 7.0)])
    labels = np.arange(300) // 100
    nothing = csr_matrix((300, 4))
    scores = learn_scores(nothing, labels, labels, numbers, n_classes=3, inverse_penalty=10.0, seed=0)
    above_low, above_medium, price = scores.score(nothing, numbers).T
    for score in (above_low, above_medium, price):
        assert (np.diff(score) >= 0).all()
        assert score[0] < score[-1]
    assert above_low[10] < 0 < above_low[190]
    assert above_medium[110] < 0 < above_medium[290]
    assert scores.numbers is not None
    assert not scores.numbers.coefficients[1].any()  # what never varies weighs nothing


def test_a_missing_number_stands_at_the_mean_of_those_that_are_there() -> None:
    numbers = np.array([[1.0], [3.0], [np.nan], [8.0]] * 30)
    labels = np.array([0, 1, 1, 2] * 30)
    scores = learn_scores(csr_matrix((120, 4)), labels, labels, numbers, n_classes=3, inverse_penalty=1.0, seed=0)
    assert scores.numbers is not None
    assert scores.numbers.means.tolist() == [4.0]
    assert scores.numbers.deviations == pytest.approx([np.std([1.0, 3.0, 8.0])])
    missing, mean = (scores.score(csr_matrix((1, 4)), np.array([[each]])) for each in (np.nan, 4.0))
    assert missing.tolist() == mean.tolist()


def test_numbers_that_are_nowhere_there_weigh_nothing() -> None:
    hashed, labels = noise(100)
    numbers = np.full((100, 1), np.nan)
    scores = learn_scores(hashed, labels, labels, numbers, n_classes=3, inverse_penalty=0.5, seed=0)
    without = learn_scores(hashed, labels, labels, n_classes=3, inverse_penalty=0.5, seed=0)
    assert scores.score(hashed, numbers) == pytest.approx(without.score(hashed), abs=1e-3)
    assert without.numbers is None
