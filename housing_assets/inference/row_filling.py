"""The compiled loops that fill one listing's row: its numbers, its scores, and the buckets of its tokens."""

import numpy as np
from numba import njit

from housing_assets.inference.hashing import NO_TEXT
from housing_assets.inference.score_units import FURTHEST, STEPS, UNITS


@njit(cache=True, nogil=True, boundscheck=False)
def fill_row(
    numbers: np.ndarray,
    minimums: np.ndarray,
    scales: np.ndarray,
    greatest: float,
    hashes: np.ndarray,
    coefficients: np.ndarray,
    offsets: np.ndarray,
    local: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the filled columns of a row, int32, and their cells, float32: numbers, scores, local scores, buckets.

    Buckets are counted as ``hashing.bucket`` says; those whose tokens cancel keep a 0.

    Parameters
    ----------
    numbers, minimums, scales : ndarray of shape (n_numbers,), float64
        A number that is missing is NaN; the others are encoded as 1 at their minimum, and 1 more for each scale.
    greatest : float
        Where encoded numbers are cut off.
    hashes : ndarray of shape (n_tokens,), int64
        ``NO_TEXT`` for a token that the listing does not have.
    coefficients : ndarray of shape (n_buckets, n_scores), int64
        In units of 1 / UNITS.
    offsets : ndarray of shape (n_scores,), float64
        What is added to the tokens' coefficients, in the same units.
    local : ndarray of shape (n_local,), float32
        Local scores.
    """
    n_buckets, n_scores = coefficients.shape
    first_local = len(numbers) + n_scores
    first_bucket = first_local + len(local)
    columns = np.empty(first_bucket + len(hashes), dtype=np.int32)
    cells = np.empty(len(columns), dtype=np.float32)
    scores = offsets.copy()
    filled = 0
    for number in range(len(numbers)):
        if not np.isnan(numbers[number]):
            columns[filled] = number
            cells[filled] = min(1.0 + max(numbers[number] - minimums[number], 0.0) / scales[number], greatest)
            filled += 1
    first_score = filled
    for score in range(len(local)):
        columns[filled + n_scores + score] = first_local + score
        cells[filled + n_scores + score] = local[score]
    first_token = filled + n_scores + len(local)
    filled = first_token
    for hashed in hashes:
        if hashed == NO_TEXT:
            continue
        bucket = abs(hashed) % n_buckets
        sign = 1 if hashed >= 0 else -1
        for score in range(n_scores):
            scores[score] += sign * coefficients[bucket, score]
        at = first_token
        while at < filled and columns[at] != first_bucket + bucket:
            at += 1
        if at == filled:
            columns[at] = first_bucket + bucket
            cells[at] = 0.0
            filled += 1
        cells[at] += sign
    for score in range(n_scores):
        columns[first_score + score] = len(numbers) + score
        cells[first_score + score] = scores[score] / UNITS
    return columns[:filled], cells[:filled]


@njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def weigh_numbers(
    numbers: np.ndarray, means: np.ndarray, deviations: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray
) -> np.ndarray:
    """Return the offsets of rows, as ``LinearScores.offsets`` defines them: float64 of shape (n_rows, n_scores).

    Numbers count as ``NumberScores.standardize`` has them; their steps times coefficients are whole numbers, of which
    sums are exact in any order.
    """
    n_rows, n_scores = len(numbers), len(intercepts)
    offsets = np.empty((n_rows, n_scores))
    for row in range(n_rows):
        summed = np.zeros(n_scores)
        for number in range(len(means)):
            deviate = (numbers[row, number] - means[number]) / deviations[number]
            if not np.isnan(deviate):
                steps = np.rint(min(max(deviate, -FURTHEST), FURTHEST) * STEPS)
                for score in range(n_scores):
                    summed[score] += steps * coefficients[number, score]
        for score in range(n_scores):
            offsets[row, score] = summed[score] / STEPS + intercepts[score]
    return offsets
