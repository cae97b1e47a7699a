"""A forest as flat arrays: what is stored, served and judged in place of the scikit-learn object.

The file is an ``.npz`` of plain arrays, read with ``allow_pickle=False`` and checked before a node of it is followed.
``training/flattening.py`` makes it of scikit-learn's forest.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.plain_arrays import ArraysDamaged, load_arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FILE, COVERS = "forest.npz", "forest_covers.npz"

_DTYPES = {
    "roots": np.int32,
    "feature": np.int32,
    "threshold": np.float32,
    "left": np.int32,
    "right": np.int32,
    "distributions": np.float64,
    "columns": np.int32,
    "importance": np.float64,
    "n_columns": np.int32,
}
_NODE = np.dtype([(name, _DTYPES[name]) for name in ("feature", "threshold", "left", "right")])

_NO_LEAVES = np.empty((0, 0), dtype=np.int32)

_ROUNDING = 1e-9
"""How far the class shares of a leaf may be from summing to 1."""


class ForestDamaged(ValueError):
    """A stored forest that cannot be trusted; the message says which array and why."""


@dataclass(frozen=True)
class FlatForest:
    """A random forest for prediction.

    Attributes
    ----------
    roots : ndarray of shape (n_trees,), int32
        Node at which each tree starts.
    nodes : ndarray of shape (n_nodes,), records of 16 bytes
        So that reading a node touches one place in memory: ``feature`` (int32), the index into ``columns`` of the
        column that it compares, -1 in a leaf; ``threshold`` (float32), a row goes left when its value is at most this;
        ``left`` and ``right`` (int32), its children; in a leaf ``left`` is its row of ``distributions`` and ``right``
        its number among the leaves, which the stored arrays do not have.
    distributions : ndarray of shape (n_distributions, n_classes), float64
        Class shares of the leaves, each distinct one once.
    columns : ndarray of shape (n_used,), int32
        The columns of the encoded matrix that the trees use, ascending.
    importance : ndarray of shape (n_used,), float64
        Mean decrease in impurity by each used column, summing to 1.
    n_columns : int
        Columns of the encoded matrix.
    covers : ndarray of shape (n_leaves,), float32, or None
        Weight of the training rows in each leaf, which explanations need; None where a former release grew it.
    """

    roots: np.ndarray
    nodes: np.ndarray
    distributions: np.ndarray
    columns: np.ndarray
    importance: np.ndarray
    n_columns: int
    covers: np.ndarray | None = None

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], covers: np.ndarray | None = None) -> Self:
        """Take the arrays as they are stored."""
        nodes = np.empty(len(arrays["feature"]), dtype=_NODE)
        for name in _NODE.names or ():
            nodes[name] = arrays[name]
        is_leaf = nodes["feature"] < 0
        nodes["right"][is_leaf] = np.arange(np.count_nonzero(is_leaf))
        others = {name: arrays[name] for name in ("roots", "distributions", "columns", "importance")}
        return cls(nodes=nodes, n_columns=int(arrays["n_columns"]), covers=covers, **others)

    @property
    def n_classes(self) -> int:
        """Classes that a leaf has shares of."""
        return int(self.distributions.shape[1])

    @cached_property
    def n_leaves(self) -> int:
        """Leaves of all trees."""
        return int(np.count_nonzero(self.nodes["feature"] < 0))

    def predict_proba(self, encoded: "csr_matrix") -> np.ndarray:
        """Return class probabilities of shape (n_rows, n_classes), float64: the mean of the trees' leaves.

        Parameters
        ----------
        encoded : csr_matrix of shape (n_rows, n_columns), float32
            With sorted or unsorted indices, none twice in a row.

        Raises
        ------
        ValueError
            If the matrix has another number of columns.
        """
        return self._walk_matrix(encoded, _NO_LEAVES)

    def walk(self, encoded: "csr_matrix") -> tuple[np.ndarray, np.ndarray]:
        """Return what ``predict_proba`` returns, and the leaves: int32 of shape (n_rows, n_trees)."""
        leaves = np.empty((encoded.shape[0], len(self.roots)), dtype=np.int32)
        return self._walk_matrix(encoded, leaves), leaves

    def walk_one(self, columns: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the class probabilities, of shape (n_classes,), and the leaves, of shape (n_trees,), of one row.

        Parameters
        ----------
        columns : ndarray of shape (n_filled,), int32
            The columns that it fills.
        cells : ndarray of shape (n_filled,), float32
        """
        leaves = np.empty((1, len(self.roots)), dtype=np.int32)
        return self._walk(np.array([0, len(columns)], dtype=np.int32), columns, cells, leaves)[0], leaves[0]

    def _walk_matrix(self, encoded: "csr_matrix", leaves: np.ndarray) -> np.ndarray:
        if encoded.shape[1] != self.n_columns:
            raise ValueError(f"the matrix has {encoded.shape[1]} columns, the forest was grown on {self.n_columns}")
        return self._walk(encoded.indptr, encoded.indices, encoded.data.astype(np.float32, copy=False), leaves)

    def _walk(self, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        from housing_assets.inference.walk import walk_rows

        return walk_rows(
            indptr,
            indices,
            data,
            self.slots,
            self.roots,
            self.nodes,
            self.distributions,
            len(self.columns),
            leaves,
        )

    @cached_property
    def slots(self) -> np.ndarray:
        """Return for each column of the encoded matrix its index in ``columns``, or -1: int32 of shape (n_columns,)."""
        slots = np.full(self.n_columns, -1, dtype=np.int32)
        slots[self.columns] = np.arange(len(self.columns), dtype=np.int32)
        return slots

    def digest(self) -> str:
        """Return a SHA-256 of the trees (children, features, thresholds, values) and their columns."""
        digest = hashlib.sha256()
        for name, array in self.arrays().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def arrays(self) -> dict[str, Any]:
        """Return the arrays as they are stored."""
        fields = {name: np.ascontiguousarray(self.nodes[name]) for name in _NODE.names or ()}
        fields["right"][fields["feature"] < 0] = 0
        return {
            name: fields[name] if name in fields else np.asarray(getattr(self, name), dtype=dtype)
            for name, dtype in _DTYPES.items()
        }

    def save(self, folder: Path) -> None:
        """Write ``forest.npz`` and, where they are known, ``forest_covers.npz`` to a folder."""
        np.savez(folder / FILE, **self.arrays())
        if self.covers is not None:
            np.savez(folder / COVERS, covers=np.asarray(self.covers, dtype=np.float32))

    @classmethod
    def load(cls, folder: Path, *, with_covers: bool | None = None) -> Self:
        """Read what ``save`` wrote.

        Parameters
        ----------
        folder : Path
        with_covers : bool, optional
            Whether the covers are to be there; by default, they are read where they are.

        Raises
        ------
        ForestDamaged
            If the file is not such an archive, or an index would lead out of the arrays.
        """
        try:
            arrays = load_arrays(folder / FILE, _DTYPES, {"distributions": 2, "n_columns": 0})
        except ArraysDamaged as fault:
            raise ForestDamaged(f"{FILE}: not a stored forest: {fault}") from None
        _validate(arrays, FILE)
        wanted = (folder / COVERS).is_file() if with_covers is None else with_covers
        return cls.from_arrays(arrays, _load_covers(folder, arrays) if wanted else None)


def _load_covers(folder: Path, arrays: Mapping[str, Any]) -> np.ndarray:
    try:
        covers = load_arrays(folder / COVERS, {"covers": np.float32}, {})["covers"]
    except ArraysDamaged as fault:
        raise ForestDamaged(f"{COVERS}: not the covers of a forest: {fault}") from None
    n_leaves = np.count_nonzero(arrays["feature"] < 0)
    if len(covers) != n_leaves or not ((covers > 0) & np.isfinite(covers)).all():
        raise ForestDamaged(f"{COVERS}: expected a weight above 0 for each of {n_leaves:,} leaves")
    return covers


def _validate(arrays: Mapping[str, Any], name: str) -> None:
    def require(condition: Any, message: str) -> None:
        if not condition:
            raise ForestDamaged(f"{name}: {message}")

    n_nodes = len(arrays["feature"])
    require(all(len(arrays[field]) == n_nodes for field in ("threshold", "left", "right")), "arrays differ in length")
    require(len(arrays["roots"]) and len(arrays["distributions"]), "no trees")
    shares = arrays["distributions"]
    require(shares.shape[1] >= 2, f"leaves have {shares.shape[1]} classes, at least 2 are needed")
    require(((shares >= 0) & (shares <= 1)).all(), "a leaf's class share is not within 0 to 1")
    require((np.abs(shares.sum(axis=1) - 1) < _ROUNDING).all(), "a leaf's class shares do not sum to 1")
    require(np.isfinite(arrays["threshold"]).all(), "a threshold is not finite")
    columns, n_columns = arrays["columns"], int(arrays["n_columns"])
    require((columns[1:] > columns[:-1]).all(), "columns are not ascending")
    require(len(arrays["importance"]) == len(columns), "importance has another length than columns")
    require(((columns >= 0) & (columns < n_columns)).all(), "a column is out of bounds")
    roots, position = arrays["roots"], np.arange(n_nodes)
    require(roots[0] == 0 and (roots[1:] > roots[:-1]).all() and roots[-1] < n_nodes, "a root is out of bounds")
    feature, inner = arrays["feature"], arrays["feature"] >= 0
    require((feature >= -1).all() and (feature < len(columns)).all(), "a feature is out of bounds")
    left, right = arrays["left"], arrays["right"]
    ends = np.append(roots[1:], n_nodes)[np.searchsorted(roots, position, side="right") - 1]
    for child in (left, right):
        require((child[inner] > position[inner]).all(), "a child stands before its parent")
        require((child[inner] < ends[inner]).all(), "a child is out of its tree")
    require(((left[~inner] >= 0) & (left[~inner] < len(shares))).all(), "a leaf's distribution is out of bounds")
