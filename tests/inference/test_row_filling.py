"""The compiled loop: tokens are counted as FeatureHasher counts them, and numbers lie above 0 and below their limit."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.hashing import bucket, hash_token
from housing_assets.inference.row_filling import fill_row
from tests.inference.test_hashing import LOWEST_HASH_TOKENS, hashed_by_sklearn

NO_LOCAL = np.zeros(0, dtype=np.float32)
NONE = np.zeros(0)


def counted(tokens: Iterable[str], n_buckets: int) -> dict[int, float]:
    """Return the signed count of each bucket."""
    hashes = np.array([hash_token(token) for token in tokens], dtype=np.int64)
    columns, cells = fill_row(NONE, NONE, NONE, 1.0, hashes, np.zeros((n_buckets, 1), np.int64), np.zeros(1), NO_LOCAL)
    assert columns.dtype == np.int32
    assert cells.dtype == np.float32
    assert columns[0] == cells[0] == 0  # the score
    return dict(zip((columns[1:] - 1).tolist(), cells[1:].tolist(), strict=True))


@given(
    st.lists(st.sampled_from([*"abcdefghijkl", *LOWEST_HASH_TOKENS]), max_size=30), st.sampled_from([1, 2, 3, 5, 1000])
)
def test_tokens_that_share_a_bucket_are_summed_as_feature_hasher_sums_them(tokens: list[str], n_buckets: int) -> None:
    ours = {index: count for index, count in counted(tokens, n_buckets).items() if count}
    theirs = {index: count for index, count in hashed_by_sklearn(tokens, n_buckets).items() if count}
    assert ours == theirs


def test_tokens_of_opposite_signs_in_one_bucket_cancel() -> None:
    signs = {text: bucket(hash_token(text), 1)[1] for text in "abcdefgh"}
    positive = next(text for text, sign in signs.items() if sign > 0)
    negative = next(text for text, sign in signs.items() if sign < 0)
    assert counted([positive, negative], 1) == {0: 0.0}
    assert counted([positive, positive, negative], 1) == {0: 1.0}
    assert counted([], 1) == {}


@pytest.mark.parametrize(
    ("number", "expected"), [(10.0, 1.0), (30.0, 2.0), (-5.0, 1.0), (1e15, 1000.0), (np.nan, None)]
)
def test_a_number_that_is_there_is_at_least_1_and_at_most_the_limit(number: float, expected: float | None) -> None:
    given = np.array([np.nan, number])
    columns, cells = fill_row(
        given,
        np.array([0.0, 10.0]),
        np.array([1.0, 20.0]),
        1000.0,
        np.zeros(0, np.int64),
        np.zeros((1, 1), np.int64),
        np.ones(1),
        NO_LOCAL,
    )
    assert columns.tolist() == ([2] if expected is None else [1, 2])
    assert cells[:-1].tolist() == ([] if expected is None else [expected])


def test_local_scores_follow_the_scores_and_buckets_follow_them() -> None:
    local, hashes = np.array([0.25, -3.0], dtype=np.float32), np.array([5, 6])
    coefficients = np.zeros((4, 1), np.int64)
    columns, cells = fill_row(
        np.array([2.0, np.nan]), np.zeros(2), np.ones(2), 10.0, hashes, coefficients, np.zeros(1), local
    )
    assert columns.tolist() == [0, 2, 3, 4, 6, 7]
    assert cells.tolist() == [3.0, 0.0, 0.25, -3.0, 1.0, 1.0]
