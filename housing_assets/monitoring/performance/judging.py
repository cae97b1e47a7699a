"""Labelled predictions of production against the holdout: whether the model has become worse."""

import math
from dataclasses import dataclass

import numpy as np

from housing_assets.confusion import macro_f1
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import require_same_categories
from housing_assets.monitoring.statistics.two_sample import compare_proportions, two_sided
from housing_assets.monitoring.thresholds import Thresholds


@dataclass(frozen=True)
class PerformanceReport:
    """How labelled predictions compare with the model's holdout.

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
        Of production.
    accuracy_drop, macro_f1_drop : float
        The holdout's less production's.
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
    """Judge labelled predictions: accuracy by the two-proportion test, macro-F1 by its standard error (delta method).

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
    accuracy_drop, macro_f1_drop = holdout.accuracy - labelled.accuracy, holdout.macro_f1 - labelled.macro_f1
    accuracy_p = compare_proportions(holdout.n_right, holdout.rows, labelled.n_right, labelled.rows)
    error = math.hypot(_macro_f1_error(holdout.confusion), _macro_f1_error(labelled.confusion))
    macro_f1_p = two_sided(macro_f1_drop / error) if error else 1.0
    dropped = [
        f"{name} {now:.3f} against {now + drop:.3f} on the holdout (p {p:.2g})"
        for name, now, drop, p in (
            ("accuracy", labelled.accuracy, accuracy_drop, accuracy_p),
            ("macro-F1", labelled.macro_f1, macro_f1_drop, macro_f1_p),
        )
        if drop > limits.performance_drop and p < limits.performance_p
    ]
    if insufficient:
        summary = f"Not judged: {labelled.rows:,} labelled rows, at least {limits.min_rows:,} are needed."
    elif dropped:
        summary = f"Performance has dropped on {labelled.rows:,} labelled rows: {', '.join(dropped)}."
    else:
        summary = f"Performance holds up on {labelled.rows:,} labelled rows: accuracy {labelled.accuracy:.3f}."
    return PerformanceReport(
        summary=summary,
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


def _macro_f1_error(confusion: np.ndarray) -> float:
    """Return the standard error of macro-F1 from its change by one row more in each cell."""
    n_cells, rows = confusion.size, confusion.sum()
    if not rows:
        return 0.0
    nudged = confusion + np.eye(n_cells).reshape(n_cells, *confusion.shape)
    influence = (macro_f1(nudged) - macro_f1(confusion)) * rows
    shares = confusion.ravel() / rows
    return math.sqrt(max(shares @ influence**2 - (shares @ influence) ** 2, 0.0) / rows)
