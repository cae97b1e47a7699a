"""Learns the price index of a market (``inference/price_index.py``) from its training listings, or from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.clock import clock_months, market_clock
from housing_assets.features.hedonic import MonthEffects, month_effects
from housing_assets.features.index_trend import LEVEL_VARIANCE, extrapolate
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import (
    AHEAD,
    BOTH,
    EXTERNAL,
    LEARNED,
    MAX_LOG,
    MAX_MONTHS,
    PriceIndex,
    month_name,
    month_number,
)
from housing_assets.listings.price_kinds import has_exact_price
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd

BASE_ROWS = 10
"""Listings that a month must have to be the last known one: a single date that was mistyped is no month."""

PUBLISHED_AFTER = 2
"""Months until the level of a month is published: as of the usual indices of homes' prices."""

_AS_PUBLISHED = 1e-4
"""Standard error of the log levels of an external index that replaces the market's own: but for rounding, none."""

_OTHER_HOMES, _GOES_APART = 0.005, 0.003
"""Standard error of those of one that completes it, and the standard deviation of a month's step by which it and the
market go apart: it is of other homes, and often a mean of several months. Assumed, not learned: 1 % a year. Twice as
much changes what is expected of King County's spring by 0.2 points."""


@dataclass(frozen=True, eq=False)
class LearnedIndex:
    """A price index and what it was made of.

    Attributes
    ----------
    index : PriceIndex
    newest_month : int or None
        Of the listings; None where none has a date.
    effects : MonthEffects or None
        None where it was not learned from listings.
    """

    index: PriceIndex
    newest_month: int | None
    effects: MonthEffects | None


@dataclass(frozen=True, eq=False)
class PublishedIndex:
    """Levels of an external index.

    Attributes
    ----------
    months : ndarray of shape (n_months,), int64
        From January 1970, ascending.
    logs : ndarray of shape (n_months,), float64
        Natural logarithms of the levels.
    """

    months: np.ndarray
    logs: np.ndarray

    def known_in(self, month: float) -> "PublishedIndex | None":
        """Return what was published of it by the end of a month, None where nothing was."""
        known = self.months <= month - PUBLISHED_AFTER
        return PublishedIndex(self.months[known], self.logs[known]) if known.any() else None


def learn_price_index(
    market: Market,
    training: "pd.DataFrame",
    *,
    amounts: np.ndarray | None = None,
    published: PublishedIndex | None = None,
    replace: bool = False,
    engine: Engine = LOCAL,
) -> LearnedIndex:
    """Learn the index of a market, by itself or together with a published one, or take that one in its place.

    Parameters
    ----------
    market : Market
    training : DataFrame of shape (n_rows, n_values)
        Crossed listings that may teach: none that is held out.
    amounts : ndarray of shape (n_rows,), bool, optional
        Which of them have a price that is an amount, and no stand-in; by default all.
    published : PublishedIndex, optional
        It says how months that few listings or none are of compare with others, and from years of them come growth and
        season. Where listings say more they are believed.
    replace : bool
        Believe the published index alone.
    engine : Engine

    Returns
    -------
    learned : LearnedIndex
        With the index ``PriceIndex.none()`` where the market has no price, or its listings have no dates.
    """
    clock = market_clock(market, training) if market.has_price else ""
    dated = clock_months(training, clock)
    chosen = ~np.isnan(dated) if amounts is None else ~np.isnan(dated) & amounts
    if not chosen.any():
        return LearnedIndex(PriceIndex.none(), None, None)
    months = dated[chosen].astype(np.int64)
    newest = _last_known(months)
    within = (months <= newest) & (months > newest - (MAX_MONTHS - AHEAD))
    chosen[chosen] = within
    months = months[within]
    if published is not None and replace:
        return LearnedIndex(_of_published(clock, published, months), newest, None)
    effects = month_effects(market, training[chosen], months, engine=engine)
    known, levels, covariance = effects.months, effects.effects, effects.covariance
    if published is not None:
        known, levels, covariance = _completed(effects, published)
    logs, errors = extrapolate(known, levels, covariance, AHEAD)
    source = LEARNED if published is None else BOTH
    return LearnedIndex(_assemble(clock, source, known, logs, errors, months), newest, effects)


