"""Whether a day's input is broken, and why: signs of a feed that went wrong, as against a world that has changed.

Retraining mends a model whose world has changed; of a broken feed it learns what is wrong. The signs of one are a
number in another unit, values gone missing, a column that stands still while the others vary, rows that come again, and
a clock that has stopped. Prices, mixes and new places that move while they stay in their units are the world's.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.monitoring.profiles.numbers import PER_DECADE, NumberProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.rows import RowProfile
from housing_assets.monitoring.statistics import two_sample
from housing_assets.monitoring.thresholds import Thresholds

DECIMAL = {10.0: "", 100.0: "", 1_000.0: ""}
"""Factors of a shifted decimal point or a changed prefix."""

UNITS = {10.764: "square feet for square metres", 3.281: "feet for metres"}
"""Factors between units of homes, and what they stand for."""

OTHER_CURRENCY = 5.0
"""Factor, either way, from which a price whose distribution keeps its shape is in another unit. Prices of a market rise
by half or double in a year; none are a fifth of themselves, all alike, from one day to the next."""

UNEXPLAINED = 1e-6
"""Probability below which a coincidence is taken for a sign: one in years of days with a hundred columns."""

_CLIENT = 20
"""Rows that count as one where a coincidence is judged: a client sends many ads that are alike."""

_SLACK = 1
"""Magnitudes by which values may be off: converted ones are rounded."""

_MEASURED = re.compile(r"m²|m2|ft|sq|feet|foot|met(?:er|re)|^m$", re.IGNORECASE)
"""Units of lengths and areas, which are measured in feet or metres."""

_SHARES = np.linspace(0.1, 1.0, 46)
"""Shares of the rows that are tried: all of them, or those of one client."""

_ALL = 0.9
"""Share that cannot be told from all of them."""

_RATES = 12
"""Magnitudes around the ratio of the medians within which an exchange rate is looked for."""

_FIT = 0.02
"""Distance from the reference, beyond chance, that values may have after the division."""

_CHANCE = 1.63
"""Of the Kolmogorov-Smirnov statistic, in √(1/n + 1/m): the value that one of a hundred samples exceeds."""


class Sign(StrEnum):
    """What is wrong with a feed."""

    SCALE = "scale"
    MISSING = "missing"
    ABSENT = "absent"
    ONE_VALUE = "one value"
    REPEATED = "repeated rows"
    STOPPED = "stopped clock"
    STUCK = "rows of another day"


OF_CLIENTS = (Sign.MISSING, Sign.ABSENT, Sign.STUCK)
"""Signs that a client may give for good, because it does not send a column, or asks about the same homes each night: a
person who has released a day of one has released those that follow. What is in the wrong unit is looked at each time.
"""


@dataclass(frozen=True)
class Cause:
    """A sign that the input is broken.

    Attributes
    ----------
    column : str
        A declared value; empty where it is of whole rows.
    sign : Sign
    detail : str
        What was found, and what it should be, in a sentence.
    """

    column: str
    sign: Sign
    detail: str

    @property
    def key(self) -> str:
        """By which the same cause is known on another day."""
        return f"{self.sign}: {self.column}" if self.column else str(self.sign)


def find_causes(
    market: Market, reference: Profile, day: Profile, limits: Thresholds, moved: Collection[str] = ()
) -> tuple[Cause, ...]:
    """Return the signs that a day's input is broken; none where it has too few rows to tell.

    Parameters
    ----------
    market : Market
        Whose declared units say which numbers may be in feet.
    reference : Profile
    day : Profile
        Of one day, for clocks go on from day to day; its bins may be others.
    limits : Thresholds
    moved : collection of str
        Columns whose distribution has changed. Values that go missing, or are the same in every row, are those of
        another mix of homes where other columns have changed with them: a day of one area only has its own
        addresses, and one of houses no floors.
    """
    if day.rows < limits.broken_min_rows or not reference.rows:
        return ()
    return tuple(_find(market, reference, day, limits, moved))


def find_price_cause(
    name: str, reference: NumberProfile, reported: NumberProfile, limits: Thresholds
) -> tuple[Cause, ...]:
    """Return whether reported prices are in another unit than those that were learned from.

    A price that has risen is the world's: only a decimal factor, or one of ``OTHER_CURRENCY`` or more that keeps the
    distribution's shape, is a unit.

    Parameters
    ----------
    name : str
        Of the target's value.
    reference, reported : NumberProfile
    limits : Thresholds
    """
    if reported.present < limits.broken_min_rows or not reference.present:
        return ()
    median = int(_median(reported.magnitudes) - _median(reference.magnitudes))
    rates = (10 ** (abs(shift) / PER_DECADE) for shift in range(median - _RATES, median + _RATES + 1))
    currencies = {rate: "another currency" for rate in rates if rate >= OTHER_CURRENCY}
    tried = (find_scale(reference.magnitudes, reported.magnitudes, factors) for factors in (DECIMAL, currencies))
    found = next(filter(None, tried), None)
    return (Cause(name, Sign.SCALE, found.describe(name)),) if found else ()


def find_stuck(day: RowProfile, before: Mapping[date, RowProfile], limits: Thresholds) -> tuple[Cause, ...]:
    """Return whether a day's rows are those of a day before: of a feed that is stuck.

    Parameters
    ----------
    day : RowProfile
    before : mapping of date to RowProfile
        The days that it is compared with.
    limits : Thresholds
    """
    shares = {}
    for other, rows in before.items():
        again, compared = day.compare(rows)
        if compared >= limits.broken_min_rows:
            shares[other] = again / compared
    most = max(shares, key=lambda other: (shares[other], other), default=None)
    if most is None or shares[most] <= limits.repeated_days_share:
        return ()
    limit = f"at most {limits.repeated_days_share:.0%} may be those of one day"
    return (Cause("", Sign.STUCK, f"{shares[most]:.0%} of the different rows are those of {most}, {limit}"),)


@dataclass(frozen=True)
class Scale:
    """A factor on a number's values.

    Attributes
    ----------
    factor : float
        Below 1 where values were divided.
    share : float
        Of the values that it is on, from 0 to 1.
    unit : str
        What the factor stands for; empty where nothing is known.
    """

    factor: float
    share: float
    unit: str

    def describe(self, column: str) -> str:
        """Return what was found, in a sentence."""
        larger = self.factor > 1
        factor = f"{self.factor if larger else 1 / self.factor:.5g}"
        done, undone = ("multiplied", "divided") if larger else ("divided", "multiplied")
        subject = f"{column} looks" if self.share > _ALL else f"about {self.share:.0%} of {column} look"
        unit = f" ({self.unit}{'' if larger else ', or the other way round'})" if self.unit else ""
        return f"{subject} {done} by {factor}{unit}: {undone} by it, its distribution is the reference's"


def find_scale(reference: Mapping[int, int], values: Mapping[int, int], factors: Mapping[float, str]) -> Scale | None:
    """Return the factor that explains why values differ from the reference, None if none does.

    All factors, and their inverses, are tried on some share of the rows: the values are then a mixture of the
    reference and of the reference times the factor. One explains it if the largest distance between the cumulative
    distributions is large before and no more than chance afterwards.

    Parameters
    ----------
    reference, values : mapping of int to int
        Counts by magnitude.
    factors : mapping of float to str
        Factors above 1, and what each stands for.
    """
    n, m = sum(reference.values()), sum(values.values())
    if not n or not m or not factors:
        return None
    shifts = {
        sign * round(PER_DECADE * math.log10(factor)): (factor**sign, unit)
        for factor, unit in factors.items()
        for sign in (1, -1)
    }
    widest = max(map(abs, shifts)) + _SLACK
    first = min(*reference, *values) - widest
    length = max(*reference, *values) + widest - first + 1
    expected, found = (_cumulated(counts, first, length) for counts in (reference, values))
    before = _distance(found, expected[None])[0]
    fits = []
    for shift in shifts:
        moved = _shifted(expected, shift)
        distances = _distance(found, expected + _SHARES[:, None] * (moved - expected))
        best = int(distances.argmin())
        fits.append((float(distances[best]), shift, float(_SHARES[best])))
    after, shift, share = min(fits)
    allowed = _FIT + _CHANCE * math.sqrt(1 / n + 1 / m)
    if after > allowed or before < max(4 * after, 2 * allowed):
        return None
    factor, unit = shifts[shift]
    return Scale(factor, share, unit)


def _find(
    market: Market, reference: Profile, day: Profile, limits: Thresholds, moved: Collection[str]
) -> Iterator[Cause]:
    units = {value.name: value.unit for value in market.values()}
    for name, number in day.numbers.items():
        if number.present >= limits.broken_min_rows:
            factors = {**DECIMAL, **(UNITS if _MEASURED.search(units[name]) else {})}
            found = find_scale(reference.numbers[name].magnitudes, number.magnitudes, factors)
            if found:
                yield Cause(name, Sign.SCALE, found.describe(name))
    still = dict(_standing_still(reference, day, limits))
    gone = dict(_gone_missing(reference, day, limits))
    if not set(moved) - still.keys() - gone.keys():
        yield from (Cause(name, Sign.ONE_VALUE, detail) for name, detail in still.items())
        yield from (Cause(name, Sign.MISSING, detail) for name, detail in gone.items())
    for name, missing in reference.missing.items():
        share = missing / reference.rows
        if day.missing[name] == day.rows and not _could_be(share, day.rows):
            yield Cause(name, Sign.ABSENT, f"no request has {name}, {1 - share:.0%} of the reference's rows do")
    for name, lag in day.lags.items():
        yield from _find_stopped(name, reference.lags[name], lag, limits)
    repeated = 1 - day.listings.distinct / day.rows
    if repeated > limits.repeated_share:
        detail = f"{repeated:.0%} of the rows repeat another row of the day, at most {limits.repeated_share:.0%} may"
        yield Cause("", Sign.REPEATED, detail)


def _gone_missing(reference: Profile, day: Profile, limits: Thresholds) -> Iterator[tuple[str, str]]:
    """Yield the columns whose values are missing far more often than in the reference, and not in all rows."""
    for name, lost in day.missing.items():
        share, share_lost = reference.missing[name] / reference.rows, lost / day.rows
        if (
            lost < day.rows
            and share_lost - share > limits.broken_missing_share
            and _differ(reference.missing[name], reference.rows, lost, day.rows)
        ):
            yield name, f"{name} is missing in {share_lost:.0%} of the rows, in {share:.0%} of the reference's"


def _standing_still(reference: Profile, day: Profile, limits: Thresholds) -> Iterator[tuple[str, str]]:
    """Yield the columns with a single value that the reference's rows do not have in common."""
    for name, number in day.numbers.items():
        if number.present >= limits.broken_min_rows and number.is_constant:
            share = _share_of(number, reference.numbers[name])
            if not _could_be(share, number.present):
                yield name, f"{name} is {number.mean:,.6g} in every row, in {share:.0%} of them before"
    for name, text in day.texts.items():
        if text.present >= limits.broken_min_rows and set(text.counts.values()) == {text.present}:
            (only,) = text.counts
            share = reference.texts[name].counts.get(only, 0) / max(reference.texts[name].present, 1)
            if not _could_be(share, text.present):
                yield name, f"{name} has the same value in every row, which {share:.0%} of them had before"


