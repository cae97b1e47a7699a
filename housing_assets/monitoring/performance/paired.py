"""Two versions on the same labelled rows: a test that may be looked at every day, and stopped at any."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from housing_assets.monitoring.production.labelled import name_blocks

if TYPE_CHECKING:
    import pandas as pd

PRIOR_ROWS = 25.0
"""Squared difference at which the test is quickest: that of 200 rows, of which two versions answer one in eight
otherwise."""

LEVEL = 0.05
"""Share of the tests in which the difference is ever outside its interval."""


@dataclass(frozen=True)
class PairedComparison:
    """How two versions did on the same rows.

    Attributes
    ----------
    rows : int
    accuracy, baseline_accuracy : float
        Of the version in question, and of the one that it is held against.
    worse_p, better_p : float
        Always-valid p of the version being no worse, and no better: of two equal versions each is ever below a level,
        at whatever day one looks, in no more than that share of the cases.
    low, high : float
        Always-valid 95 % interval of the difference in accuracy, the version in question less the other one.
    """

    rows: int
    accuracy: float
    baseline_accuracy: float
    worse_p: float
    better_p: float
    low: float
    high: float

    @property
    def p(self) -> float:
        """Always-valid p of both doing equally well."""
        return min(1.0, 2 * min(self.worse_p, self.better_p))

    def is_worse(self, limit: float, largest_p: float) -> bool:
        """Return whether accuracy is lower by more than a limit, and not by chance."""
        return self.baseline_accuracy - self.accuracy > limit and self.worse_p < largest_p


def compare_paired(
    truth: np.ndarray, predicted: np.ndarray, baseline: np.ndarray, blocks: np.ndarray
) -> PairedComparison | None:
    """Compare two versions.

    Parameters
    ----------
    truth, predicted, baseline : ndarray of shape (n_rows,), int
        Indices of categories: what was true, and what the version in question and the other one said. Rows of which
        the truth is unknown (-1) are left out; no prediction (-1) is a wrong one.
    blocks : ndarray of shape (n_rows,), int
        Rows of one block came together and are one observation: what a version is wrong about in one ad of a
        area it is wrong about in the next.

    Returns
    -------
    PairedComparison or None
        None where no row is left.
    """
    known = truth >= 0
    if not known.any():
        return None
    right, baseline_right = (predicted == truth)[known], (baseline == truth)[known]
    _, codes = np.unique(blocks[known], return_inverse=True)
    gained = np.bincount(codes, right.astype(np.float64) - baseline_right)
    low, high = always_valid_interval(gained, np.bincount(codes))
    return PairedComparison(
        rows=int(known.sum()),
        accuracy=float(right.mean()),
        baseline_accuracy=float(baseline_right.mean()),
        worse_p=always_valid_p(-gained),
        better_p=always_valid_p(gained),
        low=low,
        high=high,
    )


def always_valid_p(differences: np.ndarray) -> float:
    """Return the p of differences being no more often above 0 than below, valid at every moment at which it is asked.

    Where versions are equal, exchanging them changes nothing, so that each difference d is distributed symmetrically,
    and exp(λ Σ d − λ² Σ d² / 2) is a supermartingale for every λ (de la Peña 1999, "A general class of exponential
    inequalities for martingales and ratios"). Mixed over a half-normal λ of variance 1 / ρ, it is the mixture SPRT
    (Robbins 1970; Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences", eq. 14),
    an e-value whose inverse is such a p (Ville 1939; Johari et al. 2022, "Always valid inference").

    Parameters
    ----------
    differences : ndarray of shape (n_blocks,), float64
        One for each block, in any order, of all that has been seen since the test began.
    """
    total, squares = float(differences.sum()), float((differences**2).sum()) + PRIOR_ROWS
    log_e = (
        math.log(2)
        + math.log(PRIOR_ROWS / squares) / 2
        + total**2 / (2 * squares)
        + float(special.log_ndtr(total / math.sqrt(squares)))
    )
    return math.exp(-max(log_e, 0.0))


def always_valid_interval(differences: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return an interval of the difference of a row, valid at every moment at which it is asked.

    It is what the mixture of ``always_valid_p``, taken both ways, does not reject, with the variance between the blocks
    in place of the symmetry that only equal versions have: an asymptotic confidence sequence (Robbins 1970,
    "Statistical methods related to the law of the iterated logarithm"; Waudby-Smith et al. 2024, "Time-uniform central
    limit theory and asymptotic confidence sequences").

    Parameters
    ----------
    differences : ndarray of shape (n_blocks,), float64
        Sum of each block, of all that has been seen since the test began.
    rows : ndarray of shape (n_blocks,), int
        Of each block; the difference of a row is that of all rows, so that large blocks weigh more.
    """
    total = float(rows.sum())
    mean = float(differences.sum()) / total
    squares = float(((differences - mean * rows) ** 2).sum()) + PRIOR_ROWS
    margin = math.sqrt(squares * math.log(squares / (PRIOR_ROWS * LEVEL**2))) / total
    return max(mean - margin, -1.0), min(mean + margin, 1.0)


def blocks_of(labelled: "pd.DataFrame") -> np.ndarray:
    """Return the block of each labelled row as a number, as ``name_blocks`` tells them apart."""
    return np.unique(name_blocks(labelled), return_inverse=True)[1]
