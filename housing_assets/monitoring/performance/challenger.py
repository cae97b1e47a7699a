"""The challenger against the champion on the requests that both predicted, the challenger in shadow."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Challenge:
    """How a challenger does beside the champion. It is shown; nothing follows by itself.

    Attributes
    ----------
    version : int
        The challenger.
    summary : str
        The outcome in a sentence.
    paired : PairedComparison or None
        None where there are too few rows.
    """

    version: int
    summary: str
    paired: PairedComparison | None


def judge_challenger(
    labels: LabelScheme, pairs: "pd.DataFrame", version: int, *, min_rows: int, largest_p: float
) -> Challenge | None:
    """Compare a challenger with the champion.

    Parameters
    ----------
    labels : LabelScheme
        Of both versions.
    pairs : DataFrame
        As ``pair_with_shadow`` returns them.
    version : int
        The challenger.
    min_rows : int
        Labelled rows that are needed.
    largest_p : float
        Of a difference that is not put down to chance.

    Returns
    -------
    Challenge or None
        None where there are no rows: nothing predicts in shadow.
    """
    predicted, baseline = (read_codes(pairs[name], labels.categories) for name in (PREDICTED, ANSWERED))
    paired = compare_paired(true_labels(labels, pairs), predicted, baseline, blocks_of(pairs))
    if paired is None:
        return None
    if paired.rows < min_rows:
        few = f"{paired.rows:,} labelled shadow predictions, at least {min_rows:,} are needed"
        return Challenge(version, f"The challenger, version {version}, is not judged: {few}.", None)
    does = "does about as well as"
    if paired.p < largest_p:
        does = "does better than" if paired.better_p < paired.worse_p else "does worse than"
    summary = (
        f"The challenger, version {version}, {does} the champion on the same {paired.rows:,} labelled rows: accuracy "
        f"{paired.accuracy:.3f} against {paired.baseline_accuracy:.3f} (p {paired.p:.2g}, whenever one looks)."
    )
    return Challenge(version, summary, paired)


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
