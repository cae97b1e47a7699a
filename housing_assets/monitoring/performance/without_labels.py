"""Accuracy without labels, as estimated from calibrated probabilities (CBPE)."""

import math
from typing import NamedTuple

import numpy as np

from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.predictions import N_CONFIDENCES, PredictionProfile
from housing_assets.monitoring.profiles.refused import require_same_categories

MIDDLES = (np.arange(N_CONFIDENCES) + 0.5) / N_CONFIDENCES
"""Of the bins of probability."""


class EstimatedAccuracy(NamedTuple):
    """Accuracy as estimated without labels, and the bounds of two standard errors."""

    accuracy: float
    low: float
    high: float


class Expected(NamedTuple):
    """Accuracy of predictions that are so sure, by what that was worth on the holdout.

    Attributes
    ----------
    accuracy : float
    sampling : float
        Variance of the accuracy of as many independent predictions.
    uncertainty : float
        Variance of what is expected: the holdout is finite.
    """

    accuracy: float
    sampling: float
    uncertainty: float


def accuracy_without_labels(holdout: Outcomes, predictions: PredictionProfile) -> EstimatedAccuracy:
    """Estimate the accuracy of predictions without labels, by what such confidence was worth on the holdout.

    It is the confidence-based performance estimation (CBPE) of NannyML.

    It sees a harder mix of listings, and is blind to prices that no longer follow from them: it never clears an alert.

    Parameters
    ----------
    holdout : Outcomes
        By which probabilities are calibrated: by predicted category and bin, where there are no rows as they are.
    predictions : PredictionProfile
        Not empty.

    Raises
    ------
    ProfileRefused
        If they are of other categories.
    """
    require_same_categories(holdout.categories, predictions.categories)
    accuracy, sampling, uncertainty = expect_accuracy(holdout, predictions.confidences)
    margin = 2 * math.sqrt(sampling + uncertainty)
    return EstimatedAccuracy(accuracy, max(accuracy - margin, 0.0), min(accuracy + margin, 1.0))


def expect_accuracy(holdout: Outcomes, confidences: np.ndarray) -> Expected:
    """Return how often predictions should be right that are so sure.

    Parameters
    ----------
    holdout : Outcomes
    confidences : ndarray of shape (n_categories, n_confidences), int64
        Predictions by predicted category and bin of its probability; not all 0.
    """
    right = (holdout.hits + MIDDLES) / (holdout.confidences + 1)
    rows = int(confidences.sum())
    share = confidences / rows
    doubt = right * (1 - right)
    return Expected(
        accuracy=float((share * right).sum()),
        sampling=float((share * doubt).sum() / rows),
        uncertainty=float((share**2 * doubt / (holdout.confidences + 1)).sum()),
    )
