"""A model artifact applied to frames: what the pyfunc, evaluation and comparisons of versions call."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.crossing import cross_frame, texts_of
from housing_assets.features.frame_encoding import encode_frame, encode_with_prices
from housing_assets.inference.artifact import NO_ESTIMATES, ModelArtifact
from housing_assets.inference.estimate import forecast_deviation
from housing_assets.inference.market import Market
from housing_assets.shards import split_frame
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd

PRICE_CATEGORY = "price_category"
PRICE_ESTIMATE = "price_estimate"
ESTIMATED = (
    PRICE_ESTIMATE,
    *("interval_50_low", "interval_50_high", "interval_80_low", "interval_80_high", "forecast_deviation"),
)
"""Columns of the price estimate, where the market has prices; see ``inference.estimate.Estimate``."""

NO_ESTIMATE = "no_estimate"
REASON = "reason"


def probability_names(categories: Sequence[str]) -> list[str]:
    """Return the names of the columns with each category's probability."""
    return [f"probability_{category}" for category in categories]


def answer_columns(market: Market) -> dict[str, str]:
    """Return the columns of ``predict_frame``, and the MLflow type of each."""
    shares = dict.fromkeys(probability_names(market.categories), "double")
    estimated = {**dict.fromkeys(ESTIMATED, "double"), NO_ESTIMATE: "string"} if market.has_price else {}
    return {PRICE_CATEGORY: "string", **shares, **estimated, REASON: "string"}


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
    answers : DataFrame of shape (n_rows, n_answer_columns)
        ``answer_columns``: the category, the probability of each, where the market has prices the estimate or why there
        is none, and ``reason``: why a row could not be used, in which case all others are null.
    """
    import pandas as pd

    return pd.concat(list(engine.map_shards(partial(_predict_shard, artifact), split_frame(raw, engine))))


def answer_listings(artifact: ModelArtifact, listings: "pd.DataFrame") -> "pd.DataFrame":
    """Return the ``answer_columns`` of typed listings but the last, by their index."""
    import pandas as pd

    names = artifact.labels.categories
    crossed = cross_frame(artifact.market, listings)
    encoded, known = encode_with_prices(artifact.encoder, crossed)
    shares, leaves = artifact.forest.walk(encoded)
    answers = {
        PRICE_CATEGORY: np.array(names, dtype=object)[shares.argmax(axis=1)],
        **{name: shares[:, index] for index, name in enumerate(probability_names(names))},
        **(_estimates(artifact, crossed, leaves, known) if artifact.market.has_price else {}),
    }
    return pd.DataFrame(answers, index=listings.index)


def _predict_shard(artifact: ModelArtifact, raw: "pd.DataFrame") -> "pd.DataFrame":
    from housing_assets.listings.cleaning import parse_frame

    listings, faults = parse_frame(artifact.market, raw, with_target=False)
    reasons = np.full(len(raw), None, dtype=object)
    for fault in reversed(faults):  # so that the first declared column is the one that stays
        reasons[fault.rows] = [f"{fault.column}: {reason}" for reason in fault.reasons[fault.rows]]
    unusable = np.array([reason is not None for reason in reasons], dtype=bool)
    answers = answer_listings(artifact, listings).set_axis(raw.index)
    answers.loc[unusable] = None
    return answers.assign(**{REASON: reasons})


def _estimates(
    artifact: ModelArtifact, crossed: "pd.DataFrame", leaves: np.ndarray, known: np.ndarray | None
) -> dict[str, np.ndarray]:
    estimator = artifact.estimator
    if estimator is None:
        nothing = {name: np.full(len(crossed), np.nan) for name in ESTIMATED}
        return {**nothing, NO_ESTIMATE: np.full(len(crossed), NO_ESTIMATES.reason, dtype=object)}
    known = np.zeros(len(crossed)) if known is None else known
    found = estimator.estimate(leaves, known, texts_of(crossed, estimator.calibration.key))
    unlike = estimator.is_unlike(found)
    why = np.full(len(crossed), None, dtype=object)
    why[unlike] = [estimator.why_unlike(similarity) for similarity in found[unlike, -1].tolist()]
    told = (*found[:, [0, 1, 2, 5, 6]].T, forecast_deviation(found[:, 0], found[:, 3], found[:, 4]))
    estimates = {name: np.where(unlike, np.nan, column) for name, column in zip(ESTIMATED, told, strict=True)}
    return {**estimates, NO_ESTIMATE: why}
