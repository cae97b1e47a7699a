"""Performance without labels, as estimated from calibrated probabilities."""

import math
from typing import NamedTuple

import numpy as np

from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.predictions import N_CONFIDENCES, PredictionProfile
from housing_assets.monitoring.profiles.refused import require_same_categories

_MIDDLES = (np.arange(N_CONFIDENCES) + 0.5) / N_CONFIDENCES


class Estimate(NamedTuple):
    """Accuracy that the probabilities promise, and the bounds of two standard errors."""

    accuracy: float
    low: float
    high: float


def estimate_accuracy(holdout: Outcomes, predictions: PredictionProfile) -> Estimate:
    """Estimate the accuracy of predictions without labels (CBPE, NannyML) from what such confidence was worth.

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
    right = (holdout.hits + _MIDDLES) / (holdout.confidences + 1)
    share = predictions.confidences / predictions.rows
    accuracy = float((share * right).sum())
    doubt = right * (1 - right)
    variance = (share * doubt).sum() / predictions.rows + (share**2 * doubt / (holdout.confidences + 1)).sum()
    margin = 2 * math.sqrt(variance)
    return Estimate(accuracy, max(accuracy - margin, 0.0), min(accuracy + margin, 1.0))
