"""Balances the classes of a training set, and chooses the columns that the trees are offered.

Only training rows are ever resampled; what a strategy does to the score is judged on folds that it has not touched.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.training.parameters import Strategy

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import NearestNeighbors

MAX_GROWTH = 2
"""A class grows at most to this multiple of its own count: beyond that, more rows are made up than seen."""

SMOTE_NEIGHBOURS = 5

MAX_SMOTE_ROWS = 50_000
"""Rows of a class that is to grow: finding neighbours takes time with their square, some minutes at this number."""


@dataclass(frozen=True)
class TrainingSet:
    """What a forest is grown on.

    Attributes
    ----------
    encoded : csr_matrix of shape (n_rows, n_columns), float32
        Encoded listings, those that there are and those made up, with all columns.
    y : ndarray of shape (n_rows,), int8
        Index of each row's category.
    weights : ndarray of shape (n_rows,), float64
        Ones unless the strategy is ``class_weight``.
    columns : ndarray of shape (n_offered,), int32
        Which of the encoded columns are offered, ascending.
    n_classes : int
        Categories that there are.
    strategy : str
        How the classes were balanced.
    min_rows, seed : int
        Rows that had to fill a column for it to be offered, and the seed of the synthetic rows.
    """

    encoded: "csr_matrix"
    y: np.ndarray
    weights: np.ndarray
    columns: np.ndarray
    n_classes: int
    strategy: Strategy
    min_rows: int = 1
    seed: int = 0

    @cached_property
    def X(self) -> "csr_matrix":  # noqa: N802 - as scikit-learn has it
        """The rows with the offered columns only: csr_matrix of shape (n_rows, n_offered), float32."""
        return self.encoded[:, self.columns]

    @property
    def n_columns(self) -> int:
        """Columns of the encoded rows."""
        return int(self.encoded.shape[1])

    def offering(self, columns: np.ndarray) -> Self:
        """Return the same rows with other columns offered: those of a forest that is to be fine-tuned."""
        return replace(self, columns=columns)

    def fingerprint(self) -> str:
        """Return a SHA-256 of rows, labels and weights, whichever columns are offered."""
        digest = hashlib.sha256()
        for array in (self.encoded.indptr, self.encoded.indices, self.encoded.data, self.y, self.weights):
            digest.update(str(array.dtype).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``rows.npz`` (CSR) and ``labels.npz`` to a folder."""
        from scipy.sparse import save_npz

        save_npz(folder / "rows.npz", self.encoded, compressed=False)
        np.savez(
            folder / "labels.npz",
            y=self.y,
            weights=self.weights,
            columns=self.columns,
            n_classes=self.n_classes,
            strategy=self.strategy,
            min_rows=self.min_rows,
            seed=self.seed,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        from scipy.sparse import load_npz

        with np.load(folder / "labels.npz", allow_pickle=False) as labels:
            return cls(
                encoded=load_npz(folder / "rows.npz"),
                y=labels["y"],
                weights=labels["weights"],
                columns=labels["columns"],
                n_classes=int(labels["n_classes"]),
                strategy=str(labels["strategy"]),  # type: ignore[arg-type]
                min_rows=int(labels["min_rows"]),
                seed=int(labels["seed"]),
            )


def class_counts(y: np.ndarray, categories: Sequence[str]) -> dict[str, int]:
    """Return the number of rows of each category."""
    return dict(zip(categories, np.bincount(y, minlength=len(categories)).tolist(), strict=True))


def target_counts(y: np.ndarray, n_classes: int) -> dict[int, int]:
    """Return how many rows each class is to have: the majority's count, or twice its own where that is less."""
    counts = np.bincount(y, minlength=n_classes)
    return {label: int(min(MAX_GROWTH * count, counts.max())) for label, count in enumerate(counts) if count}


def supported_columns(X: "csr_matrix", min_rows: int) -> np.ndarray:
    """Return the columns that are not zero in at least ``min_rows`` rows, ascending, int32.

    A column that no training row fills cannot split a node; one that a handful fills costs as much to search as any
    other and decides next to nothing.
    """
    return np.flatnonzero(np.bincount(X.indices[X.data != 0], minlength=X.shape[1]) >= min_rows).astype(np.int32)


def oversample(
    X: "csr_matrix", y: np.ndarray, columns: np.ndarray, categories: Sequence[str], seed: int
) -> "tuple[csr_matrix, np.ndarray]":
    """Add synthetic rows by SMOTE (Chawla et al. 2002), without making the matrix dense.

    Parameters
    ----------
    X : csr_matrix of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
    columns : ndarray of shape (n_offered,)
        By which neighbours are sought; all columns are interpolated.
    categories : sequence of str
    seed : int

    Returns
    -------
    X, y : csr_matrix of shape (n_rows + n_synthetic, n_columns), ndarray
        The given rows first, in order.

    Raises
    ------
    ValueError
        If a class that is to grow has too few rows to have neighbours.
    """
    from imblearn.over_sampling import SMOTE

    require_neighbours(y, categories)
    counts = target_counts(y, len(categories))
    sampler = SMOTE(sampling_strategy=counts, k_neighbors=_neighbours_by(columns), random_state=seed)
    balanced_X, balanced_y = sampler.fit_resample(X, y)
    return balanced_X.tocsr().astype(np.float32, copy=False), balanced_y.astype(np.int8)


def _neighbours_by(columns: np.ndarray) -> "NearestNeighbors":
    """Return an estimator of neighbours that sees these columns only: rare ones would keep like listings apart."""
    from sklearn.neighbors import NearestNeighbors

    class NeighboursByColumns(NearestNeighbors):  # type: ignore[misc]
        def fit(self, X: "csr_matrix", y: None = None) -> Self:
            return super().fit(X[:, columns], y)

        def kneighbors(self, X: "csr_matrix", n_neighbors: int | None = None, return_distance: bool = True) -> Any:
            return super().kneighbors(X[:, columns], n_neighbors, return_distance)

    return NeighboursByColumns(n_neighbors=SMOTE_NEIGHBOURS + 1)  # each row is the nearest to itself


def balanced_weights(y: np.ndarray) -> np.ndarray:
    """Return a weight for each row, inverse to its class's share and 1 on average, float64.

    They are the only weights: a forest that is given them has no ``class_weight`` of its own, which would square them.
    """
    counts = np.bincount(y)
    return (len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[y]


def require_neighbours(y: np.ndarray, categories: Sequence[str]) -> None:
    """Raise ValueError if a class is too small to interpolate between its rows, or too large to search."""
    counts = np.bincount(y, minlength=len(categories))
    targets = target_counts(y, len(categories))
    growing = [label for label, target in targets.items() if target > counts[label]]
    if growing and counts[growing].max() > MAX_SMOTE_ROWS:
        raise ValueError(
            f"a class of {counts[growing].max():,} listings is to grow, SMOTE searches up to {MAX_SMOTE_ROWS:,}: "
            "choose the strategy 'class_weight'"
        )
    for category, count in class_counts(y, categories).items():
        if count <= SMOTE_NEIGHBOURS:
            raise ValueError(
                f"{count} listings are {category!r}: SMOTE needs more than {SMOTE_NEIGHBOURS} of each class. "
                "Bring more listings, or choose the strategy 'class_weight'."
            )
