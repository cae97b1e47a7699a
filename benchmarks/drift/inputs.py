"""Makes what is compared: a model with its reference, and frames of the columns that both sides look at.

``python -m benchmarks.drift.inputs FOLDER ROWS SIZE...`` trains on so many synthetic listings, as the assets do, and
writes a reference and a window of each size for the measurement of speed.
"""

import json
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
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
from benchmarks.serving.inputs import train
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import Shift, synthetic_listings
from housing_assets.monitoring.profile import Profile, reference_edges
from housing_assets.monitoring.reference import Reference, name_predictions

AS_OF = date(2022, 3, 4)
"""The newest day of the synthetic ads."""

REFERENCE_SEED, WINDOW_SEED = 0, 1


@dataclass
class Evaluated:
    """A model's answers for the listings held out."""

    probabilities: np.ndarray
    forest_digest: str = ""
    fit_digest: str = ""


def listings_of(rows: int, seed: int, **shift: Any) -> pd.DataFrame:
    """Return so many typed synthetic listings; among the ads that are drawn are copies and unusable ones."""
    usable: pd.DataFrame = clean(synthetic_listings(int(rows * 1.06) + 60, seed=seed, shift=Shift(**shift))).listings
    return usable[:rows]


def draw_predictions(folder: Path, rows: int, seed: int) -> pd.DataFrame:
    """Return answers drawn from those for the listings held out: what a report costs is not what they say."""
    answers: pd.DataFrame = pd.read_pickle(folder / PREDICTIONS)
    return answers.sample(rows, replace=True, random_state=seed, ignore_index=True)


def write_model(folder: Path, rows: int) -> dict[str, int]:
    """Write the model, its listings and its reference; return how many listings there are, and are held out."""
    listings = listings_of(rows, REFERENCE_SEED)
    artifact = train(listings)
    held_out = artifact.bands.held_out(listings)
    evaluated = Evaluated(artifact.probabilities(listings[held_out]))
    listings.to_pickle(folder / LISTINGS)
    name_predictions(evaluated.probabilities).to_pickle(folder / PREDICTIONS)
    (folder / ARTIFACT).mkdir()
    artifact.save(folder / ARTIFACT)
    (folder / REFERENCE).write_text(Reference.of(listings, artifact.bands, evaluated).to_json())
    return {"listings": len(listings), "held_out": int(held_out.sum())}


def write_frames(folder: Path, sizes: list[int]) -> None:
    """Write a reference and a window of each size, undrifted, and the profile of the reference."""
    for rows in sizes:
        (folder / str(rows)).mkdir()
        for name, seed in ((REFERENCE_FRAME, REFERENCE_SEED), (WINDOW_FRAME, WINDOW_SEED)):
            listings = listings_of(rows, seed)[[*VALUES]].reset_index(drop=True)
            frame = pd.concat([listings, draw_predictions(folder, rows, seed)], axis="columns")
            frame.astype({PREDICTED: "category"}).to_pickle(folder / str(rows) / name)
        known = pd.read_pickle(folder / str(rows) / REFERENCE_FRAME)
        profile = Profile.of(known[[*VALUES]], known, reference_edges(known), as_of=AS_OF)
        (folder / str(rows) / REFERENCE).write_text(profile.to_json())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(json.dumps(write_model(target, int(sys.argv[2]))))
    write_frames(target, [int(size) for size in sys.argv[3:]])
