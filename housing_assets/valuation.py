"""How good price estimates are, in the figures by which valuers judge them: of an evaluation, of a day, of a segment.

Errors are relative to the price that came to be, ``estimate / price - 1``, unless said otherwise. Prices that are no
amounts, as stand-ins within a category, are left out before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from housing_assets.inference.cells import MISSING

MIN_ROWS = 30
"""Valued rows below which figures are blank. Cook County's assessor demands as many of a ratio study; of fewer, a share
such as a coverage of 80 % has a standard error of more than 7 points."""

WITHIN = (5, 10, 15, 20)
"""Percent: shares of estimates that lie so near to the price."""

FSD_SHARE = 0.68
"""Share of prices that lie within a forecast standard deviation of their estimates, as of a normal distribution."""

PRICE_TERCILE = "price_tercile"
TERCILES = ("lowest", "middle", "highest")
"""Segments by price. Estimates of cheap homes read high there and those of expensive ones low even where no model is at
fault, for a price is high partly by chance (regression to the mean); ``price_prb`` is free of it."""


@dataclass(frozen=True, eq=False)
class Valuations:
    """Estimates beside the prices that came to be.

    Parameters
    ----------
    prices : ndarray of shape (n_rows,), float64
        Above 0.
    estimates : ndarray of shape (n_rows,), float64
        In the prices' currency and above 0; NaN where the model abstained.
    intervals : mapping of int to (lower, upper)
        Bounds, each an ndarray of shape (n_rows,), by the share of prices that they promise to hold, in percent.
    fsd : ndarray of shape (n_rows,), float64, optional
        Forecast standard deviation: the part of the estimate, up or down, within which 68 % of prices are promised.

    Raises
    ------
    ValueError
        If shapes differ, a price or an estimate is not above 0, or a lower bound lies above its upper one.
    """

    prices: np.ndarray
    estimates: np.ndarray
    intervals: Mapping[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    fsd: np.ndarray | None = None

    def __post_init__(self) -> None:
        bounds = [bound for pair in self.intervals.values() for bound in pair]
        beside = [self.estimates, *bounds, *([] if self.fsd is None else [self.fsd])]
        if self.prices.ndim != 1 or any(one.shape != self.prices.shape for one in beside):
            found = ", ".join(str(one.shape) for one in (self.prices, *beside))
            raise ValueError(f"prices, estimates and what belongs to them have the shapes {found}: expected one")
        if not (np.isfinite(self.prices) & (self.prices > 0)).all():
            raise ValueError("a price is not above 0: leave rows without an amount out")
        valued = self.valued
        if not (np.isfinite(self.estimates[valued]) & (self.estimates[valued] > 0)).all():
            raise ValueError("an estimate is not above 0: expected an amount, or NaN for none")
        if self.fsd is not None and not (self.fsd[valued] >= 0).all():
            raise ValueError("a forecast standard deviation is not at least 0")
        for level, (lower, upper) in self.intervals.items():
            if not 1 <= level < 100:
                raise ValueError(f"an interval is said to hold {level} % of prices: expected 1 to 99")
            if not (lower[valued] <= upper[valued]).all():
                raise ValueError(f"a lower bound of the {level} % interval lies above the upper one")

    def __len__(self) -> int:
        return len(self.prices)

    @property
    def valued(self) -> np.ndarray:
        """Which rows have an estimate: a boolean mask."""
        return ~np.isnan(self.estimates)

    def rows(self, chosen: np.ndarray) -> Self:
        """Return some of the rows, by a mask or their positions."""
        return type(self)(
            self.prices[chosen],
            self.estimates[chosen],
            {level: (lower[chosen], upper[chosen]) for level, (lower, upper) in self.intervals.items()},
            None if self.fsd is None else self.fsd[chosen],
        )


class SegmentFigures(NamedTuple):
    """The figures of the rows that have one value of a segment."""

    segment: str
    value: str
    figures: dict[str, float]


def value_figures(valuations: Valuations, *, min_rows: int = MIN_ROWS) -> dict[str, float]:
    """Return all figures of some estimates; the keys are the same for the same kind of estimates, whatever the rows.

    Parameters
    ----------
    valuations : Valuations
    min_rows : int
        Rows with an estimate below which all figures but the counts are blank.

    Returns
    -------
    figures : dict of str to float
        NaN where blank. Shares and relative errors are fractions.

        ``price_rows``, ``price_hit_rate``
            Rows, and the share of them that has an estimate; all else is of these.
        ``price_mdape``, ``price_mape``, ``price_smape``, ``price_wmape``
            Absolute percentage error: median, mean, symmetric (over the mean of price and estimate, 0 to 2), weighted
            by price.
        ``price_rmse``, ``price_r2``
            Root mean squared error, in the currency, and coefficient of determination; expensive homes rule both.
        ``price_within_5`` to ``price_within_20``
            Share of estimates that are so many percent from the price at most.
        ``price_median_bias``, ``price_mean_bias``
            Signed error; below 0 where estimates are too low.
        ``price_error_std``
            Standard deviation of the signed error.
        ``price_cod``, ``price_prd``, ``price_prb``
            See ``coefficient_of_dispersion``, ``price_related_differential`` and ``price_related_bias``.
        ``price_error_68``
            The ±% of the estimate that held 68 % of prices: what a forecast standard deviation should have said.
        ``price_fsd``, ``price_fsd_share``
            Mean forecast standard deviation, to hold against ``price_error_68``, and the share of prices that lay
            within them, 0.68 where they are right. Only if there are some.
        ``price_coverage_80``, ``price_width_80``
            Of each interval by its level: the share of prices within, and the median width over the estimate.
    """
    valued = valuations.rows(valuations.valued)
    figures = _filled_figures(valued) if len(valued) else dict.fromkeys(_filled_figures(_like(valued)), np.nan)
    if len(valued) < min_rows:
        figures = dict.fromkeys(figures, np.nan)
    hit_rate = len(valued) / len(valuations) if len(valuations) else np.nan
    return {"price_rows": float(len(valuations)), "price_hit_rate": hit_rate, **figures}


def figures_by_segment(
    valuations: Valuations, segments: Mapping[str, Sequence[str] | np.ndarray], *, min_rows: int = MIN_ROWS
) -> list[SegmentFigures]:
    """Return the figures of each value of each segment, and of the terciles of price.

    Parameters
    ----------
    valuations : Valuations
    segments : mapping of str to sequence of str of length n_rows
        Such as areas.
    min_rows : int
        As for ``value_figures``; segments with fewer rows are there, and blank.
    """
    found = []
    for segment, values in segments.items():
        distinct, positions = np.unique(np.asarray(values, dtype=str), return_inverse=True)
        for index, value in enumerate(distinct.tolist()):
            figures = value_figures(valuations.rows(positions == index), min_rows=min_rows)
            found.append(SegmentFigures(segment, value, figures))
    edges = np.quantile(valuations.prices, [1 / 3, 2 / 3]) if len(valuations) else np.zeros(2)
    terciles = np.searchsorted(edges, valuations.prices)
    for index, name in enumerate(TERCILES):
        figures = value_figures(valuations.rows(terciles == index), min_rows=min_rows)
        found.append(SegmentFigures(PRICE_TERCILE, name, figures))
    return found


def coverage_gaps(segments: Iterable[SegmentFigures], level: int) -> dict[str, float]:
    """Return how far the coverage of an interval is from what it promises, over the segments that are not blank.

    Parameters
    ----------
    segments : iterable of SegmentFigures
        Of one segment: all areas, say.
    level : int
        Of the interval, in percent.

    Returns
    -------
    gaps : dict of str to float
        ``price_coverage_80_gap``, the mean absolute gap; ``price_coverage_80_gap_worst_tenth``, what it exceeds in a
        tenth of the segments; and ``price_coverage_80_gap_by_chance``, the mean gap to expect of so few rows where each
        segment is covered exactly (that of a binomial share, by its normal approximation). NaN if all are blank.
    """
    promised = level / 100
    name = f"price_coverage_{level}"
    filled = [one.figures for one in segments if not np.isnan(one.figures[name])]
    valued = np.array([figures["price_rows"] * figures["price_hit_rate"] for figures in filled])
    gaps = np.abs([figures[name] - promised for figures in filled])
    return {
        f"{name}_gap": float(gaps.mean()) if len(gaps) else np.nan,
        f"{name}_gap_worst_tenth": float(np.quantile(gaps, 0.9)) if len(gaps) else np.nan,
        f"{name}_gap_by_chance": float(np.sqrt(2 / np.pi * promised * (1 - promised) / valued).mean())
        if len(gaps)
        else np.nan,
    }


def figures_by_area(
    valuations: Valuations, area: str, texts: Sequence[str | None]
) -> tuple[dict[str, float], list[SegmentFigures]]:
    """Return the figures of estimates, with how even their coverage is over areas, and those of each segment.

    Parameters
    ----------
    valuations : Valuations
    area : str
        Name of the column of areas; empty where there is none, and then terciles of price are the only segments.
    texts : sequence of str or None of length n_rows
        The area of each row, None where it is missing.

    Returns
    -------
    figures : dict of str to float
        See ``value_figures``, and ``coverage_gaps`` of the 80 % interval over the areas; without those that are blank.
    segments : list of SegmentFigures
        See ``figures_by_segment``.
    """
    segments = figures_by_segment(valuations, {area: [text or MISSING for text in texts]} if area else {})
    gaps = coverage_gaps((one for one in segments if one.segment == area), 80)
    return filled(value_figures(valuations) | gaps), segments


def filled(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures that are not blank: what is logged, for trackers and pages have no NaN."""
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def coefficient_of_dispersion(prices: np.ndarray, estimates: np.ndarray) -> float:
    """Return the COD: the mean absolute deviation of ratios from their median, in percent of it; low is uniform.

    Source: IAAO, Standard on Ratio Studies (2013), 9.1 and table 1-3, which accepts 5 to 15 for single-family homes.
    """
    ratios = estimates / prices
    median = np.median(ratios)
    return float(100 * np.abs(ratios - median).mean() / median)