def learn_again(
    index: PriceIndex, market: Market, training: "pd.DataFrame", published: PublishedIndex | None = None
) -> PriceIndex:
    """Return the index of other listings of a market that has one; a published index that replaces theirs stays.

    Parameters
    ----------
    index : PriceIndex
    market : Market
    training : DataFrame of shape (n_rows, n_values)
    published : PublishedIndex, optional
        What the index was learned together with, if it was.

    Raises
    ------
    ValueError
        If the index was learned together with a published one, and there is none.
    """
    if not index.exists or index.source == EXTERNAL:
        return index
    if index.source == LEARNED:
        published = None
    elif published is None:
        raise ValueError("the price index was learned with a published one, and none is named: materialize it again")
    amounts = has_exact_price(market, training)
    return learn_price_index(market, training, amounts=amounts, published=published).index


def published_index(path: Path | None) -> PublishedIndex | None:
    """Return the external index of a file, see ``read_published``; None where none is named."""
    return read_published(path) if path else None


def read_published(path: Path) -> PublishedIndex:
    """Read an external index: a CSV with a header and the columns ``month`` (2014-05, or a day in it) and ``index``.

    Months may be missing, as of a quarterly index; the newest 30 years are taken.

    Raises
    ------
    ValueError
        If it cannot be read, has no such columns, a cell is wrong, or a month is there twice.
    """
    import csv

    levels: dict[int, float] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            missing = [name for name in ("month", "index") if name not in (rows.fieldnames or ())]
            if missing:
                raise ValueError(f"{path} has no column {' and '.join(missing)}: expected a header month,index")
            for row in rows:
                _take(levels, row)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise ValueError(f"{path} cannot be read: {fault}") from None
    except _WrongCell as fault:
        raise ValueError(f"{path}, line {rows.line_num}: {fault}") from None
    if not levels:
        raise ValueError(f"{path} has no months")
    months = np.array(sorted(levels), dtype=np.int64)
    months = months[months > months[-1] - (MAX_MONTHS - AHEAD)]
    return PublishedIndex(months, np.log([levels[int(month)] for month in months]))


class _WrongCell(ValueError):
    """A cell of an external index that is none."""


def _take(levels: dict[int, float], row: dict[str, str]) -> None:
    try:
        month, level = month_number((row["month"] or "").strip()), float(row["index"] or "")
    except ValueError as fault:
        raise _WrongCell(str(fault)) from None
    if not 0 < level < np.inf:
        raise _WrongCell(f"the index is {level:g}: expected a number above 0")
    if month in levels:
        raise _WrongCell(f"{month_name(month)} is there twice")
    levels[month] = level


def _last_known(months: np.ndarray) -> int:
    """Return the newest month with enough listings, or the fullest one where none has."""
    distinct, counts = np.unique(months, return_counts=True)
    enough = distinct[counts >= BASE_ROWS]
    return int(enough[-1] if len(enough) else distinct[np.argmax(counts)])


def _completed(effects: MonthEffects, published: PublishedIndex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return months, levels and covariance of both; the published levels share a constant of their own."""
    n_published = len(published.months)
    months = np.concatenate([published.months, effects.months])
    levels = np.concatenate([published.logs - published.logs[-1], effects.effects - effects.effects[-1]])
    covariance = np.zeros((len(months), len(months)))
    steps = published.months - published.months[0]
    apart = _GOES_APART**2 * np.minimum(steps[:, None], steps)
    covariance[:n_published, :n_published] = LEVEL_VARIANCE + apart + _OTHER_HOMES**2 * np.eye(n_published)
    covariance[n_published:, n_published:] = effects.covariance
    order = np.argsort(months, kind="stable")
    first = np.searchsorted(months[order], months[order][-1] - (MAX_MONTHS - AHEAD), side="right")
    kept = order[first:]
    return months[kept], levels[kept], covariance[np.ix_(kept, kept)]


def _of_published(clock: str, published: PublishedIndex, months: np.ndarray) -> PriceIndex:
    covariance = _AS_PUBLISHED**2 * np.eye(len(published.months))
    logs, errors = extrapolate(published.months, published.logs, covariance, AHEAD)
    logs[published.months - published.months[0]] = published.logs - published.logs[-1]
    return _assemble(clock, EXTERNAL, published.months, logs, errors, months)


def _assemble(
    clock: str, source: str, known: np.ndarray, logs: np.ndarray, errors: np.ndarray, months: np.ndarray
) -> PriceIndex:
    n_known = int(known[-1] - known[0]) + 1
    within = months[(months >= known[0]) & (months <= known[-1])]
    rows = np.bincount(within - known[0], minlength=n_known)
    return PriceIndex(clock, source, int(known[0]), n_known, np.clip(logs, -MAX_LOG, MAX_LOG), errors, rows)
