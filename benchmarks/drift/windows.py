"""Draws the windows, judges them as the platform does, and writes them down for Evidently.

``python -m benchmarks.drift.windows FOLDER NULLS SHIFTED`` draws so many windows of each size and of each shift, and
prints what the platform said of each as JSON.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.drift.files import (
    ARTIFACT,
    INDEX,
    LISTINGS,
    NUMBERS,
    PREDICTED,
    PREDICTIONS,
    PRICE,
    REFERENCE_FRAME,
    VALUES,
    WINDOWS,
)
from benchmarks.drift.inputs import as_stored, listings_of, profile_of
from benchmarks.drift.scenarios import NULLS, SHIFTS, Scenario
from housing_assets.features.split import held_out, label_rows
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.report import Status, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.performance.judging import judge_performance
from housing_assets.monitoring.production.predictions import read_answers
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.packaging import batch

FIRST_SEED = 1_000
SEEDS_OF_A_SCENARIO = 10_000


def judge_windows(folder: Path, n_nulls: int, n_shifted: int) -> dict[str, Any]:
    """Draw, judge and write all windows; return what was said by their names."""
    platform, judged, index = Platform(folder), {}, []
    (folder / WINDOWS).mkdir()
    platform.reference_frame().to_pickle(folder / WINDOWS / REFERENCE_FRAME)
    for scenario, name, seed in _drawn(n_nulls, n_shifted):
        listings = listings_of(scenario.rows, seed, **scenario.shift)
        if scenario.beyond:
            listings = platform.move_beyond(listings)
        predictions = as_stored(batch.probabilities(platform.artifact, listings))
        judged[name] = platform.judge(listings, predictions)
        _frame(listings, predictions).to_pickle(folder / WINDOWS / f"{name}.pickle")
        index.append((name, scenario.has_prices))
    (folder / WINDOWS / INDEX).write_text(json.dumps(index))
    return judged


class Platform:
    """A model, and what it is held against, of the columns that are compared.

    Parameters
    ----------
    folder : Path
        Where ``inputs`` wrote the model.
    """

    def __init__(self, folder: Path):
        self.artifact = ModelArtifact.load(folder / ARTIFACT)
        self.listings: pd.DataFrame = pd.read_pickle(folder / LISTINGS)
        self.predictions: pd.DataFrame = pd.read_pickle(folder / PREDICTIONS)
        self.held_out = held_out(MARKET, self.artifact.labels, self.listings)
        self.edges = reference_edges(MARKET, self.listings[[*VALUES]])
        self.reference = self._profile(self.listings, self.predictions)
        self.holdout = self._outcomes(self.listings[self.held_out], self.predictions)

    def reference_frame(self) -> pd.DataFrame:
        """Return the reference for Evidently: predictions only where the model was not trained, as in ours."""
        frame = self.listings[[*VALUES, PRICE]].assign(**{PREDICTED: None})
        frame.loc[self.held_out, PREDICTED] = self.predictions[PREDICTED].to_numpy()
        return frame.astype({PREDICTED: "category"})

    def move_beyond(self, listings: pd.DataFrame) -> pd.DataFrame:
        """Move every number above all that the reference has."""
        known = self.listings
        return listings.assign(**{name: listings[name] + known[name].max() - known[name].min() + 1 for name in NUMBERS})

    def judge(self, listings: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
        """Return what the checks of a day come to, with the prices of all its listings known.

        ``counts`` and ``fails`` are of listings and predictions alone: whether a check counts toward retraining, and
        whether one fails at all.
        """
        window = self._profile(listings, predictions)
        drift, features = judge_drift(self.reference, window), validate_features(MARKET, self.reference, window)
        performance = judge_performance(self.holdout, self._outcomes(listings, predictions))
        columns = list(drift.offending_columns)
        if features.counts_toward_retraining:
            columns += [issue.finding.column for issue in features.issues]
        return {
            "counts": drift.counts_toward_retraining or features.counts_toward_retraining,
            "fails": drift.status is Status.DRIFTED or features.counts_toward_retraining,
            "labels": performance.failed,
            "columns": list(dict.fromkeys(columns)),
        }

    def _profile(self, listings: pd.DataFrame, predictions: pd.DataFrame) -> Profile:
        return profile_of(listings, predictions, self.edges)

    def _outcomes(self, listings: pd.DataFrame, predictions: pd.DataFrame) -> Outcomes:
        truth = label_rows(MARKET, self.artifact.labels, listings)
        return Outcomes.of(MARKET.categories, truth, *read_answers(predictions, MARKET.categories))


def _drawn(n_nulls: int, n_shifted: int) -> Iterator[tuple[Scenario, str, int]]:
    for number, scenario in enumerate((*NULLS, *SHIFTS)):
        for turn in range(n_nulls if scenario in NULLS else n_shifted):
            yield scenario, f"{scenario.name}-{turn}", FIRST_SEED + number * SEEDS_OF_A_SCENARIO + turn


def _frame(listings: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    return listings[[*VALUES, PRICE]].assign(**{PREDICTED: pd.Categorical(predictions[PREDICTED])})


if __name__ == "__main__":
    print(json.dumps(judge_windows(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
