"""What is remembered of predictions: how many of each category, their mean probabilities, and how sure they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = "price_category"
PROBABILITIES = tuple(f"probability_{category}" for category in CATEGORIES)

N_CONFIDENCES = 20
"""Bins of the predicted category's probability, 5 points wide: a holdout of a few thousand rows fills them."""

STEPS_PER_PROBABILITY = 2**32
"""Probabilities are summed in whole steps, so that sums merge exactly."""


_ROWS_AT_ONCE = 2**16
"""What is held in memory of a frame in full."""


@dataclass(frozen=True, eq=False)
class PredictionProfile:
    """A mergeable summary of predictions.

    Attributes
    ----------
    confidences : ndarray of shape (n_categories, n_confidences), int64
        Predictions by predicted category and by bin of its probability.
    totals : ndarray of shape (n_categories,), object
        Sum of each category's probabilities, in steps: whole numbers of any size.
    unanswered : int
        Rows without a prediction, because they could not be used.
    """

    confidences: np.ndarray
    totals: np.ndarray
    unanswered: int

    @classmethod
    def of(cls, predictions: "pd.DataFrame") -> Self:
        """Summarize predictions.

        Parameters
        ----------
        predictions : DataFrame of shape (n_rows, n_columns)
            With ``price_category`` and ``probability_low``, ``_medium``, ``_high``; null where a row has no answer.
        """
        starts = range(0, len(predictions), _ROWS_AT_ONCE)
        return reduce(
            cls.merge, (cls._of_few(predictions.iloc[start : start + _ROWS_AT_ONCE]) for start in starts), cls.empty()
        )

    @classmethod
    def empty(cls) -> Self:
        """Return the summary of nothing."""
        confidences = np.zeros((len(CATEGORIES), N_CONFIDENCES), dtype=np.int64)
        return cls(confidences, np.zeros(len(CATEGORIES), dtype=object), 0)

    @classmethod
    def _of_few(cls, predictions: "pd.DataFrame") -> Self:
        category, probabilities = read_predictions(predictions)
        answered = category >= 0
        steps = np.rint(probabilities[answered] * STEPS_PER_PROBABILITY).astype(np.int64)
        return cls(
            count_confidences(category[answered], probabilities[answered]),
            steps.sum(axis=0).astype(object),
            int(np.count_nonzero(~answered)),
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both."""
        return type(self)(
            self.confidences + other.confidences, self.totals + other.totals, self.unanswered + other.unanswered
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
            "confidences": self.confidences.tolist(),
            "totals": [int(total) for total in self.totals],
            "unanswered": self.unanswered,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        confidences = np.array(stored["confidences"], dtype=np.int64)
        return cls(confidences, np.array(stored["totals"], dtype=object), int(stored["unanswered"]))


def read_predictions(predictions: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Return the index of each row's category in ``CATEGORIES``, -1 where it has none, and its probabilities.

    Returns
    -------
    category : ndarray of shape (n_rows,), int64
    probabilities : ndarray of shape (n_rows, n_categories), float64
    """
    import pandas as pd

    category = pd.Categorical(predictions[PREDICTED], categories=list(CATEGORIES)).codes.astype(np.int64)
    return category, predictions[list(PROBABILITIES)].to_numpy(dtype=np.float64)


def count_confidences(category: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count rows by category and by bin of its probability: int64 of shape (n_categories, n_confidences)."""
    confidence = np.take_along_axis(probabilities, category[:, None], axis=1)[:, 0]
    bins = np.minimum((confidence * N_CONFIDENCES).astype(np.int64), N_CONFIDENCES - 1)
    shape = (len(CATEGORIES), N_CONFIDENCES)
    return np.bincount(category * N_CONFIDENCES + bins, minlength=shape[0] * shape[1]).reshape(shape)
