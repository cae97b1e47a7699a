"""A small platform's reference, and days of production to hold against it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.features.split import label_rows
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.findings import Finding
from housing_assets.monitoring.drift.report import DriftReport, judge_drift
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.packaging import batch

TODAY = date(2022, 3, 4)


def ads(rows: int, seed: int, **shift: Any) -> pd.DataFrame:
    """Give so many clean listings."""
    return _draw(rows, seed, json.dumps(shift)).copy()


@lru_cache(maxsize=32)
def _draw(rows: int, seed: int, shift: str) -> pd.DataFrame:
    drawn = load_sample(MARKET).draw(int(rows * 1.06) + 60, seed=seed, shift=json.loads(shift))
    listings = clean(MARKET, drawn).listings
    assert len(listings) >= rows
    return listings[:rows]


def predictions_of(probabilities: np.ndarray, categories: tuple[str, ...] = MARKET.categories) -> PredictionProfile:
    """Summarize predictions whose category is the most probable."""
    return PredictionProfile.of(categories, probabilities.argmax(axis=1), probabilities)


def outcomes_of(
    truth: np.ndarray, probabilities: np.ndarray, categories: tuple[str, ...] = MARKET.categories
) -> Outcomes:
    """Summarize labelled predictions whose category is the most probable."""
    return Outcomes.of(categories, truth, probabilities.argmax(axis=1), probabilities)


def as_stored(probabilities: np.ndarray, categories: Sequence[str] = MARKET.categories) -> pd.DataFrame:
    """Give predictions as the prediction store has them."""
    return pd.DataFrame(
        {
            "price_category": np.array(categories, dtype=object)[probabilities.argmax(axis=1)],
            "probabilities": [json.dumps(dict(zip(categories, row, strict=True))) for row in probabilities.tolist()],
        }
    )


def found(report: DriftReport, column: str, statistic: str) -> Finding:
    (finding,) = [one for one in report.findings if (one.column, one.statistic) == (column, statistic)]
    return finding


@dataclass(frozen=True)
class Platform:
    """A model and the listings it is watched against."""

    artifact: ModelArtifact
    listings: pd.DataFrame
    held_out: pd.DataFrame

    def predict(self, listings: pd.DataFrame) -> np.ndarray:
        return batch.probabilities(self.artifact, listings)

    def profile(self, listings: pd.DataFrame, probabilities: np.ndarray | None = None) -> Profile:
        predicted = self.predict(listings) if probabilities is None else probabilities
        return Profile.of(MARKET, listings, predictions_of(predicted), self.edges, as_of=TODAY)

    def report(self, listings: pd.DataFrame) -> DriftReport:
        return judge_drift(self.reference, self.profile(listings), personal=MARKET.personal_names)

    def truth(self, listings: pd.DataFrame) -> np.ndarray:
        return label_rows(MARKET, self.artifact.labels, listings)

    def outcomes(self, listings: pd.DataFrame) -> Outcomes:
        return outcomes_of(self.truth(listings), self.predict(listings))

    @cached_property
    def edges(self) -> dict[str, np.ndarray]:
        return reference_edges(MARKET, self.listings)

    @cached_property
    def reference(self) -> Profile:
        return self.profile(self.listings, self.predict(self.held_out))

    @cached_property
    def holdout(self) -> Outcomes:
        return self.outcomes(self.held_out)
