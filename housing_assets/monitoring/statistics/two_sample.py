"""Two-sample statistics on counts: pure functions that know neither columns nor thresholds.

Everywhere n is the reference's rows, m the window's, and c = 1/n + 1/m. Effects are debiased: they are around 0 without
drift, whatever n and m are. Counts need not be whole: those of rows that come together are divided by their design
effect.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

MIN_EXPECTED = 5.0
"""Expected count below which a cell of a χ² test is pooled (Cochran 1954), and a normal approximation is not used."""

_PRIOR = 0.5
"""Jeffreys' prior: added to each cell before shares are formed, so that an empty one has no infinite logarithm."""


class Divergence(NamedTuple):
    """How far two samples of counts lie apart.

    Attributes
    ----------
    value : float
        The statistic as it is known.
    effect : float
        The statistic less what it is expected to be without drift; may be negative.
    p : float
        Probability of at least this value without drift.
    """

    value: float
    effect: float
    p: float


def population_stability(reference: np.ndarray, window: np.ndarray) -> Divergence:
    """Return the population stability index Σ (q − p) ln(q / p), in nats.

    Cells that are empty in both samples are left out. Without drift PSI / c is distributed as χ² with K − 1 degrees of
    freedom, so that (K − 1) c is what is expected and taken off (Yurdakul 2018, "Statistical properties of the
    population stability index").

    Parameters
    ----------
    reference, window : ndarray of shape (n_cells,)
        Counts of the same K cells.
    """
    p, q, bias, c = _smoothed_shares(reference, window)
    value = float(((q - p) * np.log(q / p)).sum())
    return Divergence(value, value - bias, _chi_square_tail(value / c, bias / c) if c else 1.0)


def kullback_leibler(reference: np.ndarray, window: np.ndarray) -> Divergence:
    """Return the divergence Σ q ln(q / p) of the window from the reference, in nats.

    Without drift 2 KL / c is distributed as χ² with K − 1 degrees of freedom (Wilks 1938).

    Parameters
    ----------
    reference, window : ndarray of shape (n_cells,)
        Counts of the same K cells.
    """
    p, q, bias, c = _smoothed_shares(reference, window)
    value = float((q * np.log(q / p)).sum())
    return Divergence(value, value - bias / 2, _chi_square_tail(2 * value / c, bias / c) if c else 1.0)


def kolmogorov_smirnov(reference: np.ndarray, window: np.ndarray) -> Divergence:
    """Return the largest distance D of two cumulative distributions, 0 to 1, from histograms over the same edges.

    It is at most the mass of the fullest bin below that of the values themselves; p is that of the limiting
    distribution at D √(n m / (n + m)) (Smirnov 1948), and too large where values are tied.

    Parameters
    ----------
    reference, window : ndarray of shape (n_bins,)
        Counts, in the order of the values; neither is empty.
    """
    n, m = float(reference.sum()), float(window.sum())
    distance = float(np.abs(np.cumsum(reference) / n - np.cumsum(window) / m).max())
    return Divergence(distance, distance, float(special.kolmogorov(distance * np.sqrt(n * m / (n + m)))))


def chi_square(reference: np.ndarray, window: np.ndarray) -> Divergence:
    """Test two samples of categories for one distribution: value is χ², effect a debiased Cramér's V, 0 to 1.

    V is that of two samples that weigh the same, V² = ½ Σ (q − p)² / (q + p), less the (K − 1) c / 4 expected without
    drift (as Bergsma 2013, "A bias-correction for Cramér's V and Tschuprow's T", takes it off the usual V²). Weighed by
    their rows, a shift would look the smaller the more the samples differ in size. For the test, cells of which either
    sample is expected to have fewer than ``MIN_EXPECTED`` are pooled.

    Parameters
    ----------
    reference, window : ndarray of shape (n_cells,)
        Counts of the same K cells; neither sample is empty.
    """
    counts = np.stack([reference, window]).astype(np.float64)
    rows, filled = counts.sum(axis=1), counts.sum(axis=0) > 0
    p, q = counts[:, filled] / rows[:, np.newaxis]
    association = ((q - p) ** 2 / (q + p)).sum() / 2 - (len(p) - 1) * (1 / rows).sum() / 4
    v = float(np.sqrt(max(0.0, association)))
    table = _pooled(counts)
    n_cells = table.shape[1]
    if n_cells < 2:
        return Divergence(0.0, v, 1.0)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / rows.sum()
    value = float(((table - expected) ** 2 / expected).sum())
    return Divergence(value, v, _chi_square_tail(value, n_cells - 1))


def compare_proportions(hits: float, n: float, window_hits: float, m: float) -> float:
    """Return the two-sided p of two proportions being one.

    It is the pooled z-test, or, where a cell of the table is expected to have fewer than ``MIN_EXPECTED``, the exact
    conditional test of two Poisson rates (Przyborowski & Wilenski 1940), in which the rarer outcome of the window is
    binomial.
    """
    total, pooled = n + m, hits + window_hits
    if not 0 < pooled < total or not n or not m:
        return 1.0
    rare = min(pooled, total - pooled)
    if rare * min(n, m) / total < MIN_EXPECTED:
        found = window_hits if rare == pooled else m - window_hits
        above = float(special.betainc(found, rare - found + 1, m / total)) if found else 1.0
        below = float(special.betaincc(found + 1, rare - found, m / total)) if found < rare else 1.0
        return min(1.0, 2 * min(above, below))
    share = pooled / total
    z = (window_hits / m - hits / n) / np.sqrt(share * (1 - share) * (1 / n + 1 / m))
    return two_sided(float(z))


def two_sided(z: float) -> float:
    """Return the probability of a normal deviate at least as far from 0."""
    return float(2 * special.ndtr(-abs(z)))


def _smoothed_shares(reference: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return both samples' shares, (K − 1) c, and c; c is 0 where there is nothing to compare."""
    filled = (reference > 0) | (window > 0)
    n, m, n_cells = reference.sum(), window.sum(), int(filled.sum())
    if n_cells < 2 or not n or not m:
        return np.ones(1), np.ones(1), 0.0, 0.0
    c = float(1 / n + 1 / m)
    p = (reference[filled] + _PRIOR) / (n + _PRIOR * n_cells)
    q = (window[filled] + _PRIOR) / (m + _PRIOR * n_cells)
    return p, q, (n_cells - 1) * c, c


def _chi_square_tail(value: float, freedom: float) -> float:
    return float(special.chdtrc(freedom, max(value, 0.0)))


def _pooled(table: np.ndarray) -> np.ndarray:
    """Put the cells with too small an expectation together, and, if need be, with the smallest of the others."""
    cells = table.sum(axis=0)
    smallest_sample = table.sum(axis=1).min() / table.sum()
    order = np.argsort(cells, kind="stable")
    table, expected = table[:, order], cells[order] * smallest_sample
    table, expected = table[:, expected > 0], expected[expected > 0]
    n_pooled = int((expected < MIN_EXPECTED).sum())
    if not n_pooled:
        return table
    if expected[:n_pooled].sum() < MIN_EXPECTED:
        n_pooled += 1
    return np.column_stack([table[:, :n_pooled].sum(axis=1), table[:, n_pooled:]])