def price_related_differential(prices: np.ndarray, estimates: np.ndarray) -> float:
    """Return the PRD: the mean ratio over the ratio of the sums; above 1 where expensive homes are valued lower.

    Source: IAAO, Standard on Ratio Studies (2013), 9.2.7, which accepts 0.98 to 1.03.
    """
    return float((estimates / prices).mean() * prices.sum() / estimates.sum())


def price_related_bias(prices: np.ndarray, estimates: np.ndarray) -> float:
    """Return the PRB: by what part ratios rise where the value doubles; below 0 where expensive homes are valued lower.

    The slope of the least-squares line of the ratios' deviations from their median, over it, on the base 2 logarithm of
    the value; for the value stands the mean of price and estimate, the latter over the median ratio. NaN where all
    values are the same.

    Source: IAAO, Standard on Ratio Studies (2013), 9.2.7 and appendix D, which accepts -0.05 to 0.05.
    """
    ratios = estimates / prices
    median = np.median(ratios)
    values = np.log2((prices + estimates / median) / 2)
    centred = values - values.mean()
    if np.ptp(values) < _SAME_VALUE:
        return float("nan")
    return float(centred @ (ratios / median - 1) / (centred @ centred))


def _filled_figures(valued: Valuations) -> dict[str, float]:
    prices, estimates = valued.prices, valued.estimates
    errors = estimates / prices - 1
    absolute, missed = np.abs(errors), np.abs(estimates - prices)
    of_estimate = missed / estimates
    squares, spread = float((missed**2).sum()), float(((prices - prices.mean()) ** 2).sum())
    figures = {
        "price_mdape": float(np.median(absolute)),
        "price_mape": float(absolute.mean()),
        "price_smape": float((2 * missed / (estimates + prices)).mean()),
        "price_wmape": float(missed.sum() / prices.sum()),
        "price_rmse": float(np.sqrt(squares / len(prices))),
        "price_r2": 1 - squares / spread if np.ptp(prices) > 0 else float("nan"),
        **{f"price_within_{percent}": float((absolute <= percent / 100 + _ROUNDING).mean()) for percent in WITHIN},
        "price_median_bias": float(np.median(errors)),
        "price_mean_bias": float(errors.mean()),
        "price_error_std": float(errors.std()),
        "price_cod": coefficient_of_dispersion(prices, estimates),
        "price_prd": price_related_differential(prices, estimates),
        "price_prb": price_related_bias(prices, estimates),
        "price_error_68": float(np.quantile(of_estimate, FSD_SHARE)),
    }
    if valued.fsd is not None:
        figures["price_fsd"] = float(valued.fsd.mean())
        figures["price_fsd_share"] = float((of_estimate <= valued.fsd + _ROUNDING).mean())
    for level, (lower, upper) in sorted(valued.intervals.items()):
        figures[f"price_coverage_{level}"] = float(((lower <= prices) & (prices <= upper)).mean())
        figures[f"price_width_{level}"] = float(np.median((upper - lower) / estimates))
    return figures


_SAME_VALUE = 1e-9
"""Doublings between the cheapest and the dearest home below which all are worth the same, but for rounding."""

_ROUNDING = 1e-12
"""An estimate of 110 for a price of 100 is within 10 %, though 110 / 100 - 1 is a little more in binary."""


def _like(valuations: Valuations) -> Valuations:
    """Return one row of the kind of some valuations, to know their keys by."""
    one = np.ones(1)
    fsd = None if valuations.fsd is None else one
    return Valuations(one, one, dict.fromkeys(valuations.intervals, (one, one)), fsd)
