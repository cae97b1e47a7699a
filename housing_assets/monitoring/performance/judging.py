"""Labelled predictions of production against the holdout: whether the model has become worse.

Both are compared at the window's own mix of categories: without its expensive homes a model has another accuracy, and
another macro-F1, though it is right as often about each kind of home.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from housing_assets.confusion import f1_scores
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import require_same_categories
from housing_assets.monitoring.statistics.two_sample import two_sided
from housing_assets.monitoring.thresholds import Thresholds

MIN_CATEGORY_ROWS = 20
"""Rows that a category needs for its F1 to be averaged: of fewer, one row more or less decides."""


@dataclass(frozen=True)
class PerformanceReport:
    """How labelled predictions compare with the model's holdout, at the mix of categories that they have.

    Attributes
    ----------
    summary : str
        The outcome in a sentence.
    insufficient : bool
        Whether there are too few labels to judge.
    failed : bool
        Whether performance has dropped: it counts toward retraining.
    rows : int
    accuracy, macro_f1 : float
        Of production; macro-F1 of the categories that have ``MIN_CATEGORY_ROWS``.
    accuracy_drop, macro_f1_drop : float
        What is expected from the holdout, weighed to the same mix, less production's.
    accuracy_p, macro_f1_p : float
        Two-sided p of there being no difference.
    """

    summary: str
    insufficient: bool
    failed: bool
    rows: int = 0
    accuracy: float = 0.0
    macro_f1: float = 0.0
    accuracy_drop: float = 0.0
    macro_f1_drop: float = 0.0
    accuracy_p: float = 1.0
    macro_f1_p: float = 1.0

    @classmethod
    def skipped(cls, reason: str) -> "PerformanceReport":
        """Return what is said of a version that cannot be judged."""
        return cls(reason, insufficient=True, failed=False)

    @property
    def drop(self) -> float:
        """The larger of both drops."""
        return max(self.accuracy_drop, self.macro_f1_drop)


def judge_performance(holdout: Outcomes, labelled: Outcomes, thresholds: Thresholds | None = None) -> PerformanceReport:
    """Judge labelled predictions at their own mix of categories.

    Recall is compared category by category and weighed by the rows of each (Mantel & Haenszel 1959), macro-F1 after the
    holdout's confusion was weighed to the same rows; its standard error is that of the delta method, the rows of
    each true category being given. Rows that come together count as fewer, by the design effect of being right.

    Parameters
    ----------
    holdout : Outcomes
        Of the model on its held-out rows; not empty.
    labelled : Outcomes
        Of production, as far as the truth is known.
    thresholds : Thresholds, optional
        The contract's by default.

    Raises
    ------
    ProfileRefused
        If they are of other categories.
    """
    require_same_categories(holdout.categories, labelled.categories)
    limits = thresholds or Thresholds()
    insufficient = labelled.rows < limits.min_rows
    accuracy, macro_f1 = compare_recall(holdout.confusion, labelled), _compare_f1(holdout, labelled)
    dropped = [
        f"{name} {found.value:.3f} against {found.value + found.drop:.3f} expected from the holdout (p {found.p:.2g})"
        for name, found in (("accuracy", accuracy), ("macro-F1", macro_f1))
        if found.drop > limits.performance_drop and found.p < limits.performance_p
    ]
    if insufficient:
        new = f"{labelled.rows:,} labelled rows that no window has judged"
        summary = f"Not judged: {new}, at least {limits.min_rows:,} are needed."
    elif dropped:
        summary = f"Performance has dropped on {labelled.rows:,} labelled rows: {', '.join(dropped)}."
    else:
        summary = f"Performance holds up on {labelled.rows:,} labelled rows: accuracy {labelled.accuracy:.3f}."
    return PerformanceReport(
        summary=summary,
        insufficient=insufficient,
        failed=bool(dropped) and not insufficient,
        rows=labelled.rows,
        accuracy=accuracy.value,
        macro_f1=macro_f1.value,
        accuracy_drop=accuracy.drop,
        macro_f1_drop=macro_f1.drop,
        accuracy_p=accuracy.p,
        macro_f1_p=macro_f1.p,
    )


@dataclass(frozen=True)
class Compared:
    """A figure of production, how much less it is than expected, and the two-sided p of there being no difference."""

    value: float
    drop: float
    p: float


def compare_recall(known: np.ndarray, labelled: Outcomes) -> Compared:
    """Compare the share of right predictions, category by category.

    Parameters
    ----------
    known : ndarray of shape (n_categories, n_categories), int64
        Confusion of rows that the model has not seen; categories that one side has no rows of are left out.
    labelled : Outcomes
        Of production.
    """
    n, m = known.sum(axis=1), labelled.confusion.sum(axis=1)
    both = (n > 0) & (m > 0)
    if not both.any():
        return Compared(0.0, 0.0, 1.0)
    n, m = n[both], m[both]
    hits, found = np.diagonal(known)[both], np.diagonal(labelled.confusion)[both]
    drop = float((m * hits / n - found).sum() / m.sum())
    pooled = (hits + found) / (n + m)
    of_one = 1 / n + labelled.design_effect / m
    error = math.sqrt(float((m**2 * pooled * (1 - pooled) * of_one).sum())) / m.sum()
    return Compared(float(found.sum() / m.sum()), drop, two_sided(drop / error) if error else 1.0)


def compare_measure(holdout: Outcomes, labelled: Outcomes, measure: Callable[[np.ndarray], np.ndarray]) -> Compared:
    """Compare what a measure makes of a confusion, the holdout's weighed to the rows of each true category.

    Parameters
    ----------
    holdout, labelled : Outcomes
    measure : callable
        Takes counts of shape (..., n_categories, n_categories); returns figures of shape (...).
    """
    m = labelled.confusion.sum(axis=1)
    both = (holdout.confusion.any(axis=1) & (m > 0))[:, np.newaxis]
    known, found = holdout.confusion * both, labelled.confusion * both

    def of_holdout(counts: np.ndarray) -> np.ndarray:
        rows = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
        return measure(counts / rows * m[:, np.newaxis])

    value, expected = float(measure(found)), float(of_holdout(known))
    of_found = _standard_error(found, measure) * math.sqrt(labelled.design_effect)
    error = math.hypot(_standard_error(known, of_holdout), of_found)
    return Compared(value, expected - value, two_sided((expected - value) / error) if error else 1.0)


def _compare_f1(holdout: Outcomes, labelled: Outcomes) -> Compared:
    m = labelled.confusion.sum(axis=1)
    averaged = holdout.confusion.any(axis=1) & (m >= MIN_CATEGORY_ROWS)
    if not averaged.any():
        return Compared(0.0, 0.0, 1.0)
    return compare_measure(holdout, labelled, lambda counts: f1_scores(counts)[..., averaged].mean(axis=-1))


def _standard_error(confusion: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the standard error of a measure, the rows of each true category given, from its change by one row more."""
    n_cells = confusion.size
    nudged = confusion + np.eye(n_cells).reshape(n_cells, *confusion.shape)
    changes = (measure(nudged) - measure(confusion)).reshape(confusion.shape)
    rows = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    centred = changes - (confusion * changes).sum(axis=1, keepdims=True) / rows
    return math.sqrt(float((confusion * centred**2).sum()))
