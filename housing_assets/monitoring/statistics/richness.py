"""How many different values a window has, and how many the reference never had, against what is to be expected.

Both grow with the number of rows without any drift, so that neither may be compared as it is.
"""

from typing import NamedTuple

import numpy as np
from scipy import special


class Growth(NamedTuple):
    """What was found against what is expected of as many rows without drift.

    Attributes
    ----------
    found, expected : float
        Distinct values, or rows.
    p : float
        Probability of finding at least as many.
    """

    found: float
    expected: float
    p: float


def distinct_values(reference: np.ndarray, window: np.ndarray) -> Growth:
    """Compare the distinct values of a window with those of as many rows drawn from both samples together.

    The expectation is rarefaction, Σ 1 − C(N − c_k, m) / C(N, m) over the pooled counts c_k (Hurlbert 1971, "The
    nonconcept of species diversity"). p is that of a translated Poisson variable (Röllin 2007) with the variance of
    independent values, which is more than the true one.

    Parameters
    ----------
    reference, window : ndarray of shape (n_values,)
        Counts of the same values.
    """
    pooled, values = np.unique(reference + window, return_counts=True)
    n, m = int(reference.sum()), int(window.sum())
    found = int(np.count_nonzero(window))
    if not n or not m:
        return Growth(found, float(found), 1.0)
    possible = np.minimum(pooled, n)  # of a value with more rows than n the window cannot but have one
    log_absent = (
        special.gammaln(n + m - possible + 1)
        - special.gammaln(n - possible + 1)
        - special.gammaln(n + m + 1)
        + special.gammaln(n + 1)
    )
    present = np.where(pooled <= n, -np.expm1(log_absent), 1.0)
    present[pooled == 0] = 0.0
    expected = float((values * present).sum())
    variance = float((values * present * (1 - present)).sum())
    if found <= expected:
        return Growth(found, expected, 1.0)
    return Growth(found, expected, float(special.gammainc(found - expected + variance, variance)))


class Loss(NamedTuple):
    """Values of the reference that a window lacks, against how many would be lacking without drift.

    Attributes
    ----------
    found, expected : float
        Rows of the reference in values that the window lacks.
    share : float
        Rows of the reference in values that are lacking beyond what is expected, of those in values that are not
        expected to be: 0 without drift, 1 if none of them is there.
    p : float
        Probability of at least as many.
    """

    found: float
    expected: float
    share: float
    p: float


def vanished_values(reference: np.ndarray, window: np.ndarray, design_effect: float = 1.0) -> Loss:
    """Compare the rows of values that a window lacks with what chance leaves out of as many rows.

    Given how often a value occurs in both samples together, t, all of it falls into the reference with the probability
    (n / (n + m))ᵗ: as in rarefaction, its total is held fixed. p is that of a normal deviate.

    Parameters
    ----------
    reference, window : ndarray of shape (n_values,)
        Counts of the same values.
    design_effect : float
        Rows of the window that tell as much as an independent one.
    """
    n, m = float(reference.sum()), float(window.sum()) / design_effect
    found = float(reference[window == 0].sum())
    if not n or not m:
        return Loss(found, found, 0.0, 1.0)
    together = reference + window / design_effect
    absent = (n / (n + m)) ** together
    expected = float((together * absent).sum())
    variance = float((together**2 * absent * (1 - absent)).sum())
    p = float(special.ndtr((expected - found) / np.sqrt(variance))) if variance else 1.0
    return Loss(found, expected, (found - expected) / max(n - expected, 1.0), p)


def unseen_rows(reference: np.ndarray, window: np.ndarray, design_effect: float = 1.0) -> Growth:
    """Compare a window's rows in values the reference never had with what the reference's rare values foretell.

    The expected share is that of the values the reference has once (Good 1953, "The population frequencies of
    species", after Turing). The rows of one unseen value come together: the variance of their number has a term by the
    values that the reference has twice. p is that of a negative binomial of this mean and variance.

    Parameters
    ----------
    reference, window : ndarray of shape (n_values,)
        Counts of the same values.
    design_effect : float
        Rows of the window that tell as much as an independent one: p is that of so many fewer.
    """
    n, m = int(reference.sum()), int(window.sum())
    found = int(window[reference == 0].sum())
    if not n or not m:
        return Growth(found, float(found), 1.0)
    once = np.count_nonzero(reference == 1) + 0.5  # so that a reference without rare values foretells not quite nothing
    twice = np.count_nonzero(reference == 2)
    expected = once * m / n
    mean, independent = expected / design_effect, found / design_effect
    overdispersion = (once + 2 * twice) * (mean / once) ** 2
    size, success = mean**2 / overdispersion, mean / (mean + overdispersion)
    p = float(special.betainc(independent, size, 1 - success)) if found else 1.0
    return Growth(found, expected, p)
