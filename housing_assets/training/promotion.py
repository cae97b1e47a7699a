"""Decides whether a challenger replaces the champion."""

from dataclasses import dataclass

import numpy as np

from housing_assets.confusion import macro_f1

N_RESAMPLES = 2_000
"""Bootstrap resamples: the ends of a 95 % interval are then sure to about a tenth of its width."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Decision:
    """Whether a version goes to production, and why, in a sentence."""

    promoted: bool
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Difference in macro-F1, challenger minus champion, on the same rows, with its confidence interval."""

    difference: float
    low: float
    high: float
    n_rows: int


def compare(y: np.ndarray, challenger: np.ndarray, champion: np.ndarray, *, seed: int = 0) -> Comparison:
    """Compare two classifiers by a paired bootstrap (Efron & Tibshirani 1993).

    Resampling rows is the same as drawing, from a multinomial, how often each combination of true, challenger's and
    champion's category occurs; that takes milliseconds whatever the number of rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        True categories.
    challenger, champion : ndarray of shape (n_rows, n_classes)
        Probabilities for the same rows.
    """
    n = challenger.shape[1]
    joint = (y.astype(np.int64) * n + challenger.argmax(axis=1)) * n + champion.argmax(axis=1)
    counts = np.bincount(joint, minlength=n**3)
    drawn = np.random.default_rng(seed).multinomial(len(y), counts / len(y), size=N_RESAMPLES)
    differences = _difference(drawn.reshape(-1, n, n, n))
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Comparison(float(_difference(counts.reshape(n, n, n))), float(low), float(high), len(y))


MIN_FRESH = 200
"""Fresh rows from which on they decide: as many as a window of the monitoring needs to be judged."""


def decide(comparison: Comparison | None, *, max_loss: float, new_lineage: bool, fresh: bool = False) -> Decision:
    """Decide on a version that has passed its quality gates.

    Parameters
    ----------
    comparison : Comparison or None
        None if there is no champion that it can be compared with.
    max_loss : float
        Macro-F1 that the challenger may be worse, at the lower end of the interval: newer listings are worth keeping up
        with, so a version that is not shown to be worse is promoted. One whose whole interval lies below 0 is not.
    new_lineage : bool
        Whether the champion is of another lineage, with other price bands.
    fresh : bool
        Whether the rows are labelled requests of late. Those are few, so that the interval is wide and its lower end
        would hold back a version that is as good; the difference itself must then be no more than ``max_loss`` below 0.
    """
    if comparison is None:
        if new_lineage:
            return Decision(
                True, "starts a new lineage: the price bands were learned again, so no champion is comparable"
            )
        return Decision(True, "first version: there is no champion")
    interval = (
        f"macro-F1 differs by {comparison.difference:+.4f} (95 % interval {comparison.low:+.4f} to "
        f"{comparison.high:+.4f}) on {comparison.n_rows:,} {'fresh labelled' if fresh else 'held-out'} listings"
    )
    lowest = comparison.difference if fresh else comparison.low
    if lowest >= -max_loss and comparison.high >= 0:
        return Decision(True, f"no worse than the champion: {interval}, at most {max_loss:.4f} loss is allowed")
    return Decision(False, f"may be worse than the champion: {interval}, at most {max_loss:.4f} loss is allowed")


def _difference(counts: np.ndarray) -> np.ndarray:
    return macro_f1(counts.sum(axis=-1)) - macro_f1(counts.sum(axis=-2))