def _find_stopped(name: str, reference: NumberProfile, lag: NumberProfile, limits: Thresholds) -> Iterator[Cause]:
    if lag.present >= limits.broken_min_rows and not lag.deviation and lag.mean > 1 and reference.deviation:
        yield Cause(name, Sign.STOPPED, f"{name} is the same day in every row, {lag.mean:,.0f} days ago")


def _share_of(still: NumberProfile, reference: NumberProfile) -> float:
    """Return the share of the reference's values that are of the magnitude of a constant number."""
    if still.magnitudes:
        (magnitude,) = still.magnitudes
        return reference.magnitudes.get(magnitude, 0) / max(reference.present, 1)
    return 1 - sum(reference.magnitudes.values()) / max(reference.present, 1)


def _could_be(share: float, rows: int) -> bool:
    """Return whether so many rows may all have by chance what a share of the reference has."""
    return share ** (rows / _CLIENT) >= UNEXPLAINED


def _differ(hits: int, rows: int, day_hits: int, day_rows: int) -> bool:
    p = two_sample.compare_proportions(hits, rows, day_hits // _CLIENT, max(day_rows // _CLIENT, 1))
    return p < UNEXPLAINED


def _cumulated(counts: Mapping[int, int], first: int, length: int) -> np.ndarray:
    shares = np.zeros(length)
    shares[np.fromiter(counts, np.int64, len(counts)) - first] = np.fromiter(counts.values(), np.int64, len(counts))
    return np.cumsum(shares) / shares.sum()


def _shifted(cumulated: np.ndarray, shift: int) -> np.ndarray:
    if shift > 0:
        return np.concatenate([np.zeros(shift), cumulated[:-shift]])
    return np.concatenate([cumulated[-shift:], np.ones(-shift)])


def _distance(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the largest distance to each of some cumulative distributions, a magnitude to either side allowed."""
    above = found[:-_SLACK] - expected[:, _SLACK:]
    below = expected[:, :-_SLACK] - found[_SLACK:]
    return np.maximum(above.max(axis=1), below.max(axis=1))


def _median(magnitudes: Mapping[int, int]) -> float:
    ordered = sorted(magnitudes)
    reached = np.cumsum([magnitudes[one] for one in ordered])
    return float(ordered[int(np.searchsorted(reached, reached[-1] / 2))])
