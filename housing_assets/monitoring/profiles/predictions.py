"""Summary of predictions: how many of each category, the mean probabilities, and how confident they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from housing_assets.monitoring.profiles.refused import require_same_categories

N_CONFIDENCES = 20
"""Bins of the predicted category's probability, 5 points wide: a holdout of a few thousand rows fills them."""

STEPS_PER_PROBABILITY = 2**32
"""Probabilities are summed in whole steps, so that sums merge exactly. Sums of 2**31 rows still fit 64 bits."""


@dataclass(frozen=True, eq=False)
class PredictionProfile:
    """A mergeable summary of predictions.

    Attributes
    ----------
    categories : tuple of str
        What may be predicted, in the order of all arrays.
    confidences : ndarray of shape (n_categories, n_confidences), int64
        Predictions by predicted category and by bin of its probability.
    totals : ndarray of shape (n_categories,), object
        Sum of each category's probabilities, in steps: whole numbers of any size.
    unanswered : int
        Rows without a prediction.
    """

    categories: tuple[str, ...]
    confidences: np.ndarray
    totals: np.ndarray
    unanswered: int

    @classmethod
    def of(cls, categories: tuple[str, ...], predicted: np.ndarray, probabilities: np.ndarray) -> Self:
        """Summarize predictions; of no rows, the neutral element of ``merge``.

        Parameters
        ----------
        categories : tuple of str
        predicted : ndarray of shape (n_rows,), int
            Index into ``categories``, -1 where a row has no prediction.
        probabilities : ndarray of shape (n_rows, n_categories), float64
            Of each category; a row with a NaN counts as one without a prediction.
        """
        answered = is_answered(predicted, probabilities)
        predicted, probabilities = predicted[answered], probabilities[answered]
        steps = np.rint(probabilities * STEPS_PER_PROBABILITY).astype(np.int64)
        return cls(
            categories,
            count_confidences(predicted, probabilities),
            steps.sum(axis=0).astype(object),
            int(np.count_nonzero(~answered)),
        )

    @classmethod
    def none(cls, categories: tuple[str, ...]) -> Self:
        """Return the summary of no predictions, the neutral element of ``merge``."""
        return cls.of(categories, np.zeros(0, dtype=np.int64), np.zeros((0, len(categories))))

    def merge(self, other: Self) -> Self:
        """Return the summary of both.

        Raises
        ------
        ProfileRefused
            If they are of other categories.
        """
        require_same_categories(self.categories, other.categories)
        return type(self)(
            self.categories,
            self.confidences + other.confidences,
            self.totals + other.totals,
            self.unanswered + other.unanswered,
        )

    @property
    def rows(self) -> int:
        """Predictions made."""
        return int(self.confidences.sum())

    @property
    def counts(self) -> np.ndarray:
        """Predictions by category: int64."""
        return self.confidences.sum(axis=1)

    @property
    def mean_probabilities(self) -> np.ndarray:
        """Mean probability of each category, float64; zeros where there are no predictions."""
        return (self.totals / (max(self.rows, 1) * STEPS_PER_PROBABILITY)).astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "categories": list(self.categories),
            "confidences": self.confidences.tolist(),
            "totals": [int(total) for total in self.totals],
            "unanswered": self.unanswered,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        return cls(
            tuple(stored["categories"]),
            np.array(stored["confidences"], dtype=np.int64),
            np.array(stored["totals"], dtype=object),
            int(stored["unanswered"]),
        )


def is_answered(predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return which rows have a prediction with all its probabilities: a boolean mask."""
    return (predicted >= 0) & ~np.isnan(probabilities).any(axis=1)


def count_confidences(predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count rows by predicted category and by bin of its probability.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows,), int
    probabilities : ndarray of shape (n_rows, n_categories), float64

    Returns
    -------
    counts : ndarray of shape (n_categories, n_confidences), int64
    """
    cells = predicted.astype(np.int64) * N_CONFIDENCES + confidence_bins(predicted, probabilities)
    shape = (probabilities.shape[1], N_CONFIDENCES)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def confidence_bins(predicted: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the bin of each predicted category's probability: int64 of shape (n_rows,)."""
    confidence = np.take_along_axis(probabilities, predicted.astype(np.int64)[:, None], axis=1)[:, 0]
    return np.minimum((confidence * N_CONFIDENCES).astype(np.int64), N_CONFIDENCES - 1)
