"""Summary of a number's values: a fine histogram, their magnitudes, how many are missing, and exact sums.

Everything is counted in whole numbers, so that profiles merge exactly, in any order and from any split.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

N_EDGES = 512
"""Edges at most: a bin of a value without heavy ties then holds about 0.2 % of the reference, and so does the error."""

STEPS_PER_UNIT = 256
"""Sums count in steps of 1/256 of a unit: finer than areas, ages and counts are written. Coordinates and shares are
written finer; bins and magnitudes tell their values apart."""

LARGEST = 1e11
"""Values beyond it count as it in the sums."""

PER_DECADE = 128
"""Magnitudes that a decade is divided into: values of one of them differ by 1.8 % at most."""

_ROWS_AT_ONCE = 2**16
_LOW_BITS = 23  # LARGEST has 45 bits in steps: two parts whose products, summed over _ROWS_AT_ONCE, stay below 2**63


@dataclass(frozen=True, eq=False)
class NumberProfile:
    """A mergeable summary of the values of one number.

    Attributes
    ----------
    edges : ndarray of shape (n_edges,), float64
        Where bins begin. Values below the first and from the last on have bins of their own.
    counts : ndarray of shape (n_edges + 1,), int64
        Values by bin.
    missing : int
    total, squares : int
        Sum of the values in steps, and of their squares.
    magnitudes : mapping of int to int
        Values other than 0 by ⌊log₁₀ |value| · PER_DECADE⌋: a factor on all of them is a shift of these, also beyond
        the reference's range, where the bins tell nothing apart.
    """

    edges: np.ndarray
    counts: np.ndarray
    missing: int
    total: int
    squares: int
    magnitudes: Mapping[int, int]

    @classmethod
    def of(cls, numbers: np.ndarray, edges: np.ndarray) -> Self:
        """Summarize values.

        Parameters
        ----------
        numbers : ndarray of shape (n_rows,), float64
            NaN where missing.
        edges : ndarray of shape (n_edges,), float64
            As ``learn_edges`` returns them.
        """
        counts = np.zeros(len(edges) + 1, dtype=np.int64)
        present = total = squares = 0
        magnitudes: Counter[int] = Counter()
        for start in range(0, len(numbers), _ROWS_AT_ONCE):
            found = numbers[start : start + _ROWS_AT_ONCE]
            found = found[~np.isnan(found)]
            counts += np.bincount(np.searchsorted(edges, found, side="right"), minlength=len(counts))
            steps = np.rint(np.clip(found, -LARGEST, LARGEST) * STEPS_PER_UNIT).astype(np.int64)
            high, low = steps >> _LOW_BITS, steps & (2**_LOW_BITS - 1)
            present += len(found)
            magnitudes.update(_magnitudes(found, np.ones(len(found), dtype=np.int64)))
            total += int(steps.sum())
            squares += (int(high @ high) << 2 * _LOW_BITS) + (int(high @ low) << _LOW_BITS + 1) + int(low @ low)
        return cls(edges, counts, len(numbers) - present, total, squares, dict(magnitudes))

    def merge(self, other: Self) -> Self:
        """Return the summary of both, whose edges must be the same (``require_comparable`` sees to it)."""
        return type(self)(
            self.edges,
            self.counts + other.counts,
            self.missing + other.missing,
            self.total + other.total,
            self.squares + other.squares,
            dict(Counter(self.magnitudes) + Counter(other.magnitudes)),
        )

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean of the values that are not missing, in their unit; 0 where there are none."""
        return self.total / (self.present * STEPS_PER_UNIT) if self.present else 0.0

    @property
    def deviation(self) -> float:
        """Sample standard deviation, in the values' unit; 0 below two values."""
        n = self.present
        if n < 2:
            return 0.0
        return math.sqrt((n * self.squares - self.total**2) / (n * (n - 1))) / STEPS_PER_UNIT

    @property
    def is_constant(self) -> bool:
        """Whether all values that are not missing are the same, as far as sums, bins and magnitudes tell."""
        n_of_magnitude = sum(self.magnitudes.values())
        return (
            not self.deviation
            and int(np.count_nonzero(self.counts)) <= 1
            and len(self.magnitudes) <= 1
            and n_of_magnitude in (0, self.present)
        )

    @property
    def positions(self) -> np.ndarray:
        """Where each bin's values stand: its lower edge, which the reference had a value at; float64."""
        return _positions(self.edges)

    def quantile(self, share: float) -> float:
        """Return the value below or at which a share of the values lies, to within its bin; 0 where there are none."""
        reached = int(np.searchsorted(np.cumsum(self.counts), share * self.present, side="left"))
        return float(self.positions[reached])

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
            "missing": self.missing,
            "total": self.total,
            "squares": self.squares,
            "magnitudes": sorted(self.magnitudes.items()),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned; without magnitudes, they follow from the bins, to within one of them."""
        edges, counts = np.array(stored["edges"], dtype=np.float64), np.array(stored["counts"], dtype=np.int64)
        known = stored.get("magnitudes")
        return cls(
            edges,
            counts,
            int(stored["missing"]),
            int(stored["total"]),
            int(stored["squares"]),
            _magnitudes(_positions(edges), counts) if known is None else {int(one): int(many) for one, many in known},
        )


def _positions(edges: np.ndarray) -> np.ndarray:
    return np.concatenate([edges[:1], edges]) if len(edges) else np.zeros(1)


def _magnitudes(values: np.ndarray, counts: np.ndarray) -> dict[int, int]:
    """Count values other than 0 by magnitude."""
    filled = (values != 0) & (counts > 0)
    found = np.floor(np.log10(np.abs(values[filled])) * PER_DECADE).astype(np.int64)
    bins, codes = np.unique(found, return_inverse=True)
    summed = np.bincount(codes, counts[filled], len(bins)).astype(np.int64)
    return dict(zip(bins.tolist(), summed.tolist(), strict=True))


def learn_edges(numbers: np.ndarray) -> np.ndarray:
    """Choose where the bins of a number begin: at its values, or at 511 quantiles where it has more.

    Edges are values that occur, so that a bin of a number with few values holds one value alone. The last edge lies
    just above the largest value: what is outside the reference's range never shares a bin with what is inside.

    Parameters
    ----------
    numbers : ndarray of shape (n_rows,), float64
        Values of the reference, NaN where missing.
    """
    distinct = np.unique(numbers[~np.isnan(numbers)])
    if not len(distinct):
        return distinct
    if len(distinct) >= N_EDGES:
        shares = np.linspace(0, 1, N_EDGES - 1)
        distinct = np.unique(np.nanquantile(numbers, shares, method="inverted_cdf"))
    return np.append(distinct, np.nextafter(distinct[-1], np.inf))
