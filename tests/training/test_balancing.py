"""Balancing: how far classes grow, that SMOTE stays sparse, and what a training set keeps."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse

from housing_assets.features.encoded import EncodedListings
from housing_assets.training.balancing import (
    TrainingSet,
    balanced_weights,
    class_counts,
    oversample,
    require_neighbours,
    supported_columns,
    target_counts,
)

CATEGORIES = ("low", "medium", "high")


def offered(encoded: EncodedListings) -> np.ndarray:
    return supported_columns(encoded.X_train, 20)


def labels_of(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts), dtype=np.int8), counts)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([40, 40, 20], {0: 40, 1: 40, 2: 40}),
        ([100, 80, 10], {0: 100, 1: 100, 2: 20}),
        ([10, 100, 60], {0: 20, 1: 100, 2: 100}),
        ([50, 0, 50], {0: 50, 2: 50}),
        ([7, 7, 7], {0: 7, 1: 7, 2: 7}),
        ([30, 10], {0: 30, 1: 20}),
        ([50, 40, 30, 20, 10], {0: 50, 1: 50, 2: 50, 3: 40, 4: 20}),
    ],
)
def test_a_class_grows_to_twice_its_count_or_the_majority(counts: list[int], expected: dict[int, int]) -> None:
    assert target_counts(labels_of(counts), len(counts)) == expected


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any))
def test_weights_are_one_on_average_and_give_every_class_the_same_sum(counts: list[int]) -> None:
    y = labels_of(counts)
    weights = balanced_weights(y)
    assert weights.mean() == pytest.approx(1.0)
    sums = np.bincount(y, weights=weights)
    assert sums[sums > 0] == pytest.approx(len(y) / np.count_nonzero(counts))


def test_oversampling_brings_the_classes_to_their_target_counts(encoded: EncodedListings) -> None:
    _, y = oversample(encoded.X_train, encoded.y_train, offered(encoded), CATEGORIES, seed=0)
    assert dict(enumerate(np.bincount(y).tolist())) == target_counts(encoded.y_train, 3)
    assert y.dtype == np.int8


def test_the_given_rows_come_first_and_unchanged(encoded: EncodedListings) -> None:
    n = len(encoded.y_train)
    X, y = oversample(encoded.X_train, encoded.y_train, offered(encoded), CATEGORIES, seed=0)
    assert X.shape[0] > n
    assert (X[:n] != encoded.X_train).nnz == 0
    assert np.array_equal(y[:n], encoded.y_train)


def test_synthetic_rows_lie_between_rows_of_their_class(encoded: EncodedListings) -> None:
    n = len(encoded.y_train)
    X, y = oversample(encoded.X_train, encoded.y_train, offered(encoded), CATEGORIES, seed=0)
    for label in np.unique(y[n:]):
        real = encoded.X_train[encoded.y_train == label].toarray()
        made = X[n:][y[n:] == label].toarray()
        assert (made >= real.min(axis=0) - 1e-4).all()
        assert (made <= real.max(axis=0) + 1e-4).all()
        assert not (made[:, None, :50] == real[None, :, :50]).all(axis=2).all(axis=1).any()


def test_oversampling_needs_far_less_memory_than_a_dense_matrix(encoded: EncodedListings) -> None:
    wide = csr_matrix(encoded.X_train, copy=True)
    wide.resize(wide.shape[0], 2**16)
    dense_bytes = wide.shape[0] * wide.shape[1] * wide.dtype.itemsize
    oversample(
        encoded.X_train, encoded.y_train, offered(encoded), CATEGORIES, seed=0
    )  # imports are not what is measured
    tracemalloc.start()
    X, _ = oversample(wide, encoded.y_train, offered(encoded), CATEGORIES, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert issparse(X)
    assert X.format == "csr"
    assert X.dtype == np.float32
    assert peak < dense_bytes / 10


def test_the_seed_decides_the_synthetic_rows(encoded: EncodedListings) -> None:
    first, again, other = (
        oversample(encoded.X_train, encoded.y_train, offered(encoded), CATEGORIES, seed)[0] for seed in (1, 1, 2)
    )
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


@pytest.mark.parametrize("counts", [[40, 40, 5], [40, 40, 0], [2, 40, 40]])
def test_a_class_without_enough_neighbours_is_refused_by_its_name(counts: list[int]) -> None:
    smallest = int(np.argmin(counts))
    name = ("low", "medium", "high")[smallest]
    with pytest.raises(ValueError, match=rf"{counts[smallest]} listings are '{name}': SMOTE needs more than 5"):
        require_neighbours(labels_of(counts), CATEGORIES)
    require_neighbours(labels_of([6, 6, 6]), CATEGORIES)


def test_only_columns_that_enough_rows_fill_are_offered() -> None:
    X = csr_matrix(np.array([[1, 0, 2, -1], [1, 0, 0, 1], [1, 0, 3, 0]], dtype=np.float32))
    X.data[X.data == 3] = 0  # stored, and yet not filled
    assert supported_columns(X, 1).tolist() == [0, 2, 3]
    assert supported_columns(X, 2).tolist() == [0, 3]
    assert supported_columns(X, 3).tolist() == [0]
    assert supported_columns(X, 4).tolist() == []


def test_classes_are_counted_by_name() -> None:
    assert class_counts(labels_of([3, 0, 2]), CATEGORIES) == {"low": 3, "medium": 0, "high": 2}


def test_a_training_set_survives_a_folder(training: TrainingSet, tmp_path: Path) -> None:
    training.save(tmp_path)
    again = TrainingSet.load(tmp_path)
    assert again.fingerprint() == training.fingerprint()
    assert (again.X != training.X).nnz == 0
    assert again.X.shape == training.X.shape
    assert np.array_equal(again.columns, training.columns)
    for name in ("n_columns", "n_classes", "strategy", "min_rows", "seed"):
        assert getattr(again, name) == getattr(training, name)


@pytest.mark.parametrize("changed", ["encoded", "y", "weights"])
def test_the_fingerprint_changes_with_one_cell(training: TrainingSet, changed: str) -> None:
    parts = {"encoded": training.encoded.copy(), "y": training.y.copy(), "weights": training.weights.copy()}
    cells = parts["encoded"].data if changed == "encoded" else parts[changed]
    cells[3] = cells[3] + 1
    assert replace(training, **parts).fingerprint() != training.fingerprint()


def test_columns_offered_later_are_those_of_the_same_rows(training: TrainingSet) -> None:
    columns = training.columns[::2]
    again = training.offering(columns)
    assert (training.X[:, ::2] != again.X).nnz == 0
    assert again.fingerprint() == training.fingerprint()


def test_neighbours_are_sought_by_the_offered_columns_alone(encoded: EncodedListings) -> None:
    columns, n = offered(encoded), len(encoded.y_train)
    others = np.setdiff1d(np.arange(encoded.X_train.shape[1]), columns)
    noisy = encoded.X_train.tolil()
    noisy[:, others[:5]] = np.random.default_rng(0).normal(scale=1e3, size=(n, 5))
    plain, _ = oversample(encoded.X_train, encoded.y_train, columns, CATEGORIES, seed=0)
    made, _ = oversample(noisy.tocsr(), encoded.y_train, columns, CATEGORIES, seed=0)
    assert (made[:, columns] != plain[:, columns]).nnz == 0
    assert made[n:, others].nnz > 0


def test_a_class_too_large_to_search_is_refused_unless_it_keeps_its_size() -> None:
    with pytest.raises(ValueError, match=r"55,000 listings is to grow, SMOTE searches up to 50,000.*'class_weight'"):
        require_neighbours(labels_of([60_000, 55_000, 40_000]), CATEGORIES)
    require_neighbours(labels_of([60_000, 60_000, 50_000]), CATEGORIES)
