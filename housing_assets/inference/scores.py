"""Linear scores of the hashed tokens: what many rare crosses say together, in a number for each question asked of them.

A tree sees one column at a time and cannot add up hundreds of weak indicators; a linear model can. Here they are
applied; ``features/score_learning.py`` learns them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.inference.score_units import FURTHEST, STEPS, UNITS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_BUCKETS = 2**22
"""More than any model has. What is stored leaves out buckets without weight, so that its size bounds nothing."""

LOG_PRICE_SCALE = 1 / 3
"""Unit of the price's score, in natural logs: with it, SMOTE's distances weigh it like the others."""


def score_names(market: Market) -> tuple[str, ...]:
    """Return what the scores are called: log-odds to lie above each edge, and the log price; or those of each class."""
    if market.has_price:
        return (*(f"score_above_{category}" for category in market.categories[:-1]), "score_price")
    return tuple(f"score_is_{category}" for category in market.categories)


@dataclass(frozen=True)
class NumberScores:
    """Weights of the numbers that a market declares as linear.

    Attributes
    ----------
    means, deviations : ndarray of shape (n_numbers,), float64
        Of what is weighed, over the rows that the weights were learned from.
    coefficients : ndarray of shape (n_numbers, n_scores), int64
        Per standard deviation, in units of 2**-20.
    """

    means: np.ndarray
    deviations: np.ndarray
    coefficients: np.ndarray

    def standardize(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers of shape (..., n_numbers) in steps from their means; a missing one, NaN, in none."""
        deviates = np.clip((numbers - self.means) / self.deviations, -FURTHEST, FURTHEST)
        return np.rint(np.nan_to_num(deviates, nan=0.0) * STEPS)


@dataclass(frozen=True)
class LinearScores:
    """Weights of the tokens' buckets.

    Attributes
    ----------
    coefficients : ndarray of shape (n_buckets, n_scores), int64
        In units of 2**-20.
    intercepts : ndarray of shape (n_scores,), int64
        In units of 2**-20.
    numbers : NumberScores or None
        None where the market declares no number as linear.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    numbers: NumberScores | None = field(default=None)

    def score(self, hashed: "csr_matrix", numbers: np.ndarray | None = None) -> np.ndarray:
        """Return the scores of rows: float32 of shape (n_rows, n_scores).

        Parameters
        ----------
        hashed : csr_matrix of shape (n_rows, n_buckets)
        numbers : ndarray of shape (n_rows, n_numbers), float64
            What is weighed of the linear numbers, NaN where missing.
        """
        summed = hashed.astype(np.float64) @ self.coefficients.astype(np.float64)
        return ((summed + self.offsets(numbers)) / UNITS).astype(np.float32)

    def offsets(self, numbers: np.ndarray | None) -> np.ndarray:
        """Return what is added to the tokens' coefficients: float64 of shape (n_scores,) or (n_rows, n_scores).

        Parameters
        ----------
        numbers : ndarray of shape (n_numbers,) or (n_rows, n_numbers), float64, optional
            As for ``score``.
        """
        if self.numbers is None or numbers is None:
            return self._intercepts
        from housing_assets.inference.row_filling import weigh_numbers

        told = self.numbers
        weighed = weigh_numbers(
            np.atleast_2d(numbers), told.means, told.deviations, told.coefficients, self._intercepts
        )
        return np.asarray(weighed[0] if numbers.ndim == 1 else weighed)

    @cached_property
    def _intercepts(self) -> np.ndarray:
        return self.intercepts.astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON types; buckets without weight are left out."""
        filled = np.flatnonzero(self.coefficients.any(axis=1))
        stored: dict[str, Any] = {
            "n_buckets": len(self.coefficients),
            "buckets": filled.tolist(),
            "coefficients": self.coefficients[filled].tolist(),
            "intercepts": self.intercepts.tolist(),
        }
        if self.numbers is not None:
            stored["numbers"] = {name: array.tolist() for name, array in vars(self.numbers).items()}
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote.

        Raises
        ------
        ValueError
            If it says that there are more buckets than any model has, or its numbers' shapes do not agree.
        """
        intercepts = np.array(stored["intercepts"], dtype=np.int64)
        n_buckets = int(stored["n_buckets"])
        if not 1 <= n_buckets <= MAX_BUCKETS:
            raise ValueError(f"it has {n_buckets:,} buckets, expected 1 to {MAX_BUCKETS:,}")
        coefficients = np.zeros((n_buckets, len(intercepts)), dtype=np.int64)
        if stored["buckets"]:
            coefficients[stored["buckets"]] = stored["coefficients"]
        numbers = None
        if found := stored.get("numbers"):
            numbers = NumberScores(
                np.array(found["means"], dtype=np.float64),
                np.array(found["deviations"], dtype=np.float64),
                np.array(found["coefficients"], dtype=np.int64),
            )
            expected = (len(numbers.means), len(intercepts))
            if numbers.deviations.shape != numbers.means.shape or numbers.coefficients.shape != expected:
                raise ValueError(
                    f"it has means of {numbers.means.shape}, deviations of {numbers.deviations.shape} and "
                    f"coefficients of {numbers.coefficients.shape}: expected coefficients of {expected}, and as many "
                    "deviations as means"
                )
        return cls(coefficients, intercepts, numbers)
