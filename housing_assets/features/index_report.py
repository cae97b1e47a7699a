"""What is shown of a price index, and what is held against it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from housing_assets.features.clock import clock_months
from housing_assets.features.price_index_learning import LearnedIndex
from housing_assets.features.split import band_edges
from housing_assets.inference.declaration import PriceBands
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex, month_name
from housing_assets.listings.price_kinds import has_exact_price

if TYPE_CHECKING:
    import pandas as pd

MONTH_ROWS = 20
"""Training listings that each month is to have; of as many, a level is known to 3 to 6 % before it is smoothed."""

LOOKED_BACK = 6
"""Months, the newest with listings, that are to have as many: older ones are smoothed over."""

FURTHEST_BEHIND = 3
"""Months that an index may end before the newest listings: published ones come out two months late."""

LAST_STEP_ERROR = 0.03
"""Standard error, as a part, of the last month's level beside the one before it."""

LARGEST_STEP = 0.15
"""Change from one month to the next beyond which something else than prices has changed: units, a feed, the mix."""

_SHOWN = 120
"""Known months in the picture, the newest."""


@dataclass(frozen=True)
class BandedNow:
    """How the price bands divide a market at the prices of its index's base month.

    Attributes
    ----------
    month : str
    expected, found : mapping of str to float
        Share of the listings in each category at the prices of the month: by bands that would be learned of them now,
        and by those that there are.
    """

    month: str
    expected: Mapping[str, float]
    found: Mapping[str, float]

    LIMIT: ClassVar[float] = 0.1
    """Change of a share beyond which new bands are recommended."""

    @property
    def fits(self) -> bool:
        """Whether no share is far from what it is to be."""
        return all(abs(self.found[category] - share) <= self.LIMIT for category, share in self.expected.items())

    def describe(self) -> str:
        """Return the shares in a sentence, and what to do about them."""
        told = ", ".join(
            f"{self.found[category]:.0%} {category} ({share:.0%} by new bands)"
            for category, share in self.expected.items()
        )
        advice = "" if self.fits else ": learn new bands by materializing price_bands with reband: true in its config"
        return f"at the prices of {self.month}, listings are {told}{advice}"


def banded_now(market: Market, labels: LabelScheme, index: PriceIndex, listings: "pd.DataFrame") -> BandedNow | None:
    """Return how bands divide listings, all brought to the index's base month; None without an index.

    Parameters
    ----------
    market : Market
    labels : LabelScheme
    index : PriceIndex
    listings : DataFrame of shape (n_rows, n_values)
    """
    if not index.exists or not isinstance(market.target, PriceBands):
        return None
    exact = listings[has_exact_price(market, listings)]
    prices = exact[market.target_value.name].to_numpy(np.float64)
    now = prices * index.factor(clock_months(exact, index.clock), index.base_month)
    shares = []
    for edges in (band_edges(market.target, prices), labels.edges):
        counts = np.bincount(np.searchsorted(edges, now, side="left"), minlength=len(labels.categories))
        shares.append(dict(zip(labels.categories, (counts / len(now)).tolist(), strict=True)))
    return BandedNow(month_name(index.base_month), *shares)


def thin_months(learned: LearnedIndex) -> list[str]:
    """Return the newest months that have too few listings."""
    index = learned.index
    if not index.exists or learned.newest_month is None:
        return []
    filled = np.flatnonzero(index.rows)
    oldest = index.first_month + (int(filled[0]) if len(filled) else 0)
    months = range(max(oldest, learned.newest_month - LOOKED_BACK + 1), learned.newest_month + 1)
    counts = {month: _rows_of(index, month) for month in months}
    return [f"{month_name(month)} has {count}" for month, count in counts.items() if count < MONTH_ROWS]


def last_month_unknown(learned: LearnedIndex) -> list[str]:
    """Return why the level of the newest month is not known, nothing where it is."""
    index = learned.index
    if not index.exists or learned.newest_month is None:
        return []
    if index.n_known < 2:
        return [f"{month_name(index.base_month)} is the only month"]
    faults = []
    if learned.newest_month - index.base_month > FURTHEST_BEHIND:
        faults.append(
            f"the index ends in {month_name(index.base_month)}, listings in {month_name(learned.newest_month)}"
        )
    error = float(index.errors[index.n_known - 2])
    if error > LAST_STEP_ERROR:
        faults.append(f"the step to {month_name(index.base_month)} has a standard error of {error:.1%}")
    return faults


def implausible_steps(learned: LearnedIndex) -> list[str]:
    """Return the changes from month to month that no market makes."""
    known = learned.index.logs[: learned.index.n_known]
    steps = np.expm1(np.diff(known))
    return [
        f"{month_name(learned.index.first_month + position + 1)}: {steps[position]:+.0%}"
        for position in np.flatnonzero(np.abs(np.diff(known)) > np.log1p(LARGEST_STEP)).tolist()
    ]


def changes(index: PriceIndex) -> dict[str, float]:
    """Return the relative changes over the last 3 and 12 known months, and what is expected of the next 6.

    Those that are not known are left out.
    """
    if not index.exists:
        return {}
    base = index.n_known - 1
    found = {
        f"change_{months}_months": float(np.expm1(-index.logs[base - months])) for months in (3, 12) if months <= base
    }
    ahead = base + 6
    return {
        **found,
        "expected_6_months": float(np.expm1(index.logs[ahead])),
        "expected_6_months_error": float(index.errors[ahead]),
    }


def by_month(index: PriceIndex) -> "pd.DataFrame":
    """Return ``month``, ``level`` (100 in the base month), ``standard_error`` (in percent of it) and ``rows``.

    The extrapolated months have no rows; the newest come first.
    """
    import pandas as pd

    n_months = len(index.logs)
    rows: list[int | None] = [*index.rows.tolist(), *[None] * (n_months - index.n_known)]
    table = pd.DataFrame(
        {
            "month": [month_name(index.first_month + position) for position in range(n_months)],
            "level": (100 * np.exp(index.logs)).round(2),
            "standard_error": (100 * index.errors).round(2),
            "rows": pd.array(rows, dtype="Int64"),
        }
    )
    return table[::-1].reset_index(drop=True)


def index_picture(index: PriceIndex) -> bytes:
    """Return the course of an index as a PNG, with two standard errors; what is extrapolated is dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6), dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.set_title("Price index: the last known month is 100", fontsize=10)
    if index.exists:
        first = max(0, index.n_known - _SHOWN)
        months = np.arange(index.first_month + first, index.first_month + len(index.logs))
        days = months.astype("datetime64[M]").astype("datetime64[D]")
        levels, errors = index.logs[first:], index.errors[first:]
        known = index.n_known - first
        low, high = (100 * np.exp(levels + side * errors) for side in (-2, 2))
        axes.fill_between(days, low, high, color="#9db4c0", alpha=0.5, label="± 2 standard errors")
        axes.plot(days[:known], 100 * np.exp(levels[:known]), color="#253237", marker=".", label="known")
        axes.plot(
            days[known - 1 :], 100 * np.exp(levels[known - 1 :]), color="#253237", linestyle="--", label="expected"
        )
        axes.legend(fontsize=7, loc="upper left")
        axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _rows_of(index: PriceIndex, month: int) -> int:
    position = month - index.first_month
    return int(index.rows[position]) if 0 <= position < index.n_known else 0
