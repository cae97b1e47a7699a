"""Training/serving skew: whether a served bento answers raw listings as the evaluated model predicts them."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.features.encoded import EncodedListings
from housing_assets.listings.columns import COLUMNS, TARGET
from housing_assets.packaging.artifact import PROBABILITY_NAMES, PROBABILITY_TOLERANCE, ModelArtifact
from housing_assets.packaging.bento import BentoFailed, serving
from housing_assets.training.flat_forest import FlatForest
from housing_assets.training.report import EvaluationReport

if TYPE_CHECKING:
    import httpx
    import pandas as pd

_DRAWN_PER_HELD_OUT = 10
"""Raw listings that are parsed for each one wanted: a fifth of them is held out, and some cannot be used."""

REQUEST_SECONDS = 10


@dataclass(frozen=True)
class Skew:
    """What comparing the answers of a served bento with the evaluated model's found.

    Attributes
    ----------
    fault : str or None
        What is wrong; None if there is no skew.
    listings : int
        How many were compared.
    largest_difference : float
        Between any two probabilities; NaN where there was no answer to compare.
    start_seconds : float
        From the start of the server's process until it was ready.
    log : str
        The end of the server's output where it did not start.
    """

    fault: str | None
    listings: int = 0
    largest_difference: float = float("nan")
    start_seconds: float = float("nan")
    log: str = ""


def evaluated_model(
    baked: ModelArtifact,
    registered_digest: str,
    forest: FlatForest,
    encoded: EncodedListings,
    report: EvaluationReport,
) -> ModelArtifact:
    """Return the model that a baked one must answer as.

    That is the baked one with the encoder and the forest that were evaluated, or the baked one itself where these are
    not stored any more, because a newer forest was grown that is not in production.

    Parameters
    ----------
    baked : ModelArtifact
    registered_digest : str
        Of the forest, when the version was registered.
    forest, encoded, report
        What is stored now.

    Raises
    ------
    ValueError
        If the forest is the registered one, and was evaluated with other features than are stored.
    """
    if forest.digest() != registered_digest:
        return baked
    report.require_judged(forest, encoded)
    return replace(baked, encoder=encoded.encoder, forest=forest)


def draw_held_out(raw: "pd.DataFrame", bands: PriceBands, n_listings: int) -> "pd.DataFrame":
    """Return raw listings that can be used and that no version of the lineage was trained on, without their prices.

    Parameters
    ----------
    raw : DataFrame of shape (n_rows, n_columns)
    bands : PriceBands
    n_listings : int
        At most as many are returned, always the same ones of a frame.
    """
    from housing_assets.listings.cleaning import parse_frame

    drawn = raw.sample(min(len(raw), _DRAWN_PER_HELD_OUT * n_listings), random_state=0)
    listings, faults = parse_frame(drawn, with_target=False)
    chosen = bands.held_out(listings)
    for fault in faults:
        chosen &= ~fault.rows
    names = [column.raw for column in COLUMNS if column.values[0].name != TARGET]
    return drawn.loc[chosen, names].head(n_listings)


def find_skew(tag: str, home: Path, evaluated: ModelArtifact, raw: "pd.DataFrame") -> Skew:
    """Serve a bento and compare its answers; whatever goes wrong is a finding and raises nothing.

    Parameters
    ----------
    tag : str
        Of the bento.
    home : Path
        BentoML's store.
    evaluated : ModelArtifact
        With the encoder and the forest that were evaluated.
    raw : DataFrame of shape (n_listings, n_columns)
        Raw listings to send, one request each.
    """
    import httpx

    if raw.empty:
        return Skew("there is no held-out listing to compare with")
    expected = evaluated.predict(raw)[PROBABILITY_NAMES].to_numpy()
    started = monotonic()
    try:
        with serving(tag, home) as url, httpx.Client(base_url=url, timeout=REQUEST_SECONDS) as client:
            start_seconds = monotonic() - started
            answers = [_ask(client, cells) for cells in raw.astype(object).to_dict("records")]
    except BentoFailed as failure:
        return Skew(failure.what, log=failure.log)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as fault:
        return Skew(f"a listing has no answer to compare: {fault!r}", start_seconds=start_seconds)
    differences = np.abs(np.array(answers) - expected).max(axis=1)
    skewed = ~(differences <= PROBABILITY_TOLERANCE)
    found = f"{skewed.sum()} of {len(raw)} listings are answered otherwise than the evaluated model predicts them"
    return Skew(found if skewed.any() else None, len(raw), float(differences.max()), start_seconds)


def _ask(client: "httpx.Client", cells: Mapping[Hashable, Any]) -> list[float]:
    """Return the probabilities that the service answers for a listing."""
    filled = {name: cell for name, cell in cells.items() if cell is not None and cell == cell}
    body = json.dumps(filled, default=str)  # a day that the source already had as a day
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    if answer.is_error:
        raise ValueError(f"status {answer.status_code}: {answer.text}")
    return [answer.json()["probabilities"][name] for name in CATEGORIES]
