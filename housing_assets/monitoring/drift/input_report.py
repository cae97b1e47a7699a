"""What a day's input comes to: the signs that it is broken, and whether the day is held for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.monitoring.drift.causes import OF_CLIENTS, Cause, Sign, find_causes, find_price_cause, find_stuck
from housing_assets.monitoring.drift.findings import judge
from housing_assets.monitoring.drift.measuring import measure
from housing_assets.monitoring.production.days import DayProfiles
from housing_assets.monitoring.production.windows import Window, choose_version
from housing_assets.monitoring.profiles.blocks import PREDICTIONS
from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.profiles.profile import Profile, require_comparable
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.profiles.rows import RowProfile
from housing_assets.monitoring.thresholds import Thresholds
from resources.predictions.day_decisions import PLATFORM, DayDecision, Days, State


@dataclass(frozen=True)
class InputReport:
    """A day's input.

    Attributes
    ----------
    rows : int
        Requests that were looked at.
    prices : int
        Prices that were reported on the day.
    causes : tuple of Cause
        Signs that it is broken.
    insufficient : bool
        Whether there are too few of both to tell.
    reason : str
        Why the requests could not be looked at; empty where they were.
    """

    rows: int
    prices: int
    causes: tuple[Cause, ...]
    insufficient: bool
    reason: str

    @property
    def summary(self) -> str:
        """The outcome in a sentence."""
        if self.causes:
            return f"The input looks broken: {'; '.join(one.detail for one in self.causes)}."
        if self.reason:
            return self.reason
        if self.insufficient:
            return f"Not judged: {self.rows:,} requests and {self.prices:,} prices are too few to tell."
        return f"No sign of a broken feed in {self.rows:,} requests and {self.prices:,} reported prices."


def judge_input(
    market: Market, window: Window, prices: np.ndarray, before: Mapping[date, DayProfiles], limits: Thresholds
) -> InputReport:
    """Look for signs that a day's input is broken.

    Parameters
    ----------
    market : Market
    window : Window
        Of the day alone.
    prices : ndarray of shape (n_prices,), float64
        That were reported on it, for whatever day's requests.
    before : mapping of date to DayProfiles
        The days before it.
    limits : Thresholds
    """
    causes = window.judge(lambda reference, day: find_signs(market, reference, day, limits), lambda reason: ())
    if window.profile:
        causes = (
            *causes,
            *find_stuck(window.profile.listings, {day: _rows(one) for day, one in before.items()}, limits),
        )
    learned = window.reference.prices if window.reference else None
    if learned is not None:
        reported = NumberProfile.of(prices, learned.edges)
        causes = (*causes, *find_price_cause(market.target_value.name, learned, reported, limits))
    rows = window.profile.rows if window.profile else 0
    return InputReport(rows, len(prices), causes, max(rows, len(prices)) < limits.broken_min_rows, window.reason)


def decide_day(day: date, report: InputReport, days: Days) -> DayDecision:
    """Return the decision on a day: the one in force where a person took it, or where nothing is new.

    Parameters
    ----------
    day : date
    report : InputReport
        Of the day.
    days : Days
        As decided before.
    """
    standing = days.newest.get(day)
    if standing is not None and standing.by != PLATFORM:
        return standing
    known = days.released_causes
    causes = [one for one in report.causes if one.sign not in OF_CLIENTS or one.key not in known]
    if not causes:
        if standing is not None and standing.state is not State.CLEAN:
            return standing
        return DayDecision(day, State.CLEAN, report.summary, PLATFORM)
    keys = tuple(one.key for one in causes)
    if standing is not None and standing.state is State.HELD and standing.causes == keys:
        return standing
    return DayDecision(day, State.HELD, "; ".join(one.detail for one in causes), PLATFORM, causes=keys)


def release_days(
    market: Market,
    profiles: Mapping[date, DayProfiles],
    production: Reference,
    version: int,
    days: Days,
    limits: Thresholds,
) -> Iterator[DayDecision]:
    """Yield the releases of days that the platform held and that look as the listings do which were learned since.

    A version that was trained after a day was held has not seen its rows: if what it learned from the source shows none
    of the signs against the day, the day was the world's.

    Parameters
    ----------
    market : Market
    profiles : mapping of date to DayProfiles
        Of the days that may be released.
    production : Reference
        Of the version in production.
    version : int
        The version in production.
    days : Days
    limits : Thresholds
    """
    for day, held in days.held.items():
        if held.by != PLATFORM or day not in profiles or not profiles[day].rows:
            continue
        answered = choose_version(profiles[day].rows, 0, limits.broken_min_rows)
        by_price = any(cause.endswith(f": {market.target_value.name}") for cause in held.causes)
        if (
            answered >= version
            or by_price
            or Sign.STUCK in held.causes
            or profiles[day].rows[answered] < limits.broken_min_rows
        ):
            continue
        if not find_causes(market, production.profile, profiles[day].by_version[answered], limits):
            reason = f"the listings that version {version} learned from, without this day, look the same"
            yield DayDecision(day, State.RELEASED, reason, PLATFORM, causes=held.causes)


def _rows(day: DayProfiles) -> RowProfile:
    """Return a day's rows, whichever versions answered them."""
    return reduce(RowProfile.merge, (profile.listings for profile in day.by_version.values()), RowProfile.none())


def find_signs(market: Market, reference: Profile, day: Profile, limits: Thresholds) -> tuple[Cause, ...]:
    """Return the signs that rows are of a broken feed, over the bins of what they are held against.

    Raises
    ------
    ProfileRefused
        If they are of other columns, bins or categories.
    """
    require_comparable(reference, day)
    if day.rows < limits.broken_min_rows or not reference.rows:
        return ()
    # What has moved excuses a column, so it is looked for even where a report would not judge, for want of clients.
    findings = judge(measure(reference, day, limits), limits.false_discovery_rate)
    moved = {one.column for one in findings if one.counts_toward_retraining} - {PREDICTIONS}
    return find_causes(market, reference, day, limits, moved)
