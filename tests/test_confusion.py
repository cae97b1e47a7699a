"""Counts of true against predicted categories, and macro-F1 of them, for any number of categories."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from housing_assets.confusion import count_confusion, macro_f1


@pytest.mark.parametrize("n_categories", [2, 3, 20])
def test_confusion_has_true_categories_in_rows(n_categories: int) -> None:
    truth, predicted = np.random.default_rng(0).integers(0, n_categories, (2, 5_000))
    assert np.array_equal(
        count_confusion(truth.astype(np.int8), predicted, n_categories), sk.confusion_matrix(truth, predicted)
    )


def test_a_category_that_no_row_has_is_counted_as_none() -> None:
    only_low = count_confusion(np.array([0, 0], dtype=np.int8), np.array([0, 1]), 3)
    assert only_low.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert count_confusion(np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int64), 2).tolist() == [[0, 0], [0, 0]]


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=40)
        )
    )
)
def test_macro_f1_of_counts_equals_scikit_learns_over_all_categories(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_categories, pairs = drawn
    truth, predicted = (np.array(each) for each in zip(*pairs, strict=True))
    expected = sk.f1_score(truth, predicted, average="macro", labels=range(n_categories), zero_division=0.0)
    assert macro_f1(count_confusion(truth, predicted, n_categories)) == pytest.approx(expected)


def test_macro_f1_of_many_counts_is_that_of_each() -> None:
    counts = np.random.default_rng(0).integers(0, 20, (4, 5, 3, 3))
    found = macro_f1(counts)
    assert found.shape == (4, 5)
    for index in np.ndindex(4, 5):
        assert found[index] == macro_f1(counts[index])
