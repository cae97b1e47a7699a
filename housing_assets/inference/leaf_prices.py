"""The compiled loops over the members of leaves. They trust their indices: ``PriceEstimator.load`` has checked them."""

import math

import numpy as np
from numba import njit

LEVELS = np.array([0.1, 0.16, 0.25, 0.5, 0.75, 0.84, 0.9])
"""Quantiles that intervals begin with: the ends of ``estimate.COVERAGES``, around the median."""

NARROWEST = 0.005
"""Least distance, as a log, of an interval's end from the median before calibration: leaves may agree by chance."""

_BITS = 8
_GROUP = 1 << _BITS
"""Members are sorted into groups of so many listings, whose weights fit into the fastest memory. One request follows
another's work: what it reads is far away, and an array with a weight for each listing took twice the time."""


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
    n_groups = (len(values) >> _BITS) + 1
    firsts, ends = np.empty(n_trees, dtype=np.int32), np.empty(n_trees, dtype=np.int32)
    filled, sums = np.empty(n_groups, dtype=np.int64), np.empty(n_groups)
    quantiles = np.empty(len(LEVELS))
    estimates = np.empty((n_rows, 8))
    for row in range(n_rows):
        total, n_members = 0.0, 0
        filled[:] = 0
        sums[:] = 0.0
        for tree in range(n_trees):  # the first members alone, so that their cache misses overlap
            first, end = starts[leaves[row, tree]], starts[leaves[row, tree] + 1]
            firsts[tree], ends[tree] = first, end
            if first < end:
                total += 1.0
                n_members += end - first
                filled[members[first] >> _BITS] += 1
        for tree in range(n_trees):
            for position in range(firsts[tree] + 1, ends[tree]):
                filled[members[position] >> _BITS] += 1
        begun = 0
        for group in range(n_groups):
            filled[group], begun = begun, begun + filled[group]
        within, weights = np.empty(n_members, dtype=np.uint8), np.empty(n_members)
        for tree in range(n_trees):
            weight = 1.0 / max(ends[tree] - firsts[tree], 1)
            for position in range(firsts[tree], ends[tree]):
                member = members[position]
                group = member >> _BITS
                within[filled[group]] = member & (_GROUP - 1)
                weights[filled[group]] = weight
                filled[group] += 1
                sums[group] += weight
        most = _find_quantiles(within, weights, filled, sums, values, total, quantiles)
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
    within: np.ndarray,
    weights: np.ndarray,
    ends: np.ndarray,
    sums: np.ndarray,
    values: np.ndarray,
    total: float,
    quantiles: np.ndarray,
) -> int:
    """Find the quantiles, and return in how many leaves the most frequent member stands.

    ``within`` are the members, sorted by group, as their positions in it; ``ends`` says where each group ends, ``sums``
    what its weights sum to.
    """
    summed, shared = np.zeros(_GROUP), np.zeros(_GROUP, dtype=np.int32)
    below, level, most, first = 0.0, 0, 0, 0
    for group in range(len(ends)):
        for position in range(first, ends[group]):
            member = within[position]
            summed[member] += weights[position]
            shared[member] += 1
            most = max(most, shared[member])
        while level < len(LEVELS) and first < ends[group] and below + sums[group] >= LEVELS[level] * total:
            reached, found = below, 0
            for member in range(_GROUP):
                if summed[member] > 0.0:
                    found = member
                    reached += summed[member]
                    if reached >= LEVELS[level] * total:
                        break
            quantiles[level] = values[(group << _BITS) + found]
            level += 1
        below += sums[group]
        for position in range(first, ends[group]):
            summed[within[position]], shared[within[position]] = 0.0, 0
        first = ends[group]
    return most


@njit(cache=True, nogil=True, boundscheck=False)
def count_shared(leaves: np.ndarray, starts: np.ndarray, members: np.ndarray, n_listings: int) -> np.ndarray:
    """Return in how many of one row's leaves each training listing stands: int32 of shape (n_listings,)."""
    shared = np.zeros(n_listings, dtype=np.int32)
    for leaf in leaves:
        for position in range(starts[leaf], starts[leaf + 1]):
            shared[members[position]] += 1
    return shared
