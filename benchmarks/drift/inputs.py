"""Makes what is compared: a model with its reference, and frames of the columns that both sides look at.

``python -m benchmarks.drift.inputs FOLDER ROWS SIZE...`` trains on so many synthetic listings, as the assets do, and
writes a reference and a window of each size for the measurement of speed.
"""

import json
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from benchmarks.drift.files import (
    ARTIFACT,
    LISTINGS,
    PREDICTED,
    PREDICTIONS,
    REFERENCE,
    REFERENCE_FRAME,
    VALUES,
    WINDOW_FRAME,
)
from benchmarks.model import train
from housing_assets.features.split import held_out, label_rows
from housing_assets.listings.cleaning import clean
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.production.predictions import PROBABILITIES, read_answers
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging import batch

AS_OF = date(2022, 3, 4)
"""The newest day of the synthetic ads."""

REFERENCE_SEED, WINDOW_SEED = 0, 1


def raw_listings(rows: int, seed: int, **shift: Any) -> pd.DataFrame:
    """Draw raw synthetic listings: enough for so many, for there are copies and unusable ones among them."""
    return load_sample(MARKET).draw(int(rows * 1.06) + 60, seed=seed, shift=shift)


def listings_of(rows: int, seed: int, **shift: Any) -> pd.DataFrame:
    """Return so many typed synthetic listings."""
    return clean(MARKET, raw_listings(rows, seed, **shift)).listings[:rows]


def as_stored(probabilities: np.ndarray) -> pd.DataFrame:
    """Return predictions as the prediction store has them."""
    names = np.array(MARKET.categories, dtype=object)
    shares = (dict(zip(MARKET.categories, row, strict=True)) for row in probabilities.tolist())
    return pd.DataFrame(
        {
            PREDICTED: names[probabilities.argmax(axis=1)],
            PROBABILITIES: [orjson.dumps(each).decode() for each in shares],
        }
    )


def profile_of(listings: pd.DataFrame, answers: pd.DataFrame, edges: Mapping[str, np.ndarray]) -> Profile:
    """Profile the columns that are compared, and answers as they are stored; both may be of one frame."""
    predictions = PredictionProfile.of(MARKET.categories, *read_answers(answers, MARKET.categories))
    return Profile.of(MARKET, listings[[*VALUES]], predictions, edges, as_of=AS_OF)


def draw_predictions(folder: Path, rows: int, seed: int) -> pd.DataFrame:
    """Return answers drawn from those for the listings held out: what a report costs is not what they say."""
    answers: pd.DataFrame = pd.read_pickle(folder / PREDICTIONS)
    return answers.sample(rows, replace=True, random_state=seed, ignore_index=True)


def write_model(folder: Path, rows: int) -> dict[str, int]:
    """Write the model, its listings and its reference; return how many listings there are, and are held out."""
    raw = raw_listings(rows, REFERENCE_SEED)
    listings = listings_of(rows, REFERENCE_SEED)
    artifact = train(listings, raw)
    kept_out = listings[held_out(MARKET, artifact.labels, listings)]
    probabilities = batch.probabilities(artifact, kept_out)
    listings.to_pickle(folder / LISTINGS)
    as_stored(probabilities).to_pickle(folder / PREDICTIONS)
    (folder / ARTIFACT).mkdir()
    artifact.save(folder / ARTIFACT)
    reference = Reference.of(MARKET, listings, label_rows(MARKET, artifact.labels, kept_out), probabilities)
    (folder / REFERENCE).write_text(reference.to_json())
    return {"listings": len(listings), "held_out": len(kept_out)}


def write_frames(folder: Path, sizes: list[int]) -> None:
    """Write a reference and a window of each size, undrifted, and the profile of the reference."""
    for rows in sizes:
        (folder / str(rows)).mkdir()
        for name, seed in ((REFERENCE_FRAME, REFERENCE_SEED), (WINDOW_FRAME, WINDOW_SEED)):
            listings = listings_of(rows, seed)[[*VALUES]].reset_index(drop=True)
            frame = pd.concat([listings, draw_predictions(folder, rows, seed)], axis="columns")
            frame.astype({PREDICTED: "category"}).to_pickle(folder / str(rows) / name)
        known = pd.read_pickle(folder / str(rows) / REFERENCE_FRAME)
        profile = profile_of(known, known, reference_edges(MARKET, known[[*VALUES]]))
        (folder / str(rows) / REFERENCE).write_text(profile.to_json())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(json.dumps(write_model(target, int(sys.argv[2]))))
    write_frames(target, [int(size) for size in sys.argv[3:]])
