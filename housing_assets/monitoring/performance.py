"""How well predictions do: with labels against the holdout, without them as estimated from calibrated probabilities."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES
from housing_assets.monitoring.prediction_profile import (
    N_CONFIDENCES,
    PredictionProfile,
    count_confidences,
    read_predictions,
)
from housing_assets.monitoring.reports import Report
from housing_assets.monitoring.statistics import compare_proportions, two_sided
from housing_assets.monitoring.thresholds import Thresholds

if TYPE_CHECKING:
    import pandas as pd

_MIDDLES = (np.arange(N_CONFIDENCES) + 0.5) / N_CONFIDENCES


@dataclass(frozen=True, eq=False)
class Outcomes:
    """A mergeable summary of predictions whose true categories are known.

    Attributes
    ----------
    confusion : ndarray of shape (n_categories, n_categories), int64
        Rows by true (first axis) and predicted category.
    confidences, hits : ndarray of shape (n_categories, n_confidences), int64
        Rows by predicted category and bin of its probability, and those of them that were right.
    """

    confusion: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, predictions: "pd.DataFrame") -> Self:
        """Summarize labelled predictions; rows without an answer are left out.

        Parameters
        ----------
        labels : ndarray of shape (n_rows,)
            Index into ``CATEGORIES``.
        predictions : DataFrame of shape (n_rows, n_columns)
            With ``price_category`` and ``probability_low``, ``_medium``, ``_high``.
        """
        category, probabilities = read_predictions(predictions)
        answered = category >= 0
        truth, category, probabilities = labels[answered].astype(np.int64), category[answered], probabilities[answered]
        n, right = len(CATEGORIES), truth == category
        return cls(
            np.bincount(truth * n + category, minlength=n * n).reshape(n, n),
            count_confidences(category, probabilities),
            count_confidences(category[right], probabilities[right]),
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both."""
        return type(self)(
            self.confusion + other.confusion, self.confidences + other.confidences, self.hits + other.hits
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
    def macro_f1(self) -> float:
        """Mean F1 of the categories; one that is neither predicted nor true counts as 0."""
        return float(_macro_f1(self.confusion))

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "confusion": self.confusion.tolist(),
            "confidences": self.confidences.tolist(),
            "hits": self.hits.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        return cls(*(np.array(stored[name], dtype=np.int64) for name in ("confusion", "confidences", "hits")))


@dataclass(frozen=True)
class PerformanceReport(Report):
    """Labelled predictions of production against the model's holdout.

    Attributes
    ----------
    verdict : str
        The outcome in one sentence.
    insufficient : bool
        Whether there are too few labels to judge.
    failed : bool
        Whether performance has dropped: it counts toward retraining.
    rows : int
    accuracy, macro_f1 : float
        Of production.
    accuracy_drop, macro_f1_drop : float
        The holdout's less production's.
    accuracy_p, macro_f1_p : float
        Two-sided p of there being no difference.
    """

    verdict: str
    insufficient: bool
    failed: bool
    rows: int
    accuracy: float
    macro_f1: float
    accuracy_drop: float
    macro_f1_drop: float
    accuracy_p: float
    macro_f1_p: float


class Estimate(NamedTuple):
    """Accuracy that probabilities promise, and the bounds of two standard errors."""

    accuracy: float
    low: float
    high: float


def judge_performance(holdout: Outcomes, labelled: Outcomes, thresholds: Thresholds | None = None) -> PerformanceReport:
    """Judge labelled predictions: accuracy by the two-proportion test, macro-F1 by its standard error (delta method).

    Parameters
    ----------
    holdout : Outcomes
        Of the model on its held-out rows; not empty.
    labelled : Outcomes
        Of production, as far as true prices are known.
    thresholds : Thresholds, optional
        The contract's by default.
    """
    limits = thresholds or Thresholds()
    insufficient = labelled.rows < limits.min_rows
    accuracy_drop, macro_f1_drop = holdout.accuracy - labelled.accuracy, holdout.macro_f1 - labelled.macro_f1
    accuracy_p = compare_proportions(holdout.n_right, holdout.rows, labelled.n_right, labelled.rows)
    error = math.hypot(_macro_f1_error(holdout.confusion), _macro_f1_error(labelled.confusion))
    macro_f1_p = two_sided(macro_f1_drop / error) if error else 1.0
    dropped = [
        f"{name} {now:.3f}, {now + drop:.3f} on the holdout (p {p:.2g})"
        for name, now, drop, p in (
            ("accuracy", labelled.accuracy, accuracy_drop, accuracy_p),
            ("macro-F1", labelled.macro_f1, macro_f1_drop, macro_f1_p),
        )
        if drop > limits.performance_drop and p < limits.performance_p
    ]
    if insufficient:
        verdict = f"Not judged: {labelled.rows:,} labelled rows, and {limits.min_rows:,} are needed."
    elif dropped:
        verdict = f"Performance has dropped on {labelled.rows:,} labelled rows: {', '.join(dropped)}."
    else:
        verdict = f"Performance holds on {labelled.rows:,} labelled rows: accuracy {labelled.accuracy:.3f}."
    return PerformanceReport(
        verdict=verdict,
        insufficient=insufficient,
        failed=bool(dropped) and not insufficient,
        rows=labelled.rows,
        accuracy=labelled.accuracy,
        macro_f1=labelled.macro_f1,
        accuracy_drop=accuracy_drop,
        macro_f1_drop=macro_f1_drop,
        accuracy_p=accuracy_p,
        macro_f1_p=macro_f1_p,
    )


def estimate_accuracy(holdout: Outcomes, predictions: PredictionProfile) -> Estimate:
    """Estimate the accuracy of predictions without labels (CBPE, NannyML) from what such confidence was worth.

    It sees a harder mix of listings, and is blind to prices that no longer follow from them: it never clears an alert.

    Parameters
    ----------
    holdout : Outcomes
        By which probabilities are calibrated: by predicted category and bin, where there are no rows as they are.
    predictions : PredictionProfile
        Not empty.
    """
    right = (holdout.hits + _MIDDLES) / (holdout.confidences + 1)
    share = predictions.confidences / predictions.rows
    accuracy = float((share * right).sum())
    doubt = right * (1 - right)
    variance = (share * doubt).sum() / predictions.rows + (share**2 * doubt / (holdout.confidences + 1)).sum()
    margin = 2 * math.sqrt(variance)
    return Estimate(accuracy, max(accuracy - margin, 0.0), min(accuracy + margin, 1.0))


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    mentioned = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return np.divide(2.0 * hits, mentioned, out=np.zeros(hits.shape), where=mentioned > 0).mean(axis=-1)


def _macro_f1_error(confusion: np.ndarray) -> float:
    """Return the standard error of macro-F1 from its change by one row more in each cell."""
    n_cells, rows = confusion.size, confusion.sum()
    if not rows:
        return 0.0
    nudged = confusion + np.eye(n_cells).reshape(n_cells, *confusion.shape)
    influence = (_macro_f1(nudged) - _macro_f1(confusion)) * rows
    shares = confusion.ravel() / rows
    return math.sqrt(max(shares @ influence**2 - (shares @ influence) ** 2, 0.0) / rows)
