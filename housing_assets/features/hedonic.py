"""Hedonic regression: what prices of each month are beside those of others, of homes that are otherwise the same.

Log prices are explained by what the market declares of a home and by a dummy of each month (the time-dummy method of
Eurostat's Handbook on Residential Property Prices Indices, 2013, chapter 5). Homes are described by the commonest
hashed tokens and by sizes and other numbers, both shrunken (ridge), months are not: it is the mixed model in which
tokens have random effects, and its covariance of the months' effects is theirs. Huber's weights keep mistyped prices
from moving a month.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.frame_encoding import hash_frame, linear_numbers
from housing_assets.inference.declaration import Role
from housing_assets.inference.hashing import N_BUCKETS
from housing_assets.inference.market import Market
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

MAX_ROWS = 200_000
"""Rows that are learned from; more of them move a month by less than a tenth of a percent."""

MAX_TOKENS = 1_000
"""Tokens, the commonest, that describe homes; at most one to ten rows."""

PENALTY = 2.0
"""Of the squared weights of tokens and standardized numbers: that of the linear scores' regressions."""

HUBER = 1.345
"""Standard deviations beyond which a price counts less; 95 % efficient where errors are normal (Huber 1964)."""

_ROUNDS, _SETTLED = 20, 1e-4
"""Rounds of reweighting at most, and the change of every month's effect at which they end."""


@dataclass(frozen=True, eq=False)
class MonthEffects:
    """What each month adds to the log price of a home.

    Attributes
    ----------
    months : ndarray of shape (n_months,), int64
        Those with listings, from January 1970, ascending.
    effects : ndarray of shape (n_months,), float64
        Up to a constant that all share.
    covariance : ndarray of shape (n_months, n_months), float64
        Of their estimates.
    rows : ndarray of shape (n_months,), int64
    residual_std : float
        Of log prices, robust.
    """

    months: np.ndarray
    effects: np.ndarray
    covariance: np.ndarray
    rows: np.ndarray
    residual_std: float


def month_effects(
    market: Market, crossed: "pd.DataFrame", months: np.ndarray, *, seed: int = 0, engine: Engine = LOCAL
) -> MonthEffects:
    """Estimate what each month adds to the log price.

    Parameters
    ----------
    market : Market
        With a price.
    crossed : DataFrame of shape (n_rows, n_values)
        Listings whose price is an amount.
    months : ndarray of shape (n_rows,), int64
    seed : int
        Draws ``MAX_ROWS`` rows where there are more.
    engine : Engine
        What rows are hashed on.
    """
    from threadpoolctl import threadpool_limits

    if len(crossed) > MAX_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(crossed), MAX_ROWS, replace=False))
        crossed, months = crossed.iloc[drawn], months[drawn]
    log_prices = np.log(crossed[market.target_value.name].to_numpy())
    distinct, positions, rows = np.unique(months, return_inverse=True, return_counts=True)
    described = _describe(market, crossed, engine)
    with threadpool_limits(1, user_api="blas"):  # for the same bits on every machine, and small matrices
        effects, covariance, residual_std = _regress(described, positions, len(distinct), log_prices)
    return MonthEffects(distinct, effects, covariance, rows, residual_std)


def _describe(market: Market, crossed: "pd.DataFrame", engine: Engine) -> "csr_matrix":
    """Return the commonest tokens of homes, then their numbers in standard deviations; 0 where missing."""
    from scipy.sparse import csr_matrix, hstack

    hashed = hash_frame(market, crossed, N_BUCKETS, engine).astype(np.float64)
    counts = np.bincount(hashed.indices, minlength=hashed.shape[1])
    most = min(MAX_TOKENS, max(len(crossed) // 10, 1), int(np.count_nonzero(counts)))
    commonest = np.sort(np.argsort(-counts, kind="stable")[:most])
    numbers = linear_numbers(market, crossed) if market.linear else _log_sizes(market, crossed)
    present = ~np.isnan(numbers)
    n_present = np.maximum(present.sum(axis=0), 1)
    centred = np.where(present, numbers - np.where(present, numbers, 0.0).sum(axis=0) / n_present, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / n_present)
    standardized = np.clip(centred / np.where(spread > 0, spread, 1.0), -4, 4)  # as far as the linear scores look
    return hstack([hashed[:, commonest], csr_matrix(standardized)], format="csr")


def _log_sizes(market: Market, crossed: "pd.DataFrame") -> np.ndarray:
    """Return logs of the numbers above their minimum, where a market declares none as linear."""
    sizes = [
        np.log1p(np.maximum(crossed[value.name].to_numpy(np.float64) - value.minimum, 0))
        for value in market.values(Role.NUMERIC)
    ]
    return np.column_stack(sizes) if sizes else np.empty((len(crossed), 0))


def _regress(
    described: "csr_matrix", positions: np.ndarray, n_months: int, log_prices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the months' effects, their covariance, and the robust standard deviation of residuals."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csr_matrix, diags, hstack

    n_rows, n_described = described.shape
    dummies = csr_matrix((np.ones(n_rows), (np.arange(n_rows), positions)), shape=(n_rows, n_months))
    design = hstack([described, dummies], format="csr")
    penalty = np.concatenate([np.full(n_described, PENALTY), np.zeros(n_months)])
    centre = float(np.median(log_prices))
    weights, effects = np.ones(n_rows), np.full(n_months, np.inf)
    for _ in range(_ROUNDS):
        weighted = diags(weights) @ design
        factor = cho_factor((design.T @ weighted).toarray() + np.diag(penalty), lower=True)
        solved = cho_solve(factor, weighted.T @ (log_prices - centre))
        residuals = log_prices - centre - design @ solved
        scale = max(1.4826 * float(np.median(np.abs(residuals))), 1e-6)
        weights = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residuals), 1e-12))
        moved = np.abs(solved[n_described:] - effects).max()
        effects = solved[n_described:]
        if moved < _SETTLED:
            break
    variance = float((weights * residuals**2).sum() / max(weights.sum() - len(solved), n_rows / 2))
    of_months = np.zeros((len(solved), n_months))
    of_months[n_described:] = np.eye(n_months)
    covariance = variance * cho_solve(factor, of_months)[n_described:]
    return effects, (covariance + covariance.T) / 2, scale
