"""Judges class probabilities against true categories: numbers with stable names."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

N_CALIBRATION_BINS = 10
"""Bins of the calibration error; more of them have too few rows on holdouts of a few thousand."""

_REFUSED_SIGNS = re.compile(r"[^\w .:-]")


def evaluate(y: np.ndarray, probabilities: np.ndarray, categories: Sequence[str]) -> dict[str, float]:
    """Return all metrics of a classifier on held-out rows.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Index into ``categories``.
    probabilities : ndarray of shape (n_rows, n_classes)
    categories : sequence of str
        Two or more.

    Returns
    -------
    metrics : dict
        ``macro_f1``, ``accuracy``, ``roc_auc_ovr`` (macro average), ``log_loss`` (nats), ``calibration_error``
        (expected calibration error of the predicted class, Naeini et al. 2015), and ``precision_``, ``recall_`` and
        ``f1_`` of each category; signs that MLflow refuses in a name are replaced by ``_``.
    """
    from sklearn.metrics import log_loss, precision_recall_fscore_support, roc_auc_score

    predicted = probabilities.argmax(axis=1)
    labels = range(len(categories))
    precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, labels=labels, zero_division=0.0)
    scores = probabilities if len(categories) > 2 else probabilities[:, 1]
    metrics = {
        "macro_f1": float(f1.mean()),
        "accuracy": float((predicted == y).mean()),
        "roc_auc_ovr": float(roc_auc_score(y, scores, multi_class="ovr", labels=labels)),
        "log_loss": float(log_loss(y, probabilities, labels=labels)),
        "calibration_error": calibration_error(y, probabilities),
    }
    for index, category in enumerate(as_metric_names(categories)):
        metrics[f"precision_{category}"] = float(precision[index])
        metrics[f"recall_{category}"] = float(recall[index])
        metrics[f"f1_{category}"] = float(f1[index])
    return metrics


def as_metric_names(categories: Sequence[str]) -> list[str]:
    """Return the categories without the signs that MLflow refuses in a metric's name, and still different."""
    names = [_REFUSED_SIGNS.sub("_", category) for category in categories]
    return [f"{name}_{index}" if names.count(name) > 1 else name for index, name in enumerate(names)]


def calibration_curve(y: np.ndarray, probabilities: np.ndarray) -> "pd.DataFrame":
    """Return ``confidence``, ``accuracy`` and ``rows`` of the predicted class by filled bins of equal width."""
    import pandas as pd

    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * N_CALIBRATION_BINS).astype(int), N_CALIBRATION_BINS - 1)
    hit = probabilities.argmax(axis=1) == y
    rows = pd.DataFrame({"confidence": confidence, "accuracy": hit.astype(float), "rows": 1}).groupby(bins)
    return rows.agg({"confidence": "mean", "accuracy": "mean", "rows": "sum"}).reset_index(drop=True)


def calibration_error(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the expected gap between confidence and accuracy, 0 to 1."""
    curve = calibration_curve(y, probabilities)
    return float((curve["rows"] * (curve["confidence"] - curve["accuracy"]).abs()).sum() / curve["rows"].sum())


def errors_by_segment(
    segments: "pd.DataFrame", names: Sequence[str], y: np.ndarray, probabilities: np.ndarray
) -> "pd.DataFrame":
    """Return ``segment``, ``value``, ``rows``, ``accuracy`` for each value of each named text, worst first.

    Segments below 1 % of the rows are left out: their accuracy says little.
    """
    import pandas as pd

    hit = probabilities.argmax(axis=1) == y
    tables = []
    for name in names:
        table = pd.DataFrame({"value": segments[name].astype(str).to_numpy(), "hit": hit}).groupby("value")["hit"]
        tables.append(table.agg(rows="size", accuracy="mean").reset_index().assign(segment=name))
    if not tables:
        return pd.DataFrame(columns=["segment", "value", "rows", "accuracy"])
    joined = pd.concat(tables, ignore_index=True)
    joined = joined[joined["rows"] * 100 >= len(y)]
    return joined[["segment", "value", "rows", "accuracy"]].sort_values("accuracy", ignore_index=True)
