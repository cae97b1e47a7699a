"""Decides whether a challenger replaces the champion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.training.parameters import PromotionRule

N_RESAMPLES = 2_000
"""Bootstrap resamples: the ends of a 95 % interval are then sure to about a tenth of its width."""

CONFIDENCE = 0.95

MAX_TESTS = 10
"""Decisions in a row on the same rows that are accounted for; more would soon let nothing through."""


@dataclass(frozen=True)
class Decision:
    """Whether a version goes to production, why, in a sentence, and what later decisions must know of it, as tags."""

    promoted: bool
    reason: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Difference in macro-F1, challenger minus another version, on the same rows.

    Attributes
    ----------
    difference : float
    low, high : float
        Its 95 % confidence interval.
    n_rows : int
    lowest : float
        What it is below with the risk that is taken.
    """

    difference: float
    low: float
    high: float
    n_rows: int
    lowest: float


@dataclass(frozen=True)
class Fall:
    """How much less a challenger reaches than the champion: macro-F1, and ROC-AUC, one category against the others."""

    macro_f1: float
    auc: float
    n_rows: int


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on.

    Attributes
    ----------
    champion, best : Comparison
        Against the version in production, and against the best one before it.
    best_version : int
    fresh : bool
        Whether the rows are labelled requests of late.
    tests : int
        Decisions in a row on the same rows, this one among them.
    old : Fall or None
        On the older held-out listings, where fresh ones decide.
    windows : str
        Days of production that the fresh rows are of.
    """

    champion: Comparison
    best: Comparison
    best_version: int
    fresh: bool = False
    tests: int = 1
    old: Fall | None = None
    windows: str = ""


def compare(
    y: np.ndarray, challenger: np.ndarray, champion: np.ndarray, *, risk: float = (1 - CONFIDENCE) / 2, seed: int = 0
) -> Comparison:
    """Compare two classifiers by their probabilities, of shape (n_rows, n_classes); see ``compare_predicted``."""
    n = challenger.shape[1]
    return compare_predicted(y, challenger.argmax(axis=1), champion.argmax(axis=1), n, risk=risk, seed=seed)


def compare_predicted(
    y: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    n_classes: int,
    *,
    risk: float = (1 - CONFIDENCE) / 2,
    seed: int = 0,
) -> Comparison:
    """Compare two classifiers by a paired bootstrap (Efron & Tibshirani 1993).

    Resampling rows is the same as drawing, from a multinomial, how often each combination of true, challenger's and
    champion's category occurs; that takes milliseconds whatever the number of rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        True categories.
    challenger, champion : ndarray of shape (n_rows,)
        Categories that they predict for the same rows.
    n_classes : int
    risk : float
        Share of the resamples that lie below ``lowest``.
    """
    n = n_classes
    joint = (y.astype(np.int64) * n + challenger) * n + champion
    counts = np.bincount(joint, minlength=n**3)
    drawn = np.random.default_rng(seed).multinomial(len(y), counts / len(y), size=N_RESAMPLES)
    differences = _difference(drawn.reshape(-1, n, n, n))
    low, high, lowest = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2, risk]).tolist()
    return Comparison(float(_difference(counts.reshape(n, n, n))), low, high, len(y), lowest)


def measure_fall(y: np.ndarray, challenger: np.ndarray, champion: np.ndarray) -> Fall:
    """Return how much less a challenger reaches on some rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        True categories; those that no row has, or all have, say nothing of the ROC-AUC.
    challenger, champion : ndarray of shape (n_rows, n_classes)
        Probabilities for the same rows.
    """
    from sklearn.metrics import roc_auc_score

    n = challenger.shape[1]
    told_apart = [label for label in range(n) if 0 < np.count_nonzero(y == label) < len(y)]
    f1, auc = zip(
        *(
            (
                float(macro_f1(count_confusion(y, scores.argmax(axis=1), n))),
                float(np.mean([roc_auc_score(y == label, scores[:, label]) for label in told_apart] or [0.5])),
            )
            for scores in (champion, challenger)
        ),
        strict=True,
    )
    return Fall(f1[0] - f1[1], auc[0] - auc[1], len(y))


def decide(evidence: Evidence | None, rule: PromotionRule, *, new_lineage: bool) -> Decision:
    """Decide on a version that has passed its quality gates.

    Newer listings are worth keeping up with, so a version that is not shown to be worse is promoted; one whose whole
    interval lies below 0 is not.

    Parameters
    ----------
    evidence : Evidence or None
        None if there is no champion that it can be compared with.
    rule : PromotionRule
    new_lineage : bool
        Whether the champion is of another lineage, with other price bands.
    """
    if evidence is None:
        if new_lineage:
            return Decision(
                True, "starts a new lineage: the price bands were learned again, so no champion is comparable"
            )
        return Decision(True, "first version: there is no champion")
    found, risk = evidence.champion, rule.risk_of(fresh=evidence.fresh, tests=evidence.tests)
    told = (
        f"macro-F1 differs by {found.difference:+.4f} (95 % interval {found.low:+.4f} to {found.high:+.4f}) on "
        f"{found.n_rows:,} {'fresh labelled' if evidence.fresh else 'held-out'} listings"
        f"{f' of {evidence.windows}' if evidence.windows else ''}, by {found.lowest:+.4f} at a risk of {risk:.1%}"
        f"{f' (test {evidence.tests} in a row on these)' if evidence.tests > 1 else ''}, "
        f"at most {rule.max_loss:.4f} loss is allowed"
    )
    if old := evidence.old:
        told += f"; on {old.n_rows:,} older ones macro-F1 by {-old.macro_f1:+.4f} and ROC-AUC by {-old.auc:+.4f}"
    objections = list(_objections(evidence, rule))
    if objections:
        return Decision(False, f"{'; '.join(objections)}: {told}")
    return Decision(True, f"no worse than the champion: {told}")


def _objections(evidence: Evidence, rule: PromotionRule) -> list[str]:
    found, best, old = evidence.champion, evidence.best, evidence.old
    objections = []
    if found.lowest < -rule.max_loss or found.high < 0:
        objections.append("may be worse than the champion")
    elif best.lowest < -rule.max_loss:
        objections.append(
            f"would add to the losses since version {evidence.best_version}, {best.difference:+.4f} by now "
            f"({best.lowest:+.4f} at that risk)"
        )
    if old and old.macro_f1 > rule.old_f1_loss:
        objections.append(
            f"falls by {old.macro_f1:.4f} in macro-F1 on the {old.n_rows:,} older held-out listings, at most "
            f"{rule.old_f1_loss:.4f} is allowed"
        )
    if old and old.auc > rule.old_auc_loss:
        objections.append(
            f"falls by {old.auc:.4f} in ROC-AUC on the {old.n_rows:,} older held-out listings, at most "
            f"{rule.old_auc_loss:.4f} is allowed"
        )
    return objections


def _difference(counts: np.ndarray) -> np.ndarray:
    return macro_f1(counts.sum(axis=-1)) - macro_f1(counts.sum(axis=-2))
