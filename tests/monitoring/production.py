"""A small platform's reference, and days of production to hold against it."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.features.bands import CATEGORIES
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import Shift, synthetic_listings
from housing_assets.monitoring.performance import Outcomes
from housing_assets.monitoring.prediction_profile import PREDICTED, PROBABILITIES
from housing_assets.monitoring.profile import Profile, reference_edges
from housing_assets.packaging.artifact import ModelArtifact

TODAY = date(2022, 3, 4)


def ads(rows: int, seed: int, **shift: Any) -> pd.DataFrame:
    """Give so many clean listings."""
    listings = clean(synthetic_listings(int(rows * 1.06) + 60, seed=seed, shift=Shift(**shift))).listings
    assert len(listings) >= rows
    return listings[:rows]


def as_predictions(probabilities: np.ndarray) -> pd.DataFrame:
    """Name probabilities as the model and the prediction store do."""
    predicted = np.array(CATEGORIES, dtype=object)[probabilities.argmax(axis=1)]
    return pd.DataFrame({PREDICTED: predicted} | dict(zip(PROBABILITIES, probabilities.T, strict=True)))


@dataclass(frozen=True)
class Platform:
    """A model and the listings it is watched against."""

    artifact: ModelArtifact
    listings: pd.DataFrame
    held_out: pd.DataFrame

    def predict(self, listings: pd.DataFrame) -> pd.DataFrame:
        return as_predictions(self.artifact.probabilities(listings))

    def profile(self, listings: pd.DataFrame, predictions: pd.DataFrame | None = None) -> Profile:
        predicted = self.predict(listings) if predictions is None else predictions
        return Profile.of(listings, predicted, self.edges, as_of=TODAY)

    def outcomes(self, listings: pd.DataFrame) -> Outcomes:
        labels = self.artifact.bands.labels(listings["price"].to_numpy())
        return Outcomes.of(labels, self.predict(listings))

    @cached_property
    def edges(self) -> dict[str, np.ndarray]:
        return reference_edges(self.listings)

    @cached_property
    def reference(self) -> Profile:
        return self.profile(self.listings, self.predict(self.held_out))

    @cached_property
    def holdout(self) -> Outcomes:
        return self.outcomes(self.held_out)
