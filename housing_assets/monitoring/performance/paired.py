"""Two versions on the same labelled rows: McNemar's exact test."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairedComparison:
    """How two versions did on the same rows.

    Attributes
    ----------
    rows : int
    accuracy, baseline_accuracy : float
        Of the version in question, and of the one that it is held against.
    p : float
        Two-sided: of the rows that only one of them got right, each is as likely to be the other's.
    """

    rows: int
    accuracy: float
    baseline_accuracy: float
    p: float

    def is_worse(self, limit: float, largest_p: float) -> bool:
        """Return whether accuracy is lower by more than a limit, and not by chance."""
        return self.baseline_accuracy - self.accuracy > limit and self.p < largest_p


def compare_paired(truth: np.ndarray, predicted: np.ndarray, baseline: np.ndarray) -> PairedComparison | None:
    """Compare two versions.

    Parameters
    ----------
    truth, predicted, baseline : ndarray of shape (n_rows,), int
        Indices of categories: what was true, and what the version in question and the other one said. Rows of which
        the truth is unknown (-1) are left out; no prediction (-1) is a wrong one.

    Returns
    -------
    PairedComparison or None
        None where no row is left.
    """
    from scipy.stats import binomtest

    known = truth >= 0
    if not known.any():
        return None
    right, baseline_right = (predicted == truth)[known], (baseline == truth)[known]
    gained, lost = int((right & ~baseline_right).sum()), int((~right & baseline_right).sum())
    p = float(binomtest(lost, gained + lost).pvalue) if gained + lost else 1.0
    return PairedComparison(int(known.sum()), float(right.mean()), float(baseline_right.mean()), p)
