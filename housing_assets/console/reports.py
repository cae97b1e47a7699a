"""What the stored daily reports say, in few numbers: each is read once, and again only when it was made anew."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from resources.outages import is_outage
from resources.values.store import ValueLost, ValueStore, named_partition

PAGE = "drift_report_page.html"

MADE_ANEW = timedelta(days=10)
"""Age of days that are judged anew by themselves: whether they were is asked at each look."""

WHOLE_LOOK_SECONDS = 600
"""From one look at all other days to the next: in an object store, each costs a request."""

_DAMAGED = (LookupError, TypeError, ValueError, ArithmeticError, OSError)
"""What reading a report raises that is damaged, gone, or of a release that wrote others; the object store's own faults
are none of them."""

PREDICTIONS = "predictions"
"""The column of a drift report that stands for what was predicted."""


class Effect(NamedTuple):
    """The worst that a drift report measured of a column.

    Attributes
    ----------
    column, statistic : str
    effect, limit : float
    over : bool
        Whether it is over its limit and no chance: only that fails a check.
    times : float
        The effect in limits: 1 is at the limit.
    """

    column: str
    statistic: str
    effect: float
    limit: float
    over: bool
    times: float


@dataclass(frozen=True)
class Drift:
    """A drift report in few numbers.

    Attributes
    ----------
    summary : str
    rows : int
        That were compared.
    effects : tuple of Effect
        One for each column, the worst first.
    """

    summary: str
    rows: int
    effects: tuple[Effect, ...]

    @property
    def worst(self) -> Effect | None:
        """The column that is furthest beyond its limit, or closest to it."""
        return next((one for one in self.effects if one.column != PREDICTIONS), None)

    @property
    def predictions(self) -> Effect | None:
        """The drift of what was predicted."""
        return next((one for one in self.effects if one.column == PREDICTIONS), None)


@dataclass(frozen=True)
class Performance:
    """A performance report in few numbers.

    Attributes
    ----------
    rows : int
        Labelled ones.
    accuracy, expected : float or None
        On them, and as expected from the holdout; None where they are too few.
    failed : bool
    estimate : tuple of float or None
        Accuracy as estimated without labels (CBPE), with its lowest and highest.
    """

    rows: int
    accuracy: float | None
    expected: float | None
    failed: bool
    estimate: tuple[float, float, float] | None


@dataclass(frozen=True)
class Figures:
    """What the stored reports of a day say; None where there is no such report."""

    answered: int | None = None
    drift: Drift | None = None
    performance: Performance | None = None


NOTHING = Figures()
"""Of a day without reports."""


class Unreadable(NamedTuple):
    """A stored report that cannot be read.

    Attributes
    ----------
    report : str
    day : date
    fault : str
        What kind of fault was met.
    """

    report: str
    day: date
    fault: str


@dataclass(frozen=True)
class StoredFigures:
    """What all stored reports say.

    Attributes
    ----------
    by_day : mapping of date to Figures
        Of each day that has a report. What cannot be read any more stands as it was known last.
    unreadable : tuple of Unreadable
        Newest first.
    """

    by_day: Mapping[date, Figures] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()


class Reports:
    """Reads the reports where values lie.

    Parameters
    ----------
    store : ValueStore
    prefix : sequence of str
        Of the keys of the market's assets.
    """

    def __init__(self, store: ValueStore, prefix: Sequence[str] = ()) -> None:
        self._store = store
        self._prefix = tuple(prefix)
        self._known: dict[str, _Known] = {}
        self._unreadable: dict[str, Unreadable] = {}
        self._whole_look = -math.inf

    def read(self) -> StoredFigures:
        """Return the figures of each day that has a report; one that is damaged hides no other.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError
            If the place where reports lie cannot be read.
        """
        whole = time.monotonic() - self._whole_look > WHOLE_LOOK_SECONDS
        answered = self._of("traffic_report", lambda told: int(told["traffic"]["answered"]), whole)
        drift = self._of("drift_report", _read_drift, whole)
        performance = self._of("performance_report", _read_performance, whole)
        if whole:
            self._whole_look = time.monotonic()
        by_day = {
            day: Figures(answered.get(day), drift.get(day), performance.get(day))
            for day in answered.keys() | drift.keys() | performance.keys()
        }
        return StoredFigures(by_day, tuple(sorted(self._unreadable.values(), key=lambda one: one.day, reverse=True)))

    def page(self, day: date) -> bytes | None:
        """Return a day's drift report as a page, None where there is none."""
        try:
            value = self._store.newest(f"{self._asset('drift_report')}|{day}")
            return None if value is None else (self._store.open(value) / PAGE).read_bytes()
        except (FileNotFoundError, ValueLost):  # it is just made anew
            return None

    def _of(self, asset: str, condense: Callable[[Any], Any], whole: bool) -> dict[date, Any]:
        names = {
            name: date.fromisoformat(named_partition(name)[1] or "")
            for name in self._store.names(self._asset(asset), partitioned=True)
        }
        for name in [name for name, one in self._unreadable.items() if one.report == asset and name not in names]:
            del self._unreadable[name]
        for name, day in names.items():
            if name not in self._known or whole or datetime.now(UTC).date() - day < MADE_ANEW:
                self._look(name, asset, day, condense)
        known = ((day, self._known.get(name, _UNKNOWN).figures) for name, day in names.items())
        return {day: figures for day, figures in known if figures is not None}

    def _look(self, name: str, asset: str, day: date, condense: Callable[[Any], Any]) -> None:
        """Read a report if it is another than is known; one that is damaged is known, too, and not read again."""
        known, value_id = self._known.get(name, _UNKNOWN), ""
        try:
            value = self._store.newest(name)
            if value is None or value.id == known.id:
                return
            value_id = value.id
            told = orjson.loads((self._store.open(value) / f"{asset}.json").read_bytes())
            self._known[name] = _Known(value_id, condense(told))
            self._unreadable.pop(name, None)
        except _DAMAGED as fault:
            if is_outage(fault):
                raise
            # What this machine refuses, it may not at the next look.
            self._known[name] = _Known("" if isinstance(fault, OSError) else value_id, known.figures)
            self._unreadable[name] = Unreadable(asset, day, type(fault).__name__)

    def _asset(self, name: str) -> str:
        return "/".join((*self._prefix, name))


@dataclass(frozen=True)
class _Known:
    id: str
    figures: Any = field(repr=False)


_UNKNOWN = _Known("", None)


def _read_drift(report: Any) -> Drift:
    worst: dict[str, Effect] = {}
    for found in report["findings"]:
        if found["alert"] is None:
            continue
        effect, limit = found["effect"], found["alert"]
        over = found["severity"] == "alert"
        one = Effect(found["column"], found["statistic"], effect, limit, over, effect / limit)
        if one.column not in worst or _rank(one) > _rank(worst[one.column]):
            worst[one.column] = one
    effects = sorted(worst.values(), key=_rank, reverse=True)
    return Drift(report["summary"], report["rows"], tuple(effects))


def _rank(one: Effect) -> tuple[bool, float]:
    return one.over, one.times


def _read_performance(told: Any) -> Performance:
    report, estimate = told["report"], told["estimate_without_labels"]
    judged = not report["insufficient"] and report["rows"] > 0
    return Performance(
        rows=report["rows"],
        accuracy=report["accuracy"] if judged else None,
        expected=report["accuracy"] + report["accuracy_drop"] if judged else None,
        failed=report["failed"],
        estimate=(estimate["accuracy"], estimate["low"], estimate["high"]) if estimate else None,
    )
