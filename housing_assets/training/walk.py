"""The compiled loop that walks rows down the trees of a flat forest.

It trusts its indices: ``FlatForest.load`` has checked every one of them.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, boundscheck=False)
def walk_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    slots: np.ndarray,
    roots: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    distributions: np.ndarray,
    n_slots: int,
) -> np.ndarray:
    """Return the mean leaf distribution of each CSR row; only the slots that a row fills are touched."""
    n_rows, n_classes, n_trees = len(indptr) - 1, distributions.shape[1], len(roots)
    probabilities = np.zeros((n_rows, n_classes))
    row_values = np.zeros(n_slots, dtype=np.float32)
    for row in range(n_rows):
        for entry in range(indptr[row], indptr[row + 1]):
            slot = slots[indices[entry]]
            if slot >= 0:
                row_values[slot] = data[entry]
        for tree in range(n_trees):
            node = roots[tree]
            while feature[node] >= 0:
                node = left[node] if row_values[feature[node]] <= threshold[node] else right[node]
            for category in range(n_classes):
                probabilities[row, category] += distributions[left[node], category]
        for entry in range(indptr[row], indptr[row + 1]):
            slot = slots[indices[entry]]
            if slot >= 0:
                row_values[slot] = 0.0
        for category in range(n_classes):
            probabilities[row, category] /= n_trees
    return probabilities
