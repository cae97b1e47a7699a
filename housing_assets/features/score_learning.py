"""Learns the linear scores of the hashed tokens (``inference/scores.py``).

They are learned out-of-fold for the training rows, as scikit-learn's ``TargetEncoder`` does, so that the forest sees
them as unsure as they will be for new listings.
"""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.score_units import STEPS, UNITS
from housing_assets.inference.scores import LOG_PRICE_SCALE, LinearScores, NumberScores

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_ROWS = 200_000
"""Rows that the coefficients are learned from; more of them move a coefficient by less than its rounding matters."""


def learn_scores(
    hashed: "csr_matrix",
    labels: np.ndarray,
    log_prices: np.ndarray | None,
    numbers: np.ndarray | None = None,
    *,
    n_classes: int,
    inverse_penalty: float,
    seed: int,
) -> LinearScores:
    """Fit one regression for each score.

    Of price bands, which are in an order: the log-odds to lie above each edge, by cumulative ordinal logistic
    regression (McCullagh 1980), and the expected log price by ridge regression, which learns from how near to an edge
    a price lies, of which its category says nothing. Of classes: the log-odds of each.

    Parameters
    ----------
    hashed : csr_matrix of shape (n_rows, n_buckets)
    labels : ndarray of shape (n_rows,)
        Index of each row's category.
    log_prices : ndarray of shape (n_rows,) or None
        ``LabelScheme.log_prices``; None where rows have classes.
    numbers : ndarray of shape (n_rows, n_numbers), float64, optional
        What is weighed of the market's linear numbers, NaN where missing.
    n_classes : int
    inverse_penalty : float
        ``C`` of the L2-penalised logistic regressions, 1 / ``alpha`` of the other.
    seed : int
        Draws the ``MAX_ROWS`` rows where there are more.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits

    if hashed.shape[0] > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(hashed.shape[0], MAX_ROWS, replace=False)
        rows.sort()
        hashed, labels = hashed[rows], labels[rows]
        log_prices = None if log_prices is None else log_prices[rows]
        numbers = None if numbers is None else numbers[rows]
    if log_prices is None:
        questions = [labels == category for category in range(n_classes)]
    else:
        questions = [labels > edge for edge in range(n_classes - 1)]
    n_scores = len(questions) + (log_prices is not None)
    coefficients = np.zeros((hashed.shape[1], n_scores), dtype=np.int64)
    intercepts = np.zeros(n_scores, dtype=np.int64)
    rows_as_double, weighed = hashed.astype(np.float64), _start(numbers, n_scores)
    if weighed is not None and numbers is not None:
        deviates = csr_matrix(weighed.standardize(numbers) / STEPS)
        rows_as_double = hstack([rows_as_double, deviates], format="csr")
    # The solver's dense vectors are short: there BLAS threads wait for each other, on busy cores 45 times as long.
    with threadpool_limits(1, user_api="blas"):
        for position, answers in enumerate(questions):
            model = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)
            model.fit(rows_as_double, answers)
            _take(model.coef_[0], coefficients, weighed, position)
            intercepts[position] = round(model.intercept_[0] * UNITS)
        if log_prices is not None:
            price = Ridge(alpha=1 / inverse_penalty, solver="sparse_cg", tol=1e-3)
            price.fit(rows_as_double, log_prices / LOG_PRICE_SCALE)
            _take(price.coef_, coefficients, weighed, -1)
            intercepts[-1] = round(price.intercept_ * UNITS)
    return LinearScores(coefficients, intercepts, weighed)


def _start(numbers: np.ndarray | None, n_scores: int) -> NumberScores | None:
    """Return scores of numbers that know how to standardize them, and weigh none yet."""
    if numbers is None or not numbers.shape[1]:
        return None
    present = ~np.isnan(numbers)
    counts = np.maximum(present.sum(axis=0), 1)
    means = np.where(present, numbers, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(present, numbers - means, 0.0) ** 2).sum(axis=0) / counts)
    return NumberScores(
        means, np.where(spread > 0, spread, 1.0), np.zeros((numbers.shape[1], n_scores), dtype=np.int64)
    )


def _take(fitted: np.ndarray, coefficients: np.ndarray, weighed: NumberScores | None, position: int) -> None:
    """Write the coefficients of one regression, rounded, into those of all."""
    rounded = np.round(fitted * UNITS)
    coefficients[:, position] = rounded[: len(coefficients)]
    if weighed is not None:
        weighed.coefficients[:, position] = rounded[len(coefficients) :]
