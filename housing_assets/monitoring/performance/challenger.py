"""The challenger against the champion on the same labelled requests: those that it predicted in shadow, or answered."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from housing_assets.inference.labels import LabelScheme
from housing_assets.monitoring.performance.paired import PairedComparison, blocks_of, compare_paired
from housing_assets.monitoring.production.frames import Frames
from housing_assets.monitoring.production.labelled import ANSWER, PAIRED, SHADOW, first_rows, true_labels
from housing_assets.monitoring.production.predictions import PREDICTED, read_codes, version_numbers

if TYPE_CHECKING:
    import pandas as pd

ANSWERED = "answered_category"
"""Column of what the champion answered, beside the challenger's prediction."""


class Verdict(StrEnum):
    """What labelled rows say of a challenger."""

    BETTER = "better"
    WORSE = "worse"
    AS_GOOD = "as good"
    OPEN = "not enough evidence"


@dataclass(frozen=True)
class Challenge:
    """How a challenger does beside the champion. It is shown; nothing follows by itself.

    Attributes
    ----------
    version : int
        The challenger.
    verdict : Verdict
    summary : str
        The outcome in a sentence.
    paired : PairedComparison or None
        None where there are too few rows.
    """

    version: int
    verdict: Verdict
    summary: str
    paired: PairedComparison | None

    @classmethod
    def not_judged(cls, version: int, reason: str) -> "Challenge":
        """Return that a challenger cannot be judged, and why."""
        return cls(version, Verdict.OPEN, f"The challenger, version {version}, is not judged: {reason}.", None)


def judge_challenger(
    labels: LabelScheme, pairs: "pd.DataFrame", version: int, *, min_rows: int, largest_p: float, margin: float
) -> Challenge:
    """Compare a challenger with the champion.

    Parameters
    ----------
    labels : LabelScheme
        Of both versions.
    pairs : DataFrame
        With the columns of ``PAIRED`` and ``answered_category``.
    version : int
        The challenger.
    min_rows : int
        Labelled rows that are needed.
    largest_p : float
        Of a difference that is not put down to chance.
    margin : float
        Difference in accuracy up to which both are as good.
    """
    predicted, baseline = (read_codes(pairs[name], labels.categories) for name in (PREDICTED, ANSWERED))
    paired = compare_paired(true_labels(labels, pairs), predicted, baseline, blocks_of(pairs))
    rows = paired.rows if paired else 0
    if paired is None or rows < min_rows:
        few = f"{rows:,} labelled rows that both have predicted, at least {min_rows:,} are needed"
        return Challenge.not_judged(version, few)
    verdict = judge_difference(paired, largest_p, margin)
    does = {
        Verdict.BETTER: "does better than the champion",
        Verdict.WORSE: "does worse than the champion",
        Verdict.AS_GOOD: f"is as good as the champion, to within {margin * 100:g} points,",
        Verdict.OPEN: "cannot be told from the champion yet",
    }[verdict]
    return Challenge(
        version,
        verdict,
        f"The challenger, version {version}, {does} on the same {rows:,} labelled rows: accuracy {paired.accuracy:.3f} "
        f"against {paired.baseline_accuracy:.3f}, a difference of {paired.low * 100:+.1f} to {paired.high * 100:+.1f} "
        f"points (p {paired.p:.2g}; both whenever one looks).",
        paired,
    )


def judge_difference(paired: PairedComparison, largest_p: float, margin: float) -> Verdict:
    """Return what is known of the difference between two versions.

    Parameters
    ----------
    paired : PairedComparison
    largest_p : float
        Of a difference that is not put down to chance.
    margin : float
        Difference in accuracy up to which both are as good.
    """
    if -margin <= paired.low and paired.high <= margin:
        return Verdict.AS_GOOD
    if paired.p < largest_p:
        return Verdict.BETTER if paired.better_p < paired.worse_p else Verdict.WORSE
    return Verdict.OPEN


def pair_with_shadow(labelled: Frames, champion: int, challenger: int, rows: int) -> "pd.DataFrame":
    """Return the challenger's first labelled shadow predictions that lie beside an answer of the champion.

    Parameters
    ----------
    labelled : Frames
        With the columns of ``PAIRED``.
    champion, challenger : int
    rows : int
        Shadow predictions that are looked at, at most.

    Returns
    -------
    pairs : DataFrame
        The columns of ``PAIRED``, the challenger's prediction among them, and ``answered_category``.
    """
    import pandas as pd

    shadows = first_rows(labelled.read(PAIRED), SHADOW, challenger, rows)
    wanted = set(shadows["prediction_id"])
    answers: dict[str, str] = {}
    for frame in labelled.read(PAIRED):
        found = frame["prediction_id"].isin(wanted) & (frame["role"] == ANSWER) & (version_numbers(frame) == champion)
        answers.update(zip(frame.loc[found, "prediction_id"], frame.loc[found, PREDICTED], strict=True))
    answered = pd.Series([answers.get(one) for one in shadows["prediction_id"]], shadows.index, dtype=object)
    return shadows.assign(**{ANSWERED: answered})[answered.notna()]
