"""The compiled loops over the members of leaves. They trust their indices: ``PriceEstimator.load`` has checked them."""

import math

import numpy as np
from numba import njit

LEVELS = np.array([0.1, 0.16, 0.25, 0.5, 0.75, 0.84, 0.9])
"""Quantiles that intervals begin with: the ends of ``estimate.COVERAGES``, around the median."""

NARROWEST = 0.005
"""Least distance, as a log, of an interval's end from the median before calibration: leaves may agree by chance."""

_BITS = 8
"""Listings are summed up in groups of 2**_BITS, so that a quantile is found without looking at each."""


@njit(cache=True, nogil=True, boundscheck=False)
def estimate_rows(
    leaves: np.ndarray,
    starts: np.ndarray,
    members: np.ndarray,
    values: np.ndarray,
    known: np.ndarray,
    factors: np.ndarray,
) -> np.ndarray:
    """Return what ``PriceEstimator.estimate`` says, for calibration factors of shape (n_rows, 3); NaN without members.

    A quantile is the lowest value below or at which its share of the weight lies.
    """
    n_rows, n_trees = leaves.shape
    n_listings = len(values)
    weights = np.zeros(n_listings)
    groups = np.zeros((n_listings >> _BITS) + 1)
    shared = np.zeros(n_listings, dtype=np.int32)
    quantiles = np.empty(len(LEVELS))
    estimates = np.empty((n_rows, 8))
    for row in range(n_rows):
        total, most = 0.0, 0
        for tree in range(n_trees):
            first, end = starts[leaves[row, tree]], starts[leaves[row, tree] + 1]
            if first == end:
                continue
            total += 1.0
            weight = 1.0 / (end - first)
            for position in range(first, end):
                member = members[position]
                weights[member] += weight
                groups[member >> _BITS] += weight
                shared[member] += 1
                most = max(most, shared[member])
        _find_quantiles(weights, groups, values, total, quantiles)
        for tree in range(n_trees):
            for position in range(starts[leaves[row, tree]], starts[leaves[row, tree] + 1]):
                member = members[position]
                weights[member], groups[member >> _BITS], shared[member] = 0.0, 0.0, 0
        median = quantiles[3]
        estimates[row, 0] = math.exp(known[row] + median)
        for coverage in range(3):
            below = max(median - quantiles[2 - coverage], NARROWEST) * factors[row, coverage]
            above = max(quantiles[4 + coverage] - median, NARROWEST) * factors[row, coverage]
            estimates[row, 1 + 2 * coverage] = math.exp(known[row] + median - below)
            estimates[row, 2 + 2 * coverage] = math.exp(known[row] + median + above)
        estimates[row, 7] = most / n_trees
        if total == 0.0:
            estimates[row, :7] = np.nan
    return estimates


@njit(cache=True, nogil=True, boundscheck=False)
def _find_quantiles(
    weights: np.ndarray, groups: np.ndarray, values: np.ndarray, total: float, quantiles: np.ndarray
) -> None:
    group, below = 0, 0.0
    for level in range(len(LEVELS)):
        wanted = LEVELS[level] * total
        while group < len(groups) - 1 and below + groups[group] < wanted:
            below += groups[group]
            group += 1
        reached, found = below, 0
        for listing in range(group << _BITS, min((group + 1) << _BITS, len(values))):
            if weights[listing] > 0.0:
                found = listing
                reached += weights[listing]
                if reached >= wanted:
                    break
        quantiles[level] = values[found]


@njit(cache=True, nogil=True, boundscheck=False)
def count_shared(leaves: np.ndarray, starts: np.ndarray, members: np.ndarray, n_listings: int) -> np.ndarray:
    """Return in how many of one row's leaves each training listing stands: int32 of shape (n_listings,)."""
    shared = np.zeros(n_listings, dtype=np.int32)
    for leaf in leaves:
        for position in range(starts[leaf], starts[leaf + 1]):
            shared[members[position]] += 1
    return shared
