"""Folds by time part rows by their days: what is learned from is older than all that is judged."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.training.time_folds import LEARNED_SHARE, time_folds


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("days_of_rows", "share", "judged"),
    [
        (range(100), 0.15, 15),
        (range(100), 0.151, 16),
        (np.repeat(range(10), 10), 0.15, 20),  # rows of one day stay together
        (np.repeat([1, 2, 3], [56, 43, 1]), 0.15, 44),  # coarse dates: more than the share
        (np.repeat([1, 2], [39, 61]), 0.15, None),  # too few are left to learn from
        (np.repeat([5], 100), 0.15, None),
        ([], 0.15, None),
    ],
)
def test_the_newest_share_is_judged_by_whole_days(days_of_rows: range, share: float, judged: int | None) -> None:
    rows = np.asarray(days_of_rows, dtype=np.int64).astype("datetime64[D]")
    folds = time_folds(rows, share, 1)
    assert [int(fold.judge.sum()) for fold in folds] == ([] if judged is None else [judged])
    for fold in folds:
        assert fold.learn.sum() + fold.judge.sum() == len(rows)


def test_rolling_origins_go_back_in_time_one_share_each() -> None:
    rows = np.arange(100).astype("datetime64[D]")
    folds = time_folds(rows, 0.15, 9)
    assert [(int(fold.learn.sum()), int(fold.judge.sum())) for fold in folds] == [
        (85, 15),
        (70, 15),
        (55, 15),
        (40, 15),
    ]
    assert [fold.last_day for fold in folds] == [rows[99], rows[84], rows[69], rows[54]]


def test_rows_without_a_date_are_on_neither_side() -> None:
    rows = days("2014-05-01", "NaT", "2014-05-02", "2014-05-03", "NaT")
    (fold,) = time_folds(rows, 0.3, 1)
    assert fold.learn.tolist() == [True, False, True, False, False]
    assert fold.judge.tolist() == [False, False, False, True, False]
    assert (fold.first_day, fold.last_day) == (rows[3], rows[3])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.floats(0.01, 0.5), st.integers(1, 5))
def test_all_that_is_learned_from_is_older(days_of_rows: list[int], share: float, n_folds: int) -> None:
    rows = np.array(days_of_rows, dtype=np.int64).astype("datetime64[D]")
    folds = time_folds(rows, share, n_folds)
    assert len(folds) <= n_folds
    for fold in folds:
        assert rows[fold.learn].max() < fold.first_day == rows[fold.judge].min()
        assert fold.last_day == rows[fold.judge].max()
        assert fold.judge.sum() >= share * len(rows) - 1e-9
        assert fold.learn.sum() >= LEARNED_SHARE * len(rows)
    for newer, older in pairwise(folds):
        assert older.last_day < newer.first_day
