"""The price index of a market: what a price of one month is in another one's. It is applied here, with numpy alone.

``features/price_index_learning.py`` learns it. A price is brought to the month that all are learned in by
``factor(month, base_month)``, and an estimate from there to the month that is asked about by ``factor(base_month,
month)``. Months are counted from January 1970, as numpy counts them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np

FILE = "price_index.json"
FORMAT = 1

LEARNED, EXTERNAL, BOTH = SOURCES = ("listings", "external", "both")
"""Where an index comes from: hedonic regression of the market's own listings, a file, or both together."""

AHEAD = 24
"""Months that an index is extrapolated by; a month after them has the level of the last one."""

MAX_MONTHS = 360 + AHEAD
"""Months that an index has at most. A price of before that is as one of the first month."""

MAX_LOG = 25.0
"""Furthest level from that of the base month, as a natural logarithm: beyond it, it is no level of prices."""

EPOCH_YEAR = 1970
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, eq=False)
class PriceIndex:
    """Levels of prices by month, of homes that are otherwise the same.

    Attributes
    ----------
    clock : str
        The value of a listing whose month counts; empty where there is no index.
    source : str
        ``listings``, ``external`` or ``both``; empty where there is no index.
    first_month : int
        Month of the first level, counted from January 1970.
    n_known : int
        Months that were observed, or lie between those; the levels behind them are extrapolated.
    logs : ndarray of shape (n_months,), float64
        Natural logarithms of the levels over that of the base month, the last known one.
    errors : ndarray of shape (n_months,), float64
        Standard errors of ``logs``; 0 for the base month.
    rows : ndarray of shape (n_known,), int64
        Training listings of each known month.
    """

    clock: str
    source: str
    first_month: int
    n_known: int
    logs: np.ndarray
    errors: np.ndarray
    rows: np.ndarray

    @classmethod
    def none(cls) -> Self:
        """Return the index of a market without prices or without dates: all its factors are 1."""
        return cls("", "", 0, 0, np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))

    @property
    def exists(self) -> bool:
        """Whether there are levels."""
        return self.n_known > 0

    @property
    def base_month(self) -> int:
        """The last known month, which prices are brought to before they are learned from."""
        return self.first_month + self.n_known - 1

    def factor(self, from_months: "np.ndarray | float", to_month: "np.ndarray | float") -> np.ndarray:
        """Return what prices of some months are to be multiplied by to be prices of others.

        Months before the first have its level, those after the last have that one's. An unknown month, NaN, counts as
        the base month.

        Parameters
        ----------
        from_months, to_month : ndarray or float
            Months from January 1970; they are broadcast together.

        Returns
        -------
        factors : ndarray, float64
            Of the shape that both have together.
        """
        return np.exp(self.level(to_month) - self.level(from_months))

    def level(self, months: "np.ndarray | float") -> np.ndarray:
        """Return the natural logarithms of the levels of some months over that of the base month, float64."""
        asked = np.asarray(months, dtype=np.float64)
        if not self.exists:
            return np.zeros(asked.shape)
        known = np.where(np.isnan(asked), self.base_month, asked)
        positions = np.clip(known - self.first_month, 0, len(self.logs) - 1).astype(np.int64)
        return np.asarray(self.logs[positions])

    def level_on(self, day: date | None) -> float | None:
        """Return ``level`` of one day's month, that of the base month without a day; None without an index."""
        if not self.exists:
            return None
        month = self.base_month if day is None else int(month_of(day))
        return float(self.logs[min(max(month - self.first_month, 0), len(self.logs) - 1)])

    def to_dict(self) -> dict[str, Any]:
        """Return the index as JSON types."""
        return {
            "format": FORMAT,
            "clock": self.clock,
            "source": self.source,
            "first_month": month_name(self.first_month) if self.exists else "",
            "n_known": self.n_known,
            "logs": self.logs.tolist(),
            "errors": self.errors.tolist(),
            "rows": self.rows.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote.

        Raises
        ------
        ValueError
            If it is of another format, or its levels are none that an index has.
        """
        if stored.get("format") != FORMAT:
            raise ValueError(f"the price index's format is {stored.get('format')!r}, this version reads {FORMAT}")
        if not stored["source"]:
            return cls.none()
        if stored["source"] not in SOURCES:
            raise ValueError(f"the price index's source is {stored['source']!r}: expected one of {', '.join(SOURCES)}")
        n_known, lengths = int(stored["n_known"]), [len(stored[name]) for name in ("logs", "errors", "rows")]
        if not 1 <= n_known <= lengths[0] <= MAX_MONTHS or lengths[1:] != [lengths[0], n_known]:
            raise ValueError(
                f"the price index has {', '.join(map(str, lengths))} levels, errors and counts for {n_known} known "
                "months"
            )
        logs, errors = (np.array(stored[name], dtype=np.float64) for name in ("logs", "errors"))
        if not (np.abs(logs) <= MAX_LOG).all() or not (errors >= 0).all():
            raise ValueError("the price index has levels or standard errors that are none")
        return cls(
            str(stored["clock"]),
            str(stored["source"]),
            month_number(stored["first_month"]),
            n_known,
            logs,
            errors,
            np.array(stored["rows"], dtype=np.int64),
        )

    def save(self, folder: Path) -> None:
        """Write ``price_index.json`` to a folder."""
        (folder / FILE).write_text(json.dumps(self.to_dict()), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))


def month_of(day: date | None) -> float:
    """Return the month of a day from January 1970, NaN of none."""
    return np.nan if day is None else float((day.year - EPOCH_YEAR) * MONTHS_PER_YEAR + day.month - 1)


def months_of(days: np.ndarray) -> np.ndarray:
    """Return the months of days (datetime64 of any unit) from January 1970, float64; NaN of a missing one."""
    months = days.astype("datetime64[M]")
    return np.where(np.isnat(months), np.nan, months.astype(np.int64).astype(np.float64))


def month_number(name: str) -> int:
    """Return the month that ``2014-05``, or a day in it, names.

    Raises
    ------
    ValueError
        If it names none.
    """
    parts = name.split("-")
    if len(parts) in (2, 3) and len(parts[0]) == 4 and all(part.isdecimal() for part in parts):
        year, month = int(parts[0]), int(parts[1])
        if 1 <= month <= MONTHS_PER_YEAR:
            return (year - EPOCH_YEAR) * MONTHS_PER_YEAR + month - 1
    raise ValueError(f"{name!r} is no month: expected one such as 2014-05")


def month_name(month: int) -> str:
    """Return a month as ``2014-05``."""
    year, position = divmod(month, MONTHS_PER_YEAR)
    return f"{year + EPOCH_YEAR:04d}-{position + 1:02d}"
