"""The blind back-test: estimates that were journaled before anybody knew the price, beside the prices that came back.

A price counts in the one window in which it came in, and so once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.monitoring.production.labelled import ANSWER, ESTIMATE, comparable
from housing_assets.monitoring.production.predictions import version_numbers
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.valuation import SegmentFigures, Valuations, figures_by_segment, filled, value_figures

if TYPE_CHECKING:
    import pandas as pd

COVERAGE = 0.8
"""Share of prices that the wide interval promises to hold."""


@dataclass(frozen=True)
class BlindTest:
    """How good the estimates of a window were.

    Attributes
    ----------
    figures : mapping of str to float
        ``valuation.value_figures``, without blanks.
    terciles : sequence of SegmentFigures
        The same by tercile of the price.
    bias_p, coverage_p : float
        Probability of so many estimates on one side of their prices, and of so few prices within the 80 % interval, by
        chance (binomial tests).
    faults : tuple of str
        What is beyond its limit and not put down to chance, in words.
    coverage_at_level, coverage_at_level_p : float
        Share of the prices within the 80 % interval once all are brought to the level of the estimates, and the
        probability of so few by chance: it tells prices that rose or fell as a whole from a market that has changed.
    """

    figures: Mapping[str, float]
    terciles: Sequence[SegmentFigures]
    bias_p: float
    coverage_p: float
    faults: tuple[str, ...]
    coverage_at_level: float = COVERAGE
    coverage_at_level_p: float = 1.0

    @property
    def insufficient(self) -> bool:
        """Whether too few prices came back to say anything."""
        return "price_mdape" not in self.figures

    @property
    def summary(self) -> str:
        """The outcome in a sentence."""
        rows = int(self.figures["price_rows"])
        if self.insufficient:
            return f"{rows:,} estimated prices came back: too few to judge estimates by."
        told = (
            f"{rows:,} estimated prices came back: half of the estimates were within "
            f"{self.figures['price_mdape']:.1%}, {self.figures['price_within_10']:.0%} within 10 %; "
            f"{self.figures['price_coverage_80']:.0%} of the prices lay within the 80 % interval"
        )
        return f"{told}; {' and '.join(self.faults)}." if self.faults else f"{told}."


def run_blind_test(valuations: Valuations, limits: Thresholds) -> BlindTest:
    """Judge the estimates of a window.

    Parameters
    ----------
    valuations : Valuations
        With the 80 % interval.
    limits : Thresholds
    """
    from scipy.stats import binomtest

    figures = filled(value_figures(valuations))
    terciles = figures_by_segment(valuations, {})
    if "price_mdape" not in figures:
        return BlindTest(figures, terciles, 1.0, 1.0, ())
    valued = valuations.rows(valuations.valued)
    too_low, decided = int((valued.estimates < valued.prices).sum()), int((valued.estimates != valued.prices).sum())
    lower, upper = valued.intervals[80]
    within = int(((lower <= valued.prices) & (valued.prices <= upper)).sum())
    bias_p = float(binomtest(too_low, decided).pvalue) if decided else 1.0
    at_level = valued.prices * np.median(valued.estimates / valued.prices)
    within_at_level = int(((lower <= at_level) & (at_level <= upper)).sum())
    coverage_p, at_level_p = (
        float(binomtest(held, len(valued), COVERAGE, alternative="less").pvalue) for held in (within, within_at_level)
    )
    faults = []
    bias, covered, covered_at_level = (
        figures["price_median_bias"],
        figures["price_coverage_80"],
        within_at_level / len(valued),
    )
    if abs(bias) > limits.estimate_bias and bias_p < limits.performance_p:
        moved, side = ("risen", "low") if bias < 0 else ("fallen", "high")
        spread = COVERAGE - covered_at_level > limits.estimate_coverage_gap and at_level_p < limits.performance_p
        why = f"with that taken out the 80 % interval holds {covered_at_level:.0%} of the prices: " + (
            "what prices are made of has changed"
            if spread
            else f"prices have {moved}, and nothing tells of another change"
        )
        faults.append(f"estimates are {abs(bias):.1%} too {side} in the middle ({why})")
    if not faults and COVERAGE - covered > limits.estimate_coverage_gap and coverage_p < limits.performance_p:
        faults.append("the intervals are too narrow")
    return BlindTest(figures, terciles, bias_p, coverage_p, tuple(faults), covered_at_level, at_level_p)


def read_valuations(frames: "Iterable[pd.DataFrame]", version: int, days: Collection[date]) -> Valuations:
    """Return the estimates of a version beside the prices that came in on some days.

    Parameters
    ----------
    frames : iterable of DataFrame
        Labelled predictions with the columns of ``VALUED``; one that was stored before there were estimates has none.
    version : int
    days : collection of date
    """
    import orjson

    wanted = np.array(sorted(days), dtype="datetime64[D]")
    prices: list[float] = []
    told: list[Mapping[str, Any]] = []
    for frame in frames:
        came = frame["received_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
        of_version = (version_numbers(frame) == version) & (frame["role"] == ANSWER).to_numpy()
        rows = frame[of_version & comparable(frame) & np.isin(came, wanted) & frame["price"].notna().to_numpy()]
        prices += rows["price"].tolist()
        texts = rows[ESTIMATE].astype(object) if ESTIMATE in rows else [None] * len(rows)
        told += [orjson.loads(text) if isinstance(text, str) else _NOTHING for text in texts]
    estimates = np.array([estimate["price"] for estimate in told], dtype=np.float64)
    intervals = {
        level: (
            np.array([estimate[f"interval_{level}"]["low"] for estimate in told], dtype=np.float64),
            np.array([estimate[f"interval_{level}"]["high"] for estimate in told], dtype=np.float64),
        )
        for level in (50, 80)
    }
    deviations = np.array([estimate["forecast_deviation"] for estimate in told], dtype=np.float64)
    return Valuations(np.array(prices, dtype=np.float64), estimates, intervals, deviations)


_NOWHERE = {"low": np.nan, "high": np.nan}
_NOTHING = {"price": np.nan, "interval_50": _NOWHERE, "interval_80": _NOWHERE, "forecast_deviation": np.nan}
