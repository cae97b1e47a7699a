"""The course of a price index: smoothed where months are thin, and extrapolated beyond the last one.

The log level is a Gaussian process (Rasmussen and Williams 2006, chapter 2): a constant, a yearly growth, a trend whose
slope fades (Gardner and McKenzie 1985), a random walk, and a season. Each part is as large as months before make it
likely, and all are shrunken: eight months know next to no slope and no season, so that they are extrapolated by next to
nothing; ten years know both.
"""

import numpy as np

from housing_assets.inference.price_index import MONTHS_PER_YEAR

DAMPING = 0.9
"""Part of a month's slope that is left in the next one. On ten years of a city's index, forecasts six months ahead were
as good with 0.95, and worse with 0.8."""

GROWTH = 0.05 / MONTHS_PER_YEAR
"""Standard deviation, a month, of the growth that goes on for ever; around 0."""

TYPICAL = np.log([0.004, 0.003, 0.015])
"""Most likely standard deviations, as logs, of a month's own step, of the slope, and of the season..."""

_SURENESS = np.array([1.0, 1.0, 0.7])
"""...and how far, as standard deviations of the logs, they may be from that: the penalty of the likelihood, without
which few months would often have a variance of 0 (Chung et al. 2013)."""

SEASONAL_FROM = 24
"""Known months from which on a season is told from a trend."""

LEARNED_FROM = 180
"""Months, the newest, that the standard deviations are learned from."""

LEVEL_VARIANCE = 25.0
"""Variance of a constant of which next to nothing is known."""

_JITTER = 1e-9


def extrapolate(
    months: np.ndarray, effects: np.ndarray, covariance: np.ndarray, ahead: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the course of an index from its first month to some months after the last.

    Parameters
    ----------
    months : ndarray of shape (n_observed,), int64
        Ascending; there may be gaps, and months that were observed twice.
    effects : ndarray of shape (n_observed,), float64
        Log levels that were estimated.
    covariance : ndarray of shape (n_observed, n_observed), float64
        Of their errors.
    ahead : int
        Months behind the last.

    Returns
    -------
    logs, errors : ndarray of shape (n_months + ahead,), float64
        Log levels over that of the last observed month, and their standard errors. Where fewer than ``SEASONAL_FROM``
        months are known, a season is part of the errors of extrapolated months alone.
    """
    from threadpoolctl import threadpool_limits

    positions = months - months[0]
    n_known = int(positions[-1]) + 1
    seasonal = n_known >= SEASONAL_FROM
    asked = np.arange(n_known + ahead)
    observed = effects - effects[-1]
    with threadpool_limits(1, user_api="blas"):
        newest = positions >= n_known - LEARNED_FROM
        deviations = _likeliest(
            months[0] + positions[newest], observed[newest], covariance[np.ix_(newest, newest)], seasonal=seasonal
        )
        prior = _prior(_parts(months[0] + asked), deviations, seasonal=seasonal)
        among = prior[np.ix_(positions, positions)] + covariance
        gain = np.linalg.solve(among + _JITTER * np.eye(len(among)), prior[positions])
        levels, spread = gain.T @ observed, prior - prior[:, positions] @ gain
    base = n_known - 1
    variance = np.diag(spread) + spread[base, base] - 2 * spread[base]
    if not seasonal:
        unknown = (asked > base) & ((asked - base) % MONTHS_PER_YEAR != 0)
        variance = variance + np.where(unknown, 2 * np.exp(2 * TYPICAL[2]), 0.0)
    errors = np.sqrt(np.maximum(variance, 0.0))
    errors[base] = 0.0
    return levels - levels[base], errors


def _likeliest(months: np.ndarray, observed: np.ndarray, covariance: np.ndarray, *, seasonal: bool) -> np.ndarray:
    """Return the logs of the parts' standard deviations that make what was observed most likely, penalized."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize

    parts = _parts(months)

    def unlikeliness(deviations: np.ndarray) -> float:
        among = _prior(parts, deviations, seasonal=seasonal) + covariance + _JITTER * np.eye(len(months))
        factor = cho_factor(among, lower=True)
        fitted = observed @ cho_solve(factor, observed)
        penalty = (((deviations - TYPICAL) / _SURENESS) ** 2).sum()
        return float(0.5 * fitted + np.log(np.diag(factor[0])).sum() + 0.5 * penalty)

    found = minimize(unlikeliness, TYPICAL, method="Nelder-Mead", options={"xatol": 0.02, "fatol": 0.01})
    return np.asarray(found.x)


def _parts(months: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the covariances of a random walk, a fading trend, a season and a growth, each for a deviation of 1."""
    steps = months - months[0]
    walk = np.minimum(steps[:, None], steps).astype(np.float64)
    before = np.tril(np.ones((steps[-1] + 1, steps[-1] + 1)), -1)[steps]  # the slopes that a level has gone along
    every = np.arange(steps[-1] + 1)
    trend = before @ DAMPING ** np.abs(every[:, None] - every) @ before.T
    same = (months[:, None] - months) % MONTHS_PER_YEAR == 0
    return walk, trend, same - 1 / MONTHS_PER_YEAR, np.outer(steps, steps).astype(np.float64)


def _prior(parts: tuple[np.ndarray, ...], deviations: np.ndarray, *, seasonal: bool) -> np.ndarray:
    walk, trend, season, growth = parts
    steps, slopes, seasons = np.exp(2 * deviations)
    return LEVEL_VARIANCE + steps * walk + slopes * trend + (seasons * season if seasonal else 0.0) + GROWTH**2 * growth
