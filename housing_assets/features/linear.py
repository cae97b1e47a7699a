"""Linear price scores of the hashed tokens: what many rare crosses say together, in a number each for edges and price.

A tree sees one column at a time and cannot add up hundreds of weak indicators; a linear model can. The scores are
learned out-of-fold for the training rows, as scikit-learn's ``TargetEncoder`` does, so that the forest sees them as
unsure as they will be for new listings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

N_EDGES = len(CATEGORIES) - 1
N_SCORES = N_EDGES + 1

LOG_PRICE_SCALE = 1 / 3
"""Unit of the price's score, in natural logs: with it, SMOTE's distances weigh it like the other two."""

MAX_ROWS = 200_000
"""Rows that the coefficients are learned from; more of them move a coefficient by less than its rounding matters."""

_UNITS = 2**20
"""Coefficients are multiples of 1 / _UNITS: sums of them are exact in float64 in any order, so that a batch, a single
request and another machine's arithmetic give the same bits."""


@dataclass(frozen=True)
class LinearScores:
    """Log-odds that a listing lies above each band edge, and its expected log price.

    The former by cumulative ordinal logistic regression (McCullagh 1980), the latter by ridge regression: it learns
    from how near to an edge a price lies, of which its category says nothing.

    Attributes
    ----------
    coefficients : ndarray of shape (n_buckets, N_SCORES), int64
        In units of 2**-20.
    intercepts : ndarray of shape (N_SCORES,), int64
        In units of 2**-20.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray

    @classmethod
    def learn(
        cls, hashed: "csr_matrix", labels: np.ndarray, log_prices: np.ndarray, *, inverse_penalty: float, seed: int
    ) -> Self:
        """Fit one logistic regression for each edge, and the price's regression.

        Parameters
        ----------
        hashed : csr_matrix of shape (n_rows, n_buckets)
        labels : ndarray of shape (n_rows,)
            Index into ``CATEGORIES``.
        log_prices : ndarray of shape (n_rows,)
            ``PriceBands.log_prices``.
        inverse_penalty : float
            ``C`` of the L2-penalised logistic regressions, 1 / ``alpha`` of the other.
        seed : int
            Draws the ``MAX_ROWS`` rows where there are more.
        """
        from sklearn.linear_model import LogisticRegression, Ridge
        from threadpoolctl import threadpool_limits

        if hashed.shape[0] > MAX_ROWS:
            rows = np.random.default_rng(seed).choice(hashed.shape[0], MAX_ROWS, replace=False)
            rows.sort()
            hashed, labels, log_prices = hashed[rows], labels[rows], log_prices[rows]
        coefficients = np.zeros((hashed.shape[1], N_SCORES), dtype=np.int64)
        intercepts = np.zeros(N_SCORES, dtype=np.int64)
        rows_as_double = hashed.astype(np.float64)
        # The solver's dense vectors are short: there BLAS threads wait for each other, on busy cores 45 times as long.
        with threadpool_limits(1, user_api="blas"):
            for edge in range(N_EDGES):
                model = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)
                model.fit(rows_as_double, labels > edge)
                coefficients[:, edge] = np.round(model.coef_[0] * _UNITS)
                intercepts[edge] = round(model.intercept_[0] * _UNITS)
            price = Ridge(alpha=1 / inverse_penalty, solver="sparse_cg", tol=1e-3)
            price.fit(rows_as_double, log_prices / LOG_PRICE_SCALE)
            coefficients[:, N_EDGES] = np.round(price.coef_ * _UNITS)
            intercepts[N_EDGES] = round(price.intercept_ * _UNITS)
        return cls(coefficients, intercepts)

    def score(self, hashed: "csr_matrix") -> np.ndarray:
        """Return the scores of rows: float32 of shape (n_rows, N_SCORES)."""
        summed = hashed.astype(np.float64) @ self.coefficients.astype(np.float64)
        return ((summed + self.intercepts) / _UNITS).astype(np.float32)

    def score_one(self, buckets: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the scores of one row, of shape (N_SCORES,): its filled buckets and their signed counts."""
        return (counts @ self.coefficients[buckets] + self.intercepts) / _UNITS

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON types; buckets without weight are left out."""
        filled = np.flatnonzero(self.coefficients.any(axis=1))
        return {
            "n_buckets": len(self.coefficients),
            "buckets": filled.tolist(),
            "coefficients": self.coefficients[filled].tolist(),
            "intercepts": self.intercepts.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote."""
        coefficients = np.zeros((stored["n_buckets"], N_SCORES), dtype=np.int64)
        coefficients[stored["buckets"]] = stored["coefficients"]
        return cls(coefficients, np.array(stored["intercepts"], dtype=np.int64))
