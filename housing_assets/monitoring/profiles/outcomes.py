"""Summary of predictions whose true category is known: what was predicted for what, and what confidence was worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.monitoring.profiles.blocks import N_GROUPS, count_groups, design_effect
from housing_assets.monitoring.profiles.predictions import (
    N_CONFIDENCES,
    confidence_bins,
    count_confidences,
    is_answered,
)
from housing_assets.monitoring.profiles.refused import require_same_categories


@dataclass(frozen=True, eq=False)
class Outcomes:
    """A mergeable summary of labelled predictions.

    Attributes
    ----------
    categories : tuple of str
        What may be predicted, in the order of all arrays.
    confusion : ndarray of shape (n_categories, n_categories), int64
        Rows by true (first axis) and predicted category.
    confidences, hits : ndarray of shape (n_categories, n_confidences), int64
        Rows by predicted category and bin of its probability, and those of them that were right.
    groups : ndarray of shape (N_GROUPS, 2), int64
        Wrong and right rows by group of requests; zeros where each row stands for itself.
    sure : ndarray of shape (N_GROUPS, n_confidences + 1), int64
        Rows by group and bin of the predicted category's probability; the last cell is empty.
    """

    categories: tuple[str, ...]
    confusion: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray
    groups: np.ndarray = field(default_factory=lambda: np.zeros((N_GROUPS, 2), dtype=np.int64))
    sure: np.ndarray = field(default_factory=lambda: np.zeros((N_GROUPS, N_CONFIDENCES + 1), dtype=np.int64))

    @classmethod
    def of(
        cls,
        categories: tuple[str, ...],
        truth: np.ndarray,
        predicted: np.ndarray,
        probabilities: np.ndarray,
        groups: np.ndarray | None = None,
    ) -> Self:
        """Summarize predictions; rows without one, and rows whose truth is no category, are left out.

        Parameters
        ----------
        categories : tuple of str
        truth, predicted : ndarray of shape (n_rows,), int
            Index into ``categories``, -1 where there is none.
        probabilities : ndarray of shape (n_rows, n_categories), float64
        groups : ndarray of shape (n_rows,), int, optional
            Which of the rows came together.
        """
        known = is_answered(predicted, probabilities) & (truth >= 0)
        truth, predicted, probabilities = truth[known], predicted[known], probabilities[known]
        right = truth == predicted
        grouped = []
        if groups is not None:
            bins = confidence_bins(predicted, probabilities)
            grouped = [count_groups(groups[known], right, 2), count_groups(groups[known], bins, N_CONFIDENCES + 1)]
        return cls(
            categories,
            count_confusion(truth, predicted, len(categories)),
            count_confidences(predicted, probabilities),
            count_confidences(predicted[right], probabilities[right]),
            *grouped,
        )

    @classmethod
    def none(cls, categories: tuple[str, ...]) -> Self:
        """Return the summary of no rows, the neutral element of ``merge``."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls.of(categories, nothing, nothing, np.zeros((0, len(categories))))

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
            self.confusion + other.confusion,
            self.confidences + other.confidences,
            self.hits + other.hits,
            self.groups + other.groups,
            self.sure + other.sure,
        )

    @property
    def rows(self) -> int:
        """Labelled predictions."""
        return int(self.confusion.sum())

    @property
    def n_right(self) -> int:
        """Labelled predictions that were right."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of right predictions; 0 where there are none."""
        return self.n_right / max(self.rows, 1)

    @property
    def design_effect(self) -> float:
        """Rows that tell as much of the accuracy as an independent one; 1 at least."""
        return design_effect(self.groups)

    @property
    def confidence_design_effect(self) -> float:
        """Rows that tell as much of how sure predictions are as an independent one; 1 at least."""
        return design_effect(self.sure, ordered=True)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the categories; one that is neither predicted nor true counts as 0."""
        return float(macro_f1(self.confusion))

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "categories": list(self.categories),
            "confusion": self.confusion.tolist(),
            "confidences": self.confidences.tolist(),
            "hits": self.hits.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        counts = (np.array(stored[name], dtype=np.int64) for name in ("confusion", "confidences", "hits"))
        return cls(tuple(stored["categories"]), *counts)
