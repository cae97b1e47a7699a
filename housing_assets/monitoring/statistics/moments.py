"""How far median, spread and skewness of a number have moved, in units of the reference."""

from typing import NamedTuple

import numpy as np

from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.statistics.two_sample import compare_proportions, two_sided

TAIL = 0.025
"""Share of the reference on either side beyond which values count as the last within, for spread and skewness: an ad
for a square kilometre would else decide both."""


IQR_OF_NORMAL = 1.349
"""Interquartile range of a normal distribution, in its standard deviations."""


class Movement(NamedTuple):
    """A moment's change, and the two-sided p of there being none."""

    value: float
    p: float


def median_shift(reference: NumberProfile, window: NumberProfile, design_effect: float = 1.0) -> Movement:
    """Return the window's median less the reference's, in standard deviations of the reference's middle half.

    These are the interquartile range over 1.349, as of a normal distribution: an ad for a square kilometre moves
    neither. A reference without such a spread has its own standard deviation for it, or 1. p is that of the share
    of either sample below the window's median.

    Parameters
    ----------
    reference, window : NumberProfile
    design_effect : float
        Rows of the window that tell as much as an independent one.
    """
    difference = _median(window) - _median(reference)
    if not difference:
        return Movement(0.0, 1.0)
    unit = (reference.quantile(0.75) - reference.quantile(0.25)) / IQR_OF_NORMAL or reference.deviation or 1.0
    up_to = int(np.searchsorted(np.cumsum(window.counts), window.present / 2, side="left")) + (difference < 0)
    below, window_below = float(reference.counts[:up_to].sum()), float(window.counts[:up_to].sum())
    p = compare_proportions(below, reference.present, window_below / design_effect, window.present / design_effect)
    return Movement(difference / unit, p)


def spread_ratio(reference: NumberProfile, window: NumberProfile, design_effect: float = 1.0) -> Movement:
    """Return the window's standard deviation over the reference's, both without the tails; 1 where that has none.

    p is that of the difference of the variances, whose error follows from the reference's kurtosis.
    """
    expected, found = _without_tails(reference, reference), _without_tails(window, reference)
    if not expected.variance:
        return Movement(1.0, 1.0)
    kurtosis = expected.mean_of(expected.standardized**4)
    error = expected.variance * np.sqrt((kurtosis - 1) * (1 / reference.present + design_effect / window.present))
    p = two_sided((found.variance - expected.variance) / error) if error else 1.0
    return Movement(float(np.sqrt(found.variance / expected.variance)), p)


def skew_difference(reference: NumberProfile, window: NumberProfile, design_effect: float = 1.0) -> Movement:
    """Return the window's skewness less the reference's, both without the tails; 0 where one has no spread.

    The error of a skewness g is that of its influence function z³ − 3z − g − 3g(z² − 1)/2. The larger of both samples'
    is taken for either: a small window that happens to lack a rare value looks surer of its own than it can be.
    """
    expected, found = _without_tails(reference, reference), _without_tails(window, reference)
    if not expected.variance or not found.variance:
        return Movement(0.0, 1.0)
    difference = found.skewness - expected.skewness
    variance = max(expected.skewness_variance, found.skewness_variance)
    error = np.sqrt(variance * (1 / reference.present + design_effect / window.present))
    return Movement(difference, two_sided(difference / error) if error else 1.0)


def _median(profile: NumberProfile) -> float:
    """Return the median; where it lies outside of the reference's range, in which values are told apart, the mean."""
    median, beyond = profile.quantile(0.5), profile.present / 2
    if profile.counts[0] >= beyond:
        return min(median, profile.mean)
    return max(median, profile.mean) if profile.counts[-1] > beyond else median


class _Shape:
    """Moments of values by their shares."""

    def __init__(self, positions: np.ndarray, shares: np.ndarray):
        self.shares = shares
        centred = positions - self.mean_of(positions)
        self.variance = self.mean_of(centred**2)
        self.standardized = centred / np.sqrt(self.variance or 1.0)
        self.skewness = self.mean_of(self.standardized**3)

    def mean_of(self, numbers: np.ndarray) -> float:
        return float(self.shares @ numbers)

    @property
    def skewness_variance(self) -> float:
        z, g = self.standardized, self.skewness
        return self.mean_of((z**3 - 3 * z - g - 1.5 * g * (z**2 - 1)) ** 2)


def _without_tails(profile: NumberProfile, reference: NumberProfile) -> _Shape:
    positions = np.clip(reference.positions, reference.quantile(TAIL), reference.quantile(1 - TAIL))
    return _Shape(positions, profile.counts / profile.present)
