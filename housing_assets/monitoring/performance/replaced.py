"""The version in production against the one that it replaced, which answers the same labelled listings again."""

from typing import TYPE_CHECKING

from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.monitoring.performance.paired import PairedComparison, blocks_of, compare_paired
from housing_assets.monitoring.production.labelled import true_labels
from housing_assets.monitoring.production.predictions import PREDICTED, read_codes
from resources.mlflow.registry import ModelRegistry, Version
from resources.predictions.frames import read_listings

if TYPE_CHECKING:
    import pandas as pd


def compare_with_replaced(
    market: Market, labels: LabelScheme, labelled: "pd.DataFrame", replaced: Version, registry: ModelRegistry
) -> PairedComparison | None:
    """Let the replaced version answer labelled listings again, and compare.

    Parameters
    ----------
    market : Market
    labels : LabelScheme
        Of both versions.
    labelled : DataFrame
        Rows that the version in production answered, with ``listing`` and their truth.
    replaced : Version
    registry : ModelRegistry

    Returns
    -------
    PairedComparison or None
        None where there are no rows.

    Raises
    ------
    mlflow.exceptions.MlflowException, ValueError, OSError
        If the replaced version cannot be loaded.
    """
    again = answer_again(market, labelled, replaced, registry)
    predicted, baseline = (read_codes(each, labels.categories) for each in (labelled[PREDICTED], again))
    return compare_paired(true_labels(labels, labelled), predicted, baseline, blocks_of(labelled))


def answer_again(market: Market, labelled: "pd.DataFrame", version: Version, registry: ModelRegistry) -> "pd.Series":
    """Return the category that a version answers to listings which another one has answered.

    Raises
    ------
    mlflow.exceptions.MlflowException, ValueError, OSError
        If the version cannot be loaded.
    """
    raw = read_listings(labelled, [column.raw for column in market.inputs])
    answers = registry.predict(version, raw)[PREDICTED]
    return answers.set_axis(labelled.index)


def describe_loss(version: int, paired: PairedComparison) -> str:
    """Return in a sentence that the version in production is worse than the one it replaced."""
    return (
        f"It is worse than version {version}, which it replaced, on the same {paired.rows:,} rows: accuracy "
        f"{paired.accuracy:.3f} against {paired.baseline_accuracy:.3f} (p {paired.worse_p:.2g}, whenever one looks)."
    )
