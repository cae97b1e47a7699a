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
from benchmarks.drift.inputs import AS_OF, listings_of
from benchmarks.drift.scenarios import NULLS, SHIFTS, Scenario
from housing_assets.monitoring.drift import Status, compare
from housing_assets.monitoring.performance import Outcomes, judge_performance
from housing_assets.monitoring.profile import Profile, reference_edges
from housing_assets.monitoring.reference import name_predictions
from housing_assets.monitoring.validation import validate_features
from housing_assets.packaging.artifact import ModelArtifact

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
        predictions = name_predictions(platform.artifact.probabilities(listings))
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
        self.held_out = self.artifact.bands.held_out(self.listings)
        self.edges = reference_edges(self.listings[[*VALUES]])
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
        drift, features = compare(self.reference, window), validate_features(self.reference, window)
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
        return Profile.of(listings[[*VALUES]], predictions, self.edges, as_of=AS_OF)

    def _outcomes(self, listings: pd.DataFrame, predictions: pd.DataFrame) -> Outcomes:
        return Outcomes.of(self.artifact.bands.labels(listings[PRICE].to_numpy()), predictions)


def _drawn(n_nulls: int, n_shifted: int) -> Iterator[tuple[Scenario, str, int]]:
    for number, scenario in enumerate((*NULLS, *SHIFTS)):
        for turn in range(n_nulls if scenario in NULLS else n_shifted):
            yield scenario, f"{scenario.name}-{turn}", FIRST_SEED + number * SEEDS_OF_A_SCENARIO + turn


def _frame(listings: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    return listings[[*VALUES, PRICE]].assign(**{PREDICTED: pd.Categorical(predictions[PREDICTED])})


if __name__ == "__main__":
    print(json.dumps(judge_windows(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
