"""Folds that classifiers are fitted and judged on: encoded once, balanced once, and shared by all of them."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_assets.features.price_index_learning import PublishedIndex
from housing_assets.features.split import group_keys
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.labels import LabelScheme
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.out_of_time import cut_by_time, encode_past
from housing_assets.training.parameters import Strategy
from housing_assets.training.strategies import balance, encode_folds

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


class JudgedFold(NamedTuple):
    """What is learned from, and what judges: csr_matrix of shape (n_judged, n_columns), and its categories."""

    training: TrainingSet
    X: "csr_matrix"
    y: np.ndarray


class Balancing(NamedTuple):
    """How the rows to learn from are balanced; see ``balance``."""

    strategy: Strategy
    min_rows: int
    seed: int


def grouped(
    crossed: "pd.DataFrame", labels: LabelScheme, encoder: FittedEncoder, balancing: Balancing, n_folds: int
) -> Iterator[JudgedFold]:
    """Yield grouped, stratified folds of listings; all that is learned is learned from the other folds."""
    for fold in encode_folds(crossed, labels, encoder, n_folds, balancing.seed):
        training = balance(fold.X, fold.y, fold.rows, fold.encoder, **balancing._asdict())
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
    training = balance(encoded.X_train, encoded.y_train, older, encoded.encoder, **balancing._asdict())
    return JudgedFold(training, encoded.X_holdout, encoded.y_holdout)


def some_homes(crossed: "pd.DataFrame", encoder: FittedEncoder, max_rows: int, seed: int) -> "pd.DataFrame":
    """Return the listings of homes drawn at random, about ``max_rows``; all where there are no more."""
    if len(crossed) <= max_rows:
        return crossed
    homes, position = np.unique(group_keys(encoder.market, crossed), return_inverse=True)
    kept = np.random.default_rng(seed).random(len(homes)) < max_rows / len(crossed)
    return crossed[kept[position]]


def fingerprint(folds: Sequence[JudgedFold]) -> str:
    """Return a SHA-256 of all that folds consist of."""
    digest = hashlib.sha256()
    for fold in folds:
        digest.update(fold.training.fingerprint().encode() + fold.training.columns.tobytes())
        for array in (fold.X.indptr, fold.X.indices, fold.X.data, fold.y):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
