"""Balances the classes of a training set, and chooses the columns that the trees are offered.

Only training rows are ever resampled; what a strategy does to the score is judged on folds that it has not touched.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES
from housing_assets.training.parameters import Strategy

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

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
    X : csr_matrix of shape (n_rows, n_offered), float32
        Encoded listings, the offered columns only.
    y : ndarray of shape (n_rows,), int8
        Index into ``CATEGORIES``.
    weights : ndarray of shape (n_rows,), float64
        Ones unless the strategy is ``class_weight``.
    columns : ndarray of shape (n_offered,), int32
        Which columns of the encoded matrix are offered, ascending.
    n_columns : int
        Columns of the encoded matrix.
    strategy : str
        How the classes were balanced.
    min_rows, seed : int
        Rows that fill every offered column at least, and the seed of the synthetic rows.
    """

    X: "csr_matrix"
    y: np.ndarray
    weights: np.ndarray
    columns: np.ndarray
    n_columns: int
    strategy: Strategy
    min_rows: int = 1
    seed: int = 0

    def fingerprint(self) -> str:
        """Return a SHA-256 of rows, labels and weights."""
        digest = hashlib.sha256()
        for array in (self.X.indptr, self.X.indices, self.X.data, self.y, self.weights):
            digest.update(str(array.dtype).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``rows.npz`` (CSR) and ``labels.npz`` to a folder."""
        from scipy.sparse import save_npz

        save_npz(folder / "rows.npz", self.X, compressed=False)
        np.savez(
            folder / "labels.npz",
            y=self.y,
            weights=self.weights,
            columns=self.columns,
            n_columns=self.n_columns,
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
                X=load_npz(folder / "rows.npz"),
                y=labels["y"],
                weights=labels["weights"],
                columns=labels["columns"],
                n_columns=int(labels["n_columns"]),
                strategy=str(labels["strategy"]),  # type: ignore[arg-type]
                min_rows=int(labels["min_rows"]),
                seed=int(labels["seed"]),
            )


def class_counts(y: np.ndarray) -> dict[str, int]:
    """Return the number of rows of each category."""
    return dict(zip(CATEGORIES, np.bincount(y, minlength=len(CATEGORIES)).tolist(), strict=True))


def target_counts(y: np.ndarray) -> dict[int, int]:
    """Return how many rows each class is to have: the majority's count, or twice its own where that is less."""
    counts = np.bincount(y, minlength=len(CATEGORIES))
    return {label: int(min(MAX_GROWTH * count, counts.max())) for label, count in enumerate(counts) if count}


def supported_columns(X: "csr_matrix", min_rows: int) -> np.ndarray:
    """Return the columns that are not zero in at least ``min_rows`` rows, ascending, int32.

    A column that no training row fills cannot split a node; one that a handful fills costs as much to search as any
    other and decides next to nothing.
    """
    return np.flatnonzero(np.bincount(X.indices[X.data != 0], minlength=X.shape[1]) >= min_rows).astype(np.int32)


def oversample(X: "csr_matrix", y: np.ndarray, seed: int) -> "tuple[csr_matrix, np.ndarray]":
    """Add synthetic rows by SMOTE (Chawla et al. 2002), without making the matrix dense.

    Parameters
    ----------
    X : csr_matrix of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
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

    require_neighbours(y)
    sampler = SMOTE(sampling_strategy=target_counts(y), k_neighbors=SMOTE_NEIGHBOURS, random_state=seed)
    balanced_X, balanced_y = sampler.fit_resample(X, y)
    return balanced_X.tocsr().astype(np.float32, copy=False), balanced_y.astype(np.int8)


def balanced_weights(y: np.ndarray) -> np.ndarray:
    """Return a weight for each row, inverse to its class's share and 1 on average, float64.

    They are the only weights: a forest that is given them has no ``class_weight`` of its own, which would square them.
    """
    counts = np.bincount(y)
    return (len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[y]


def require_neighbours(y: np.ndarray) -> None:
    """Raise ValueError if a class is too small to interpolate between its rows, or too large to search."""
    counts = np.bincount(y, minlength=len(CATEGORIES))
    growing = [label for label, target in target_counts(y).items() if target > counts[label]]
    if growing and counts[growing].max() > MAX_SMOTE_ROWS:
        raise ValueError(
            f"a class of {counts[growing].max():,} listings is to grow, SMOTE searches up to {MAX_SMOTE_ROWS:,}: "
            "choose the strategy 'class_weight'"
        )
    for category, count in class_counts(y).items():
        if count <= SMOTE_NEIGHBOURS:
            raise ValueError(
                f"{count} listings are {category!r}: SMOTE needs more than {SMOTE_NEIGHBOURS} of each class. "
                "Bring more listings, or choose the strategy 'class_weight'."
            )
