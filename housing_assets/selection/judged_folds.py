"""Folds that classifiers are fitted and judged on: encoded once, balanced once, and shared by all of them."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_assets.features.price_index_learning import PublishedIndex
from housing_assets.features.split import group_keys
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import BOTH
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.out_of_time import cut_by_time, encode_past
from housing_assets.training.parameters import Balancing
from housing_assets.training.strategies import balance, encode_folds

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


class JudgedFold(NamedTuple):
    """What is learned from, and what judges: csr_matrix of shape (n_judged, n_columns), and its categories."""

    training: TrainingSet
    X: "csr_matrix"
    y: np.ndarray


def grouped(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    balancing: Balancing,
    n_folds: int,
    published: PublishedIndex | None = None,
) -> Iterator[JudgedFold]:
    """Yield grouped, stratified folds of listings; all that is learned is learned from the other folds."""
    for fold in encode_folds(crossed, labels, encoder, n_folds, balancing.seed, published):
        training = balance(fold.X, fold.y, fold.rows, fold.encoder, balancing)
        yield JudgedFold(training, fold.X_judged, fold.y_judged)


def newest(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    balancing: Balancing,
    share: float,
    published: PublishedIndex | None = None,
) -> JudgedFold | str:
    """Return the newest listings with all that was learned from older ones, or why they cannot be judged."""
    cuts = cut_by_time(encoder.market, crossed, share, 1)
    if cuts.reason:
        return cuts.reason
    past = encode_past(crossed, labels, encoder, cuts.folds[0], cuts.days, published=published)
    if isinstance(past, str):
        return past
    encoded, older, _ = past
    training = balance(encoded.X_train, encoded.y_train, older, encoded.encoder, balancing)
    return JudgedFold(training, encoded.X_holdout, encoded.y_holdout)


def some_homes(crossed: "pd.DataFrame", encoder: FittedEncoder, max_rows: int, seed: int) -> "pd.DataFrame":
    """Return the listings of homes drawn at random, about ``max_rows``; all where there are no more."""
    if len(crossed) <= max_rows:
        return crossed
    homes, position = np.unique(group_keys(encoder.market, crossed), return_inverse=True)
    kept = np.random.default_rng(seed).random(len(homes)) < max_rows / len(crossed)
    return crossed[kept[position]]


def fingerprint(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    balancing: Balancing,
    n_folds: int,
    published: PublishedIndex | None = None,
) -> str:
    """Return a SHA-256 of all that ``grouped`` makes its folds of, and of the libraries' versions.

    The folds themselves are no measure: solvers add up in another order with other threads, and encoded values differ
    in their last bits. The index of prices comes of such a solver, too: its levels count to a millionth.
    """
    import pandas as pd
    import sklearn

    index = encoder.index
    said = {
        "columns": [f"{name}: {kind}" for name, kind in crossed.dtypes.items()],
        "labels": labels.terms(),
        "market": encoder.market.fingerprint,
        "encoder": dict(encoder.parameters),
        "index": [
            index.clock,
            index.source,
            index.first_month,
            index.n_known,
            (np.round(index.logs, 6) + 0.0).tolist(),
        ],
        "balancing": balancing,
        "folds": n_folds,
        "versions": [sklearn.__version__, np.__version__],
    }
    if published is not None and index.source == BOTH:  # what each fold's own index is learned together with
        said["published"] = [published.months.tolist(), published.logs.tolist()]
    rows: np.ndarray = pd.util.hash_pandas_object(crossed, index=False).to_numpy()
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode() + rows.tobytes()).hexdigest()


def older_homes(crossed: "pd.DataFrame", market: Market, share: float) -> "pd.DataFrame":
    """Return the listings that ``newest`` lets classifiers learn from; all where it judges none."""
    folds = cut_by_time(market, crossed, share, 1).folds
    if not folds:
        return crossed
    homes = group_keys(market, crossed)
    return crossed[folds[0].learn & ~np.isin(homes, homes[folds[0].judge])]
