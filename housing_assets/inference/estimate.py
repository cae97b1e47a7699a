"""Price estimates: what the training listings in a listing's leaves cost, and how sure that is.

A quantile regression forest (Meinshausen 2006) on the trees that tell the category: each tree gives the training
listings of its leaf an equal share of one, and the estimate is the median of their prices by these shares. The same
shares give intervals, which factors widen or narrow until they hold as often as they say, in each area as in all
(conformalized quantile regression, Romano et al. 2019). ``training/estimate_learning.py`` learns all of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from housing_assets.inference.comparables import Comparables
from housing_assets.inference.plain_arrays import ArraysDamaged, load_arrays

FILE, CALIBRATION = "estimator.npz", "estimator.json"

COVERAGES = (0.5, 0.68, 0.8)
"""Shares of the prices that the intervals hold; the second is what a standard deviation holds of a normal error."""

MAX_LISTINGS = 2**16
"""Training listings that are kept at most: their numbers have 16 bits."""

N_COLUMNS = 2 + 2 * len(COVERAGES)
"""Of the estimates of rows: the price, the ends of the interval of each coverage, and the similarity."""

_DTYPES = {"starts": np.int32, "members": np.uint16, "values": np.float64}


class Interval(NamedTuple):
    """Prices that the true one lies between as often as it is said."""

    low: float
    high: float


class Estimate(NamedTuple):
    """What a listing is worth, in the currency of its market.

    Attributes
    ----------
    price : float
        As many prices of listings like it are above as below.
    interval_50, interval_80 : Interval
    forecast_deviation : float
        Share of the estimate that 68 % of the prices differ from it by at most (the forecast standard deviation of the
        European AVM Alliance).
    """

    price: float
    interval_50: Interval
    interval_80: Interval
    forecast_deviation: float


class NoEstimate(NamedTuple):
    """Why a listing has no estimate."""

    reason: str


@dataclass(frozen=True)
class Calibration:
    """What makes intervals hold as often as they say.

    Attributes
    ----------
    key : str
        The text by whose value factors differ: the area, say.
    factors : mapping of str to tuple of float
        For each value of it, and each coverage, what the distance of an interval's ends is multiplied by.
    otherwise : tuple of float
        The same for every other value.
    least_similarity : float
        Share of the trees in whose leaves the most similar training listing must stand: 99 % of held-out listings have
        one that does. Others have no estimate.
    """

    key: str
    factors: Mapping[str, tuple[float, ...]]
    otherwise: tuple[float, ...]
    least_similarity: float

    def of(self, texts: Sequence[str | None]) -> np.ndarray:
        """Return the factors for values of the key: float64 of shape (n_rows, n_coverages)."""
        rows, otherwise = self._rows
        if len(texts) == 1:
            return rows.get(texts[0], otherwise)
        return np.concatenate([rows.get(text, otherwise) for text in texts] or [np.empty((0, len(COVERAGES)))])

    @cached_property
    def _rows(self) -> tuple[dict[str | None, np.ndarray], np.ndarray]:
        """The same as arrays of one row, made once and not for each answer."""
        of_texts: dict[str | None, np.ndarray] = {text: np.array([row]) for text, row in self.factors.items()}
        return of_texts, np.array([self.otherwise])


NEUTRAL = Calibration("", {}, (1.0,) * len(COVERAGES), 0.0)
"""Leaves intervals as the leaves have them."""


@dataclass(frozen=True)
class PriceEstimator:
    """Estimates prices by the leaves that a forest leads listings to.

    Attributes
    ----------
    starts : ndarray of shape (n_leaves + 1,), int32
        Where the members of each leaf begin in ``members``; the last one is their number.
    members : ndarray of shape (n_members,), uint16
        Numbers of training listings.
    values : ndarray of shape (n_listings,), float64
        Natural logs of the training listings' prices, ascending, less what was known of each without the forest.
    calibration : Calibration
    comparables : Comparables or None
        What is kept of the training listings; None where the market forbids it, or a former release learned.
    """

    starts: np.ndarray
    members: np.ndarray
    values: np.ndarray
    calibration: Calibration = field(default=NEUTRAL)
    comparables: Comparables | None = field(default=None)

    def estimate(self, leaves: np.ndarray, known: np.ndarray, texts: Sequence[str | None]) -> np.ndarray:
        """Return estimates of rows: float64 of shape (n_rows, 8).

        The columns are the price, the ends of the interval of each coverage, and the similarity: the share of the trees
        whose leaf holds the most similar training listing. Nothing is left out for being unlike all.

        Parameters
        ----------
        leaves : ndarray of shape (n_rows, n_trees), int32
        known : ndarray of shape (n_rows,), float64
            What the log price is without the forest; zeros where nothing is known.
        texts : sequence of str or None
            Value of the calibration's key for each row.
        """
        from housing_assets.inference.leaf_prices import estimate_rows

        return estimate_rows(leaves, self.starts, self.members, self.values, known, self.calibration.of(texts))

    def is_unlike(self, estimates: np.ndarray) -> np.ndarray:
        """Return which rows of ``estimate`` are too unlike all training listings: a boolean mask."""
        similarity = estimates[:, -1]
        return (similarity == 0) | (similarity < self.calibration.least_similarity)

    def estimate_one(self, leaves: np.ndarray, known: float, text: str | None) -> Estimate | NoEstimate:
        """Return the estimate of one listing, or why there is none; the parameters are as for ``estimate``."""
        found = self.estimate(leaves[None, :], np.array([known]), (text,))[0].tolist()
        price, low_50, high_50, low_68, high_68, low_80, high_80, similarity = found
        if similarity == 0 or similarity < self.calibration.least_similarity:  # as ``is_unlike`` says of rows
            return NoEstimate(self.why_unlike(similarity))
        return Estimate(
            price, Interval(low_50, high_50), Interval(low_80, high_80), forecast_deviation(price, low_68, high_68)
        )

    def why_unlike(self, similarity: float) -> str:
        """Return why a listing has no estimate, given the similarity that ``estimate`` tells."""
        return (
            f"no training listing is enough like it: the most similar one shares {similarity:.1%} of the trees' "
            f"leaves, {self.calibration.least_similarity:.1%} are needed"
        )

    def most_similar(self, leaves: np.ndarray, n_listings: int) -> list[tuple[int, float]]:
        """Return the training listings that share most leaves with one: their numbers, and the shares of the trees.

        Parameters
        ----------
        leaves : ndarray of shape (n_trees,), int32
        n_listings : int
        """
        from housing_assets.inference.leaf_prices import count_shared

        shared = count_shared(leaves, self.starts, self.members, len(self.values))
        order = np.argsort(-shared, kind="stable")[:n_listings]
        return [(int(number), float(shared[number] / len(leaves))) for number in order if shared[number]]

    def leaf_means(self) -> np.ndarray:
        """Return the mean of the values in each leaf, NaN in one without: float64 of shape (n_leaves,)."""
        sums = np.append(0.0, np.cumsum(self.values[self.members]))[self.starts]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diff(sums) / np.diff(self.starts))

    @classmethod
    def nothing(cls, n_leaves: int) -> Self:
        """Return the estimator of a market without prices."""
        return cls(np.zeros(n_leaves + 1, np.int32), np.empty(0, np.uint16), np.empty(0))

    @property
    def is_empty(self) -> bool:
        """Whether it has no listing to estimate prices by."""
        return not len(self.values)

    @property
    def n_leaves(self) -> int:
        """Leaves of the forest that it was learned with."""
        return len(self.starts) - 1

    def save(self, folder: Path) -> None:
        """Write ``estimator.npz``, ``estimator.json`` and, where there are any, the comparables to a folder."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), dtype) for name, dtype in _DTYPES.items()}
        np.savez(folder / FILE, **arrays)
        stored = {
            "key": self.calibration.key,
            "factors": {text: list(factors) for text, factors in self.calibration.factors.items()},
            "otherwise": list(self.calibration.otherwise),
            "least_similarity": self.calibration.least_similarity,
            "comparables": self.comparables is not None,
        }
        if self.comparables is not None:
            self.comparables.save(folder)
        (folder / CALIBRATION).write_text(json.dumps(stored, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        try:
            arrays = load_arrays(folder / FILE, _DTYPES, {})
        except ArraysDamaged as fault:
            raise ValueError(f"{FILE}: not a stored estimator: {fault}") from None
        _validate(arrays)
        stored = json.loads((folder / CALIBRATION).read_text("utf-8"))
        comparables = Comparables.load(folder, len(arrays["values"])) if stored.get("comparables") else None
        return cls(**arrays, calibration=_read_calibration(stored), comparables=comparables)


def forecast_deviation(price: Any, low: Any, high: Any) -> Any:
    """Return the share of an estimate that 68 % of the prices differ from it by, given the ends of that interval."""
    return (high - low) / (2 * price)


def _validate(arrays: Mapping[str, np.ndarray]) -> None:
    starts, members, values = arrays["starts"], arrays["members"], arrays["values"]
    if len(starts) < 2 or starts[0] != 0 or starts[-1] != len(members) or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"{FILE}: its leaves do not follow one another")
    if len(values) > MAX_LISTINGS or (len(members) and int(members.max()) >= len(values)):
        raise ValueError(f"{FILE}: a member is none of its listings")
    if not np.isfinite(values).all() or (values[1:] < values[:-1]).any():
        raise ValueError(f"{FILE}: its values are not finite and ascending")


def _read_calibration(stored: Mapping[str, Any]) -> Calibration:
    calibration = Calibration(
        key=str(stored["key"]),
        factors={str(text): tuple(map(float, factors)) for text, factors in stored["factors"].items()},
        otherwise=tuple(map(float, stored["otherwise"])),
        least_similarity=float(stored["least_similarity"]),
    )
    for factors in (calibration.otherwise, *calibration.factors.values()):
        if len(factors) != len(COVERAGES) or not all(0 <= factor < float("inf") for factor in factors):
            raise ValueError(f"{CALIBRATION}: factors are {factors}, expected {len(COVERAGES)} finite numbers")
    return calibration
