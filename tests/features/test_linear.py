"""Linear scores: learned from labels, exact in any order, stored as JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from housing_assets.features import linear
from housing_assets.features.linear import LOG_PRICE_SCALE, N_SCORES, LinearScores

UNIT = 2.0**-20


def random_scores(n_buckets: int, seed: int = 0) -> LinearScores:
    rng = np.random.default_rng(seed)
    return LinearScores(rng.integers(-(2**24), 2**24, (n_buckets, N_SCORES)), rng.integers(-(2**24), 2**24, N_SCORES))


def noise(n_rows: int, seed: int = 0) -> tuple[csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    return csr_matrix(rng.choice([-1.0, 0.0, 1.0], (n_rows, 20), p=[0.1, 0.8, 0.1])), rng.integers(0, 3, n_rows)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(0, 63), st.integers(-9, 9), max_size=40), st.randoms())
def test_a_score_has_the_same_bits_in_any_order_and_in_a_batch(counts: dict[int, int], random: object) -> None:
    scores = random_scores(64)
    row = np.zeros((1, 64))
    row[0, list(counts)] = list(counts.values())
    shuffled = list(counts.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, again = (
        scores.score_one(np.array([b for b, _ in each], dtype=np.int32), np.array([float(c) for _, c in each])).tolist()
        for each in (list(counts.items()), shuffled)
    )
    assert again == one
    exact = [
        (int(scores.intercepts[each]) + sum(count * int(scores.coefficients[b, each]) for b, count in counts.items()))
        * UNIT
        for each in range(N_SCORES)
    ]
    assert one == exact
    assert scores.score(csr_matrix(row)).tolist() == [np.float32(exact).tolist()]


def test_scores_survive_json_and_leave_out_buckets_without_weight() -> None:
    scores = random_scores(64)
    scores.coefficients[10:] = 0
    stored = json.loads(json.dumps(scores.to_dict()))
    assert stored["buckets"] == list(range(10))
    again = LinearScores.from_dict(stored)
    assert np.array_equal(again.coefficients, scores.coefficients)
    assert np.array_equal(again.intercepts, scores.intercepts)


def test_an_obvious_signal_is_learned_for_both_edges_and_the_price() -> None:
    labels = np.arange(300) % 3
    hashed = csr_matrix(np.eye(3)[labels])
    scores = LinearScores.learn(hashed, labels, labels, inverse_penalty=10.0, seed=0)
    above_low, above_medium, price = scores.score(csr_matrix(np.eye(3))).T
    assert above_low[0] < 0 < above_low[1]
    assert above_low[2] > 0
    assert above_medium[1] < 0 < above_medium[2]
    assert price[0] < price[1] < price[2]


def test_a_smaller_inverse_penalty_shrinks_the_coefficients() -> None:
    labels = np.arange(300) % 3
    hashed = csr_matrix(np.eye(3)[labels])
    loose, tight = (
        np.abs(LinearScores.learn(hashed, labels, labels, inverse_penalty=each, seed=0).coefficients).max(axis=0)
        for each in (10.0, 0.001)
    )
    assert (tight < loose / 5).all()


def test_coefficients_are_those_of_the_regression_rounded_to_the_unit() -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    hashed, labels = noise(200)
    log_prices = np.random.default_rng(1).normal(size=200)
    scores = LinearScores.learn(hashed, labels, log_prices, inverse_penalty=0.5, seed=0)
    ridge = Ridge(alpha=2, solver="sparse_cg", tol=1e-3).fit(hashed, log_prices / LOG_PRICE_SCALE)
    assert np.abs(scores.coefficients[:, 2] * UNIT - ridge.coef_).max() <= UNIT
    assert abs(scores.intercepts[2] * UNIT - ridge.intercept_) <= UNIT
    model = LogisticRegression(C=0.5, max_iter=300, tol=1e-3).fit(hashed, labels > 1)
    assert np.abs(scores.coefficients[:, 1] * UNIT - model.coef_[0]).max() <= UNIT
    assert scores.coefficients.dtype == np.int64


def test_more_rows_than_the_cap_are_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, labels = noise(400)
    monkeypatch.setattr(linear, "MAX_ROWS", 150)
    drawn = np.sort(np.random.default_rng(7).choice(400, 150, replace=False))
    sampled = LinearScores.learn(hashed, labels, labels, inverse_penalty=0.5, seed=7)
    expected = LinearScores.learn(hashed[drawn], labels[drawn], labels[drawn], inverse_penalty=0.5, seed=0)
    other = LinearScores.learn(hashed, labels, labels, inverse_penalty=0.5, seed=8)
    assert np.array_equal(sampled.coefficients, expected.coefficients)
    assert not np.array_equal(sampled.coefficients, other.coefficients)
