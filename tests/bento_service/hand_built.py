"""Models of other markets that are built by hand: nothing is fitted, and their only tree compares one number."""

import dataclasses
from pathlib import Path

import numpy as np

from housing_assets.inference.artifact import GoldenRow, ModelArtifact
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.hashing import hash_token, token
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.scores import LinearScores, NumberScores, score_names

N_BUCKETS = 64
ZIP_CODES = ("98178", "98001")

SMALL_HOME = {"id": "7129300520", "sqft_living": "1,180", "zipcode": ZIP_CODES[0]}
LARGE_HOME = {"id": "7129300521", "sqft_living": 4_000, "zipcode": 98001}


def model_of(market: Market, *, lean: float = 0.6) -> ModelArtifact:
    """Return a model that tells small homes from large ones, of a market with the columns of ``other_markets.py``.

    Parameters
    ----------
    market : Market
    lean : float
        Probability of the first category for small homes, and of the last one for large ones.
    """
    numbers = [name for name, _, _ in market.encoded_numbers]
    n_scores, n_categories = len(score_names(market)), len(market.categories)
    small = (lean, *[(1 - lean) / (n_categories - 1)] * (n_categories - 1))
    forest = FlatForest.from_arrays(
        {
            "roots": np.array([0], dtype=np.int32),
            "feature": np.array([0, -1, -1], dtype=np.int32),
            "threshold": np.array([1 + (2_000 - 100) / 500, 0, 0], dtype=np.float32),
            "left": np.array([1, 0, 1], dtype=np.int32),
            "right": np.array([2, 0, 0], dtype=np.int32),
            "distributions": np.array([small, small[::-1]]),
            "columns": np.array([numbers.index("living_sqft")], dtype=np.int32),
            "importance": np.array([1.0]),
            "n_columns": np.int32(len(numbers) + n_scores + N_BUCKETS),
        }
    )
    labels = LabelScheme("built by hand", market.categories, _edges(market), market.currency, holdout_salt=1)
    n_linear = len(market.linear)
    linear = NumberScores(np.zeros(n_linear), np.ones(n_linear), np.zeros((n_linear, n_scores), np.int64))
    scores = LinearScores(
        np.zeros((N_BUCKETS, n_scores), np.int64), np.zeros(n_scores, np.int64), linear if n_linear else None
    )
    known = frozenset(hash_token(token("zip_code", zip_code)) for zip_code in ZIP_CODES)
    model = ModelArtifact(
        market=market,
        encoder=FittedEncoder(market, {}, scores, known),
        forest=forest,
        labels=labels,
        rule=FallbackRule(market, labels, {(): (1 / n_categories,) * n_categories, (ZIP_CODES[0],): small}),
        golden=(),
        metrics={"macro_f1": 0.5},
        provenance={"forest_digest": forest.digest()},
    )
    demanded = {name: market.example[name] for name in market.required}
    rows = [demanded | home for home in (SMALL_HOME, LARGE_HOME)]
    golden = [GoldenRow(cells, model.predict_one(cells).probabilities) for cells in rows]
    return dataclasses.replace(model, golden=golden)


def save(model: ModelArtifact, folder: Path) -> Path:
    """Save a model to a new folder, and return it."""
    folder.mkdir(parents=True)
    model.save(folder)
    return folder


def _edges(market: Market) -> tuple[float, ...]:
    return (
        tuple(100_000.0 * (1 + position) for position in range(len(market.categories) - 1)) if market.has_price else ()
    )
