"""Linear scores: exact in any order, stored as JSON, and named by the market's questions."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from housing_assets.inference.row_filling import fill_row
from housing_assets.inference.score_units import FURTHEST, STEPS, UNITS
from housing_assets.inference.scores import LinearScores, NumberScores, score_names
from housing_assets.markets.istanbul import MARKET
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES

N_SCORES = 3


def random_scores(n_buckets: int, seed: int = 0) -> LinearScores:
    rng = np.random.default_rng(seed)
    return LinearScores(rng.integers(-(2**24), 2**24, (n_buckets, N_SCORES)), rng.integers(-(2**24), 2**24, N_SCORES))


def score_one(
    scores: LinearScores, counts: Sequence[tuple[int, int]], numbers: np.ndarray | None = None
) -> list[float]:
    """Return the scores of one row, given the signed count of each bucket."""
    n_buckets = len(scores.coefficients)
    hashes = [(bucket + n_buckets) * (1 if count > 0 else -1) for bucket, count in counts for _ in range(abs(count))]
    none = np.zeros(0)
    _, cells = fill_row(
        none,
        none,
        none,
        1.0,
        np.array(hashes, dtype=np.int64),
        scores.coefficients,
        scores.offsets(numbers),
        none.astype(np.float32),
    )
    return [float(cell) for cell in cells[: len(scores.intercepts)]]


@given(st.dictionaries(st.integers(0, 63), st.integers(-9, 9), max_size=40), st.randoms())
def test_a_score_has_the_same_bits_in_any_order_and_in_a_batch(counts: dict[int, int], random: object) -> None:
    scores = random_scores(64)
    row = np.zeros((1, 64))
    row[0, list(counts)] = list(counts.values())
    shuffled = list(counts.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, again = (score_one(scores, each) for each in (list(counts.items()), shuffled))
    assert again == one
    exact = [
        (int(scores.intercepts[each]) + sum(count * int(scores.coefficients[b, each]) for b, count in counts.items()))
        / UNITS
        for each in range(N_SCORES)
    ]
    assert one == np.float32(exact).tolist()
    assert scores.score(csr_matrix(row)).tolist() == [one]


def test_scores_survive_json_and_leave_out_buckets_without_weight() -> None:
    scores = random_scores(64)
    scores.coefficients[10:] = 0
    stored = json.loads(json.dumps(scores.to_dict()))
    assert stored["buckets"] == list(range(10))
    again = LinearScores.from_dict(stored)
    assert np.array_equal(again.coefficients, scores.coefficients)
    assert np.array_equal(again.intercepts, scores.intercepts)


def test_scores_without_any_weight_survive_json() -> None:
    scores = LinearScores(np.zeros((8, 2), dtype=np.int64), np.array([3, -4]))
    again = LinearScores.from_dict(json.loads(json.dumps(scores.to_dict())))
    assert again.coefficients.tolist() == scores.coefficients.tolist()
    assert again.intercepts.tolist() == [3, -4]


def test_a_price_has_a_score_for_each_edge_and_one_of_its_own_and_classes_have_one_each() -> None:
    assert score_names(MARKET) == ("score_above_low", "score_above_medium", "score_price")
    assert score_names(PARCELS) == (
        "score_above_lowest",
        "score_above_low",
        "score_above_middle",
        "score_above_high",
        "score_price",
    )
    assert score_names(THREE_GRADES) == ("score_is_C", "score_is_A", "score_is_B")
    assert score_names(TWO_GRADES) == ("score_is_plain", "score_is_fine")


NUMBERS = NumberScores(np.array([100.0, -5.0]), np.array([20.0, 0.5]), np.array([[UNITS, 0], [0, -2 * UNITS]]))


def test_a_number_counts_by_its_deviations_from_the_mean_up_to_the_furthest() -> None:
    scores = LinearScores(np.zeros((4, 2), dtype=np.int64), np.array([UNITS, 0]), NUMBERS)
    numbers = np.array([[100.0, -5.0], [120.0, -4.5], [80.0, -4.75], [1e9, -1e9], [np.nan, np.nan]])
    expected = [[1, 0], [2, -2], [0, -1], [1 + FURTHEST, 2 * FURTHEST], [1, 0]]
    assert scores.score(csr_matrix((5, 4)), numbers).tolist() == expected


@given(st.lists(st.floats(-1e12, 1e12) | st.just(np.nan), min_size=2, max_size=2), st.integers(0, 2**20))
def test_numbers_give_the_same_bits_alone_and_in_a_batch(numbers: list[float], weight: int) -> None:
    weighed = NumberScores(NUMBERS.means, NUMBERS.deviations, np.array([[weight, 3], [7, -weight]]))
    scores = LinearScores(np.zeros((4, 2), dtype=np.int64), np.array([5, 6]), weighed)
    alone = score_one(scores, [], np.array(numbers))
    together = scores.score(csr_matrix((3, 4)), np.array([numbers[::-1], numbers, [0.0, 0.0]]))
    assert together[1].tolist() == alone


def test_scores_of_numbers_survive_json() -> None:
    scores = LinearScores(np.zeros((4, 2), dtype=np.int64), np.array([5, 6]), NUMBERS)
    again = LinearScores.from_dict(json.loads(json.dumps(scores.to_dict()))).numbers
    assert again is not None
    for name, array in vars(NUMBERS).items():
        found = getattr(again, name)
        assert found.dtype == array.dtype
        assert found.tolist() == array.tolist()
    without = LinearScores(np.zeros((4, 2), dtype=np.int64), np.array([5, 6]))
    assert LinearScores.from_dict(json.loads(json.dumps(without.to_dict()))).numbers is None


@pytest.mark.parametrize("n_buckets", [-1, 0, 10**10])
def test_a_number_of_buckets_that_no_model_has_is_refused(n_buckets: int) -> None:
    stored = {"n_buckets": n_buckets, "buckets": [], "coefficients": [], "intercepts": [0, 0]}
    with pytest.raises(ValueError, match="buckets, expected 1 to"):
        LinearScores.from_dict(stored)


def test_numbers_weigh_what_their_standardized_steps_say() -> None:
    rng = np.random.default_rng(0)
    told = NumberScores(rng.normal(size=5), rng.random(5) + 0.1, rng.integers(-(2**24), 2**24, (5, N_SCORES)))
    scores = LinearScores(np.zeros((4, N_SCORES), np.int64), rng.integers(-(2**24), 2**24, N_SCORES), told)
    numbers = rng.normal(size=(40, 5)) * 2 * FURTHEST
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    numbers[0, 0] = np.inf
    expected = told.standardize(numbers) @ told.coefficients.astype(np.float64) / STEPS + scores.intercepts
    assert scores.offsets(numbers).tolist() == expected.tolist()
    assert [scores.offsets(row).tolist() for row in numbers] == expected.tolist()
    assert scores.offsets(numbers[:0]).shape == (0, N_SCORES)


@pytest.mark.parametrize(
    ("name", "cells"),
    [("means", [0.0]), ("deviations", [1.0]), ("coefficients", [[1] * N_SCORES]), ("coefficients", [[1], [1]])],
)
def test_numbers_whose_shapes_do_not_agree_are_refused(name: str, cells: list[object]) -> None:
    told = NumberScores(np.zeros(2), np.ones(2), np.ones((2, N_SCORES), np.int64))
    stored = LinearScores(np.zeros((4, N_SCORES), np.int64), np.zeros(N_SCORES, np.int64), told).to_dict()
    LinearScores.from_dict(stored)
    with pytest.raises(ValueError, match="as many deviations as means"):
        LinearScores.from_dict({**stored, "numbers": {**stored["numbers"], name: cells}})
