"""A model artifact applied to frames: what the pyfunc, evaluation and comparisons of versions call."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import encode_frame
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.shards import split_frame
from resources.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd

PRICE_CATEGORY = "price_category"
REASON = "reason"


def probability_names(categories: Sequence[str]) -> list[str]:
    """Return the names of the columns with each category's probability."""
    return [f"probability_{category}" for category in categories]


def probabilities(artifact: ModelArtifact, listings: "pd.DataFrame") -> np.ndarray:
    """Return class probabilities of typed listings: float64 of shape (n_rows, n_classes)."""
    crossed = cross_frame(artifact.market, listings)
    return artifact.forest.predict_proba(encode_frame(artifact.encoder, crossed))


def predict_frame(artifact: ModelArtifact, raw: "pd.DataFrame", engine: Engine = LOCAL) -> "pd.DataFrame":
    """Classify raw listings.

    Parameters
    ----------
    artifact : ModelArtifact
    raw : DataFrame of shape (n_rows, n_columns)
        Raw texts or clean numbers; the target is not read, a column that is absent counts as empty.
    engine : Engine

    Returns
    -------
    answers : DataFrame of shape (n_rows, 2 + n_classes)
        ``price_category``, ``probability_<category>`` for each, and ``reason``: why a row could not be used, in which
        case the others are null.
    """
    import pandas as pd

    return pd.concat(list(engine.map_shards(partial(_predict_shard, artifact), split_frame(raw, engine))))


def _predict_shard(artifact: ModelArtifact, raw: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    from housing_assets.listings.cleaning import parse_frame

    names = artifact.labels.categories
    listings, faults = parse_frame(artifact.market, raw, with_target=False)
    shares = probabilities(artifact, listings) if len(raw) else np.zeros((0, len(names)))
    categories = np.array(names, dtype=object)[shares.argmax(axis=1)]
    reasons = np.full(len(raw), None, dtype=object)
    for fault in reversed(faults):  # so that the first declared column is the one that stays
        reasons[fault.rows] = [f"{fault.column}: {reason}" for reason in fault.reasons[fault.rows]]
    unusable = np.array([reason is not None for reason in reasons], dtype=bool)
    categories[unusable] = None
    shares[unusable] = np.nan
    named = {name: shares[:, index] for index, name in enumerate(probability_names(names))}
    return pd.DataFrame({PRICE_CATEGORY: categories, **named, REASON: reasons}, index=raw.index)
