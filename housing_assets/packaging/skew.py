"""Training/serving skew: whether a served bento answers raw listings as the evaluated model predicts them."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.inference.artifact import PROBABILITY_TOLERANCE, ModelArtifact
from housing_assets.packaging.batch import predict_frame, probability_names
from housing_assets.packaging.bento import BentoFailed, serving

if TYPE_CHECKING:
    import httpx
    import pandas as pd

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


def find_skew(tag: str, home: Path, evaluated: ModelArtifact, raw: "pd.DataFrame") -> Skew:
    """Serve a bento and compare its answers; whatever goes wrong is a finding and raises nothing.

    Parameters
    ----------
    tag : str
        Of the bento.
    home : Path
        BentoML's store.
    evaluated : ModelArtifact
        The model that it must answer as.
    raw : DataFrame of shape (n_listings, n_columns)
        Raw listings to send, one request each.
    """
    import httpx

    if raw.empty:
        return Skew("there is no held-out listing to compare with")
    categories = evaluated.labels.categories
    expected = predict_frame(evaluated, raw)[probability_names(categories)].to_numpy()
    started = monotonic()
    try:
        with serving(tag, home) as url, httpx.Client(base_url=url, timeout=REQUEST_SECONDS) as client:
            start_seconds = monotonic() - started
            answers = [_ask(client, cells, categories) for cells in raw.astype(object).to_dict("records")]
    except BentoFailed as failure:
        return Skew(failure.what, log=failure.log)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as fault:
        return Skew(f"a listing has no answer to compare: {fault!r}", start_seconds=start_seconds)
    differences = np.abs(np.array(answers) - expected).max(axis=1)
    skewed = ~(differences <= PROBABILITY_TOLERANCE)
    found = f"{skewed.sum()} of {len(raw)} listings are answered otherwise than the evaluated model predicts them"
    return Skew(found if skewed.any() else None, len(raw), float(differences.max()), start_seconds)


def _ask(client: "httpx.Client", cells: Mapping[Hashable, Any], categories: Sequence[str]) -> list[float]:
    """Return the probabilities that the service answers for a listing."""
    filled = {name: cell for name, cell in cells.items() if cell is not None and cell == cell}
    body = json.dumps(filled, default=str)  # a day that the source already had as a day
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    if answer.is_error:
        raise ValueError(f"status {answer.status_code}: {answer.text}")
    return [answer.json()["probabilities"][name] for name in categories]
