"""Prices that no home like it has, as those with a zero too many: they are quarantined before anything learns of them.

What a price should be is told by medians, which such prices do not move: those of the log prices of homes with the same
text, or about the same number, taken one column after the other from what the columns before have left (backfitting,
Friedman & Stuetzle 1981, with Tukey's medians for means). A price is implausible where it is beyond ``FACTOR`` times
what is expected, either way, and beyond ``DEVIATIONS`` robust standard deviations of the market, too.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from housing_assets.inference.declaration import FEATURE_NUMBERS, TEXTS, Role
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import ROW
from housing_assets.listings.price_kinds import has_exact_price

FACTOR = 5.0
"""Times what is expected from which on a price is implausible: a zero too many is ten times, and a bargain is none."""

DEVIATIONS = 6.0
"""The same in standard deviations, for markets whose prices nobody can tell that well."""

MIN_ROWS = 200
"""Listings below which nothing is known of what homes like one cost."""

MAX_ROWS = 100_000
"""Listings that medians are learned from; of more, so many are drawn."""

_LIKE_IT = "homes like it cost"
"""Of each reason: by it rows are counted."""

_BINS, _ROUNDS, _SHRINKAGE = 40, 2, 10.0
"""Bins of a number, of as many rows each; rounds over all columns; rows of no effect that a median is held against."""


class Sifted(NamedTuple):
    """Listings, and those whose price is implausible.

    Attributes
    ----------
    listings : DataFrame
        Those that stay.
    quarantined : DataFrame
        The others, as ``Cleaned.quarantined``; of a listing that is no row of the source, the raw columns are empty.
    """

    listings: pd.DataFrame
    quarantined: pd.DataFrame


def sift_prices(market: Market, listings: pd.DataFrame, raw: pd.DataFrame) -> Sifted:
    """Take out the listings whose price is implausible.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_listings, n_columns)
        Typed, with ``row``; the labelled ones are numbered behind the rows of the source.
    raw : DataFrame of shape (n_rows, n_raw_columns)
        The rows of the source.
    """
    ratios = price_ratios(market, listings)
    odd = np.flatnonzero(~np.isnan(ratios))
    rows = listings[ROW].to_numpy()[odd]
    prices = listings[market.target_value.name].to_numpy()[odd]
    account = pd.DataFrame(
        {
            ROW: rows,
            "column": np.full(len(odd), market.target_column.raw, dtype=object),
            "value": np.array([f"{price:.15g}" for price in prices], dtype=object),
            "reason": np.array([_reason(ratio) for ratio in ratios[odd]], dtype=object),
            "unusable_cells": np.ones(len(odd), dtype=np.int64),
        }
    )
    raw_rows = raw.reset_index(drop=True).reindex(rows).reset_index(drop=True)
    kept = listings if not len(odd) else listings.drop(index=listings.index[odd]).reset_index(drop=True)
    return Sifted(kept, pd.concat([account, raw_rows], axis="columns"))


def count_implausible(market: Market, quarantined: pd.DataFrame) -> int:
    """Count the rows that are quarantined for an implausible price.

    Parameters
    ----------
    market : Market
    quarantined : DataFrame
        All that are, with ``column`` and ``reason``.
    """
    if not market.has_price:
        return 0
    of_price = quarantined["column"] == market.target_column.raw
    return int((of_price & quarantined["reason"].astype(str).str.contains(_LIKE_IT, regex=False)).sum())


def price_ratios(market: Market, listings: pd.DataFrame, *, max_rows: int = MAX_ROWS, seed: int = 0) -> np.ndarray:
    """Return how many times what is expected a price is: float64 of shape (n_listings,), NaN where it is plausible.

    Parameters
    ----------
    market : Market
        One with classes has no implausible price.
    listings : DataFrame of shape (n_listings, n_columns)
        Typed. Prices that only stand for their band are neither judged nor learned from.
    max_rows : int
        Learned from at most; of more, so many are drawn.
    seed : int
        Of the draw.
    """
    ratios = np.full(len(listings), np.nan)
    if not market.has_price:
        return ratios
    judged = np.flatnonzero(has_exact_price(market, listings))
    if len(judged) < MIN_ROWS:
        return ratios
    frame = listings.iloc[judged]
    log_prices = np.log(frame[market.target_value.name].to_numpy())
    learned = np.arange(len(judged))
    if len(judged) > max_rows:
        learned = np.sort(np.random.default_rng(seed).choice(len(judged), max_rows, replace=False))
    left = _left_over(log_prices, _groups(market, frame), learned)
    deviation = 1.4826 * float(np.median(np.abs(left[learned])))
    odd = np.abs(left) > max(np.log(FACTOR), DEVIATIONS * deviation)
    ratios[judged[odd]] = np.exp(left[odd])
    return ratios


def _left_over(log_prices: np.ndarray, groups: list[np.ndarray], learned: np.ndarray) -> np.ndarray:
    """Return what the groups' medians leave of the log prices."""
    left = log_prices - np.median(log_prices[learned])
    for _ in range(_ROUNDS):
        for numbers in groups:
            left -= _medians(left[learned], numbers[learned], int(numbers.max()) + 1)[numbers]
    return left


def _medians(values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the median of each group, the nearer to 0 the fewer rows it has; 0 of one without rows."""
    order = np.lexsort((values, groups))
    ends = np.searchsorted(groups[order], np.arange(n_groups + 1))
    rows = np.diff(ends)
    lower, upper = ends[:-1] + np.maximum(rows - 1, 0) // 2, ends[:-1] + rows // 2
    ordered = np.append(values[order], 0.0)
    medians = (ordered[np.minimum(lower, len(values))] + ordered[np.minimum(upper, len(values))]) / 2
    return np.where(rows > 0, medians, 0.0) * rows / (rows + _SHRINKAGE)


def _groups(market: Market, listings: pd.DataFrame) -> list[np.ndarray]:
    """Return for each column the number of the group that a listing is in; what is missing is a group of its own."""
    groups = [listings[value.name].cat.codes.to_numpy().astype(np.int64) + 1 for value in market.values(*TEXTS)]
    for value in market.values(*FEATURE_NUMBERS):
        numbers = listings[value.name].to_numpy()
        present = ~np.isnan(numbers)
        if present.any():
            edges = np.unique(np.quantile(numbers[present], np.linspace(0, 1, _BINS + 1)[1:-1]))
            groups.append(np.where(present, np.searchsorted(edges, numbers) + 1, 0))
    for value in market.values(Role.CLOCK):
        months = listings[value.name].to_numpy().astype("datetime64[M]")
        groups.append(np.unique(months, return_inverse=True)[1])
    return groups


def _reason(ratio: float) -> str:
    if ratio > 1:
        return f"price is {ratio:.1f} times what {_LIKE_IT}"
    return f"{_LIKE_IT} {1 / ratio:.1f} times the price"
