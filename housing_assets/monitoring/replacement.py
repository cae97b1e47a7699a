"""A promoted version against the one that it replaced, on the same labelled listings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.listings.columns import COLUMNS, TARGET
from housing_assets.monitoring.prediction_profile import PREDICTED
from resources.model_registry import ModelRegistry, Version

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PairedComparison:
    """What two versions made of the same rows.

    Attributes
    ----------
    rows : int
    accuracy, replaced_accuracy : float
    p : float
        Two-sided, of McNemar's exact test: of the rows that only one of them got right, each is as likely to be the
        other's.
    worse : bool
        Whether the newer one is worse by more than the limit, and not by chance.
    """

    rows: int
    accuracy: float
    replaced_accuracy: float
    p: float
    worse: bool


def compare_paired(
    labels: np.ndarray, predicted: np.ndarray, replaced: np.ndarray, *, limit: float, largest_p: float
) -> PairedComparison:
    """Compare two versions.

    Parameters
    ----------
    labels, predicted, replaced : ndarray of shape (n_rows,), int64
        Index into ``CATEGORIES``: what was true, and what the newer and the replaced version said. At least one row.
    limit : float
        Accuracy that may be lost.
    largest_p : float
        Of a loss that is not put down to chance.
    """
    from scipy.stats import binomtest

    right, was_right = predicted == labels, replaced == labels
    gained, lost = int((right & ~was_right).sum()), int((~right & was_right).sum())
    p = float(binomtest(lost, gained + lost).pvalue) if gained + lost else 1.0
    accuracy, replaced_accuracy = float(right.mean()), float(was_right.mean())
    worse = replaced_accuracy - accuracy > limit and p < largest_p
    return PairedComparison(len(labels), accuracy, replaced_accuracy, p, worse)


def compare_with_replaced(
    labelled: "pd.DataFrame",
    replaced: Version,
    registry: ModelRegistry,
    bands: PriceBands,
    *,
    limit: float,
    largest_p: float,
) -> PairedComparison:
    """Let the replaced version answer labelled listings again, and compare.

    Parameters
    ----------
    labelled : DataFrame
        Rows that the newer version answered, with ``listing`` and ``price``.
    replaced : Version
    registry : ModelRegistry
    bands : PriceBands
        Of both versions.
    limit, largest_p : float
        As in ``compare_paired``.

    Raises
    ------
    mlflow.exceptions.MlflowException, ValueError, OSError
        If the replaced version cannot be loaded.
    """
    import pandas as pd

    from resources.prediction_store import read_listings

    raw = read_listings(labelled, [column.raw for column in COLUMNS if column.values[0].name != TARGET])
    again = registry.predict(replaced, raw)
    answers = [pd.Categorical(each, list(CATEGORIES)).codes for each in (labelled[PREDICTED], again[PREDICTED])]
    labels = bands.labels(labelled["price"].to_numpy())
    return compare_paired(labels, answers[0], answers[1], limit=limit, largest_p=largest_p)
